//! The workspace suite: what every [`Workspace`] owes, as plain async functions over a [`Harness`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    Clock, Consistency, ErrorKind, OpContext, OperationId, Protection, QuiesceId, QuiesceOptions, Result,
    SystemClock, Watchdog, Watched, Workspace,
};

/// Sets the scene for the workspace under test and looks behind its back.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The workspace, as a newly started process would open it. The suite calls it again to play a restart.
    ///
    /// # Errors
    /// Whatever opening it can meet; it fails the check.
    async fn workspace(&self) -> Result<Arc<dyn Workspace>>;

    /// The clock that the workspace runs by.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock::default())
    }

    /// Whether the services stand still now, seen from outside; `None` where nothing ever stops
    /// ([`Consistency::Fuzzy`]).
    async fn is_held(&self) -> Option<bool>;

    /// Everything about the services that letting go must bring back, in words; `None` where there is nothing.
    async fn state(&self) -> Option<String> {
        None
    }
}

/// Makes one test of each check of the workspace suite; takes what
/// [`provider_suite!`](crate::provider_suite) takes.
#[macro_export]
macro_rules! workspace_suite {
    ($(#[$attribute:meta])+ $harness:expr) => {
        $crate::__suite! {
            ($crate::workspace) [$(#[$attribute])+] ($harness)
            a_definition_names_its_workspace_and_stays
            an_inventory_is_stable_and_names_each_component_once
            quiescing_twice_is_one_hold
            a_second_hold_is_told_that_the_workspace_is_busy
            a_hold_is_let_go_by_another_process
            resuming_twice_succeeds
            resuming_what_holds_nothing_changes_nothing
            a_hold_says_whose_it_is_since_when_and_for_how_long
            letting_go_brings_the_exact_prior_state_back
            a_watchdog_lets_go_of_an_overdue_hold_with_nothing_but_the_workspace
        }
    };
}

struct Bench<'a> {
    harness: &'a dyn Harness,
    workspace: Arc<dyn Workspace>,
    cx: OpContext,
}

impl<'a> Bench<'a> {
    async fn new(harness: &'a dyn Harness) -> Result<Self> {
        Ok(Self { harness, workspace: harness.workspace().await?, cx: OpContext::new(harness.clock()) })
    }

    async fn quiesce(&self, id: &QuiesceId) -> Result<Consistency> {
        self.workspace.quiesce(&self.cx, id, &QuiesceOptions::new(Duration::from_secs(3600))).await
    }

    async fn resume(&self, id: &QuiesceId) -> Result<()> {
        self.workspace.resume(&self.cx, id).await
    }

    async fn expect_held(&self, held: bool, why: &str) {
        if let Some(seen) = self.harness.is_held().await {
            assert_eq!(seen, held, "{why}");
        }
    }
}

fn hold(name: &str) -> Result<QuiesceId> {
    Ok(QuiesceId::of(&OperationId::new(name)?))
}

/// A definition carries the workspace's id and answers the same twice.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn a_definition_names_its_workspace_and_stays(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let definition = bench.workspace.definition(&bench.cx).await?;
    assert_eq!(definition.id, *bench.workspace.id());
    assert_eq!(Bench::new(harness).await?.workspace.definition(&bench.cx).await?, definition);
    Ok(())
}

/// An inventory answers the same twice, names each component once and says why it leaves one out.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn an_inventory_is_stable_and_names_each_component_once(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let inventory = bench.workspace.inventory(&bench.cx).await?;
    assert!(!inventory.is_empty(), "a workspace without components cannot be backed up");
    let names: BTreeSet<_> = inventory.iter().map(|component| &component.id).collect();
    assert_eq!(names.len(), inventory.len(), "each component has a name of its own: {inventory:?}");
    for component in &inventory {
        if let Protection::Excluded { reason } = &component.protection {
            assert!(!reason.is_empty(), "{} is left out without a reason", component.id);
        }
    }
    assert_eq!(Bench::new(harness).await?.workspace.inventory(&bench.cx).await?, inventory);
    Ok(())
}

/// Quiescing again with the same id, in another process too, answers the same and needs one resume only.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn quiescing_twice_is_one_hold(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let id = hold("quiesced-twice")?;
    let first = bench.quiesce(&id).await?;
    assert_eq!(bench.quiesce(&id).await?, first);
    assert_eq!(
        Bench::new(harness).await?.quiesce(&id).await?,
        first,
        "a restarted process is answered the same"
    );
    bench.expect_held(true, "a quiesced workspace stands still").await;
    bench.resume(&id).await?;
    bench.expect_held(false, "one resume lets go, however often it was quiesced").await;
    Ok(())
}

/// While one id holds the workspace another one is told `Busy`, and gets its turn afterwards.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn a_second_hold_is_told_that_the_workspace_is_busy(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let (mine, theirs) = (hold("busy-mine")?, hold("busy-theirs")?);
    let level = bench.quiesce(&mine).await?;
    let answer = bench.quiesce(&theirs).await;
    // Where nothing is stopped there is nothing to be busy with.
    if level > Consistency::Fuzzy {
        let kind = answer.as_ref().err().map(stillpoint_core::Error::kind);
        assert_eq!(kind, Some(ErrorKind::Busy), "{answer:?}");
    }
    bench.resume(&theirs).await?;
    bench.expect_held(true, "a refused hold lets nobody go").await;
    bench.resume(&mine).await?;
    bench.quiesce(&theirs).await?;
    bench.resume(&theirs).await?;
    bench.expect_held(false, "the second hold is let go as well").await;
    Ok(())
}

/// A process that did not quiesce can let go.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn a_hold_is_let_go_by_another_process(harness: &dyn Harness) -> Result<()> {
    let id = hold("another-process")?;
    Bench::new(harness).await?.quiesce(&id).await?;
    let restarted = Bench::new(harness).await?;
    restarted.expect_held(true, "a hold outlives the process that took it").await;
    restarted.resume(&id).await?;
    restarted.expect_held(false, "any process can let go").await;
    Ok(())
}

/// Letting go twice succeeds, and a hold can be taken again with the same id.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn resuming_twice_succeeds(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let id = hold("resumed-twice")?;
    let first = bench.quiesce(&id).await?;
    bench.resume(&id).await?;
    bench.resume(&id).await?;
    assert_eq!(bench.quiesce(&id).await?, first);
    bench.expect_held(true, "a hold can be taken again").await;
    bench.resume(&id).await?;
    bench.expect_held(false, "and let go again").await;
    Ok(())
}

/// Resuming an id that never held anything succeeds and changes nothing.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn resuming_what_holds_nothing_changes_nothing(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    bench.resume(&hold("never-held")?).await?;
    bench.expect_held(false, "nothing was held").await;
    let id = hold("held-meanwhile")?;
    bench.quiesce(&id).await?;
    bench.resume(&hold("never-held")?).await?;
    bench.expect_held(true, "another id lets nobody go").await;
    bench.resume(&id).await
}

/// Any process reads back from the workspace who holds it still, since when, and for how long at the most.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn a_hold_says_whose_it_is_since_when_and_for_how_long(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    assert_eq!(bench.workspace.hold(&bench.cx).await?, None, "nothing holds it yet");
    let id = hold("says-who")?;
    let before = harness.clock().now();
    let level = bench.quiesce(&id).await?;
    let after = harness.clock().now();
    let other = Bench::new(harness).await?;
    let told = other.workspace.hold(&other.cx).await?;
    if level > Consistency::Fuzzy {
        assert!(told.is_some(), "something stands still, and nobody can see for whom");
    }
    if let Some(told) = &told {
        assert_eq!((&told.id, told.budget), (&id, Duration::from_secs(3600)));
        assert!((before..=after).contains(&told.since), "{told:?}");
    }
    other.workspace.quiesce(&other.cx, &id, &QuiesceOptions::new(Duration::from_secs(9))).await?;
    assert_eq!(other.workspace.hold(&other.cx).await?, told, "the same hold again changes nothing");
    other.resume(&id).await?;
    assert_eq!(bench.workspace.hold(&bench.cx).await?, None, "it was let go");
    Ok(())
}

/// What ran before runs again and what did not does not, also when another process lets go, and after a repeat.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn letting_go_brings_the_exact_prior_state_back(harness: &dyn Harness) -> Result<()> {
    let Some(prior) = harness.state().await else { return Ok(()) };
    let bench = Bench::new(harness).await?;
    let id = hold("prior-state")?;
    bench.quiesce(&id).await?;
    bench.quiesce(&id).await?;
    assert_ne!(harness.state().await.as_ref(), Some(&prior), "a held workspace looks like any other");
    Bench::new(harness).await?.resume(&id).await?;
    assert_eq!(harness.state().await.as_ref(), Some(&prior));
    bench.resume(&id).await?;
    assert_eq!(harness.state().await, Some(prior));
    Ok(())
}

/// A hold past its budget is let go by somebody who knows the workspace only; one within its budget is not.
///
/// # Errors
/// Whatever the workspace answers against the contract.
pub async fn a_watchdog_lets_go_of_an_overdue_hold_with_nothing_but_the_workspace(
    harness: &dyn Harness,
) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let watchdog = Watchdog::new(harness.clock()).with_grace(Duration::ZERO);
    let id = hold("watched")?;
    let level = bench.quiesce(&id).await?;
    let seen = watchdog.look(Bench::new(harness).await?.workspace.as_ref()).await?;
    if level > Consistency::Fuzzy {
        assert!(matches!(seen, Watched::Held(_)), "a hold within its budget is left alone: {seen:?}");
        bench.expect_held(true, "and goes on").await;
    }
    bench.resume(&id).await?;
    bench.workspace.quiesce(&bench.cx, &id, &QuiesceOptions::new(Duration::ZERO)).await?;
    watchdog.look(Bench::new(harness).await?.workspace.as_ref()).await?;
    bench.expect_held(false, "a hold past its budget is let go").await;
    assert_eq!(watchdog.look(bench.workspace.as_ref()).await?, Watched::Free);
    Ok(())
}
