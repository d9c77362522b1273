//! The provisioner suite: what every [`Provisioner`] owes, as plain async functions over a [`Harness`].

use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    Clock, ErrorKind, OpContext, ProvisionRequest, Provisioner, Result, Severity, SystemClock, WorkspaceId,
};

/// Sets the scene for the provisioner under test and looks behind its back.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The provisioner, as a newly started process would build it. The suite calls it again to play a restart.
    ///
    /// # Errors
    /// Whatever building it can meet; it fails the check.
    async fn provisioner(&self) -> Result<Arc<dyn Provisioner>>;

    /// The clock that the provisioner runs by.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock::default())
    }

    /// A request for a new target named `name`, of a backup with at least one component.
    fn request(&self, name: &str) -> ProvisionRequest;

    /// Whether the new workspace exists, seen from outside; `None` where a workspace is only a name.
    async fn exists(&self, workspace: &WorkspaceId) -> Option<bool>;
}

/// Makes one test of each check of the provisioner suite; takes what
/// [`provider_suite!`](crate::provider_suite) takes.
#[macro_export]
macro_rules! provisioner_suite {
    ($(#[$attribute:meta])+ $harness:expr) => {
        $crate::__suite! {
            ($crate::provisioner) [$(#[$attribute])+] ($harness)
            a_new_target_has_no_blocker
            a_look_makes_nothing
            each_component_has_a_destination
            provisioning_twice_makes_one_workspace
            a_target_of_another_operation_is_refused
            attaching_and_activating_may_be_repeated
            discarding_twice_succeeds
            discarding_what_was_never_made_succeeds
        }
    };
}

struct Bench<'a> {
    harness: &'a dyn Harness,
    provisioner: Arc<dyn Provisioner>,
    request: ProvisionRequest,
    cx: OpContext,
}

impl<'a> Bench<'a> {
    async fn new(harness: &'a dyn Harness, name: &str) -> Result<Self> {
        let request = harness.request(name);
        let cx = OpContext::new(harness.clock()).for_operation(request.restore.id.clone(), 1);
        Ok(Self { harness, provisioner: harness.provisioner().await?, request, cx })
    }

    async fn expect_exists(&self, exists: bool, why: &str) {
        if let Some(seen) = self.harness.exists(&self.request.restore.target).await {
            assert_eq!(seen, exists, "{why}");
        }
    }
}

/// A preflight for a new target finds nothing that would stop the restore.
///
/// # Errors
/// Whatever the provisioner answers against the contract.
pub async fn a_new_target_has_no_blocker(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness, "new-target").await?;
    let findings = bench.provisioner.preflight(&bench.cx, &bench.request).await?;
    let blocker = findings.iter().find(|finding| finding.severity == Severity::Blocker);
    assert_eq!(blocker, None, "a new target can be made");
    Ok(())
}

/// A preflight makes nothing, so that a preview costs nothing.
///
/// # Errors
/// Whatever the provisioner answers against the contract.
pub async fn a_look_makes_nothing(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness, "only-looked-at").await?;
    let first = bench.provisioner.preflight(&bench.cx, &bench.request).await?;
    let second = bench.provisioner.preflight(&bench.cx, &bench.request).await?;
    assert_eq!(first, second, "looking twice finds the same");
    bench.expect_exists(false, "a preflight makes nothing").await;
    Ok(())
}

/// Each component with a snapshot is told where its new resource shall be.
///
/// # Errors
/// Whatever the provisioner answers against the contract.
pub async fn each_component_has_a_destination(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness, "destinations").await?;
    let made = bench.provisioner.provision(&bench.cx, &bench.request).await?;
    assert_eq!(made.workspace, bench.request.restore.target);
    for component in &bench.request.backup.components {
        if component.snapshot.is_some() {
            let id = &component.component.id;
            assert!(made.destinations.contains_key(id), "{id} has no destination: {made:?}");
        }
    }
    bench.provisioner.discard(&bench.cx, &made).await
}

/// Provisioning again for the same operation, in another process too, answers the workspace already made.
///
/// # Errors
/// Whatever the provisioner answers against the contract.
pub async fn provisioning_twice_makes_one_workspace(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness, "made-twice").await?;
    let made = bench.provisioner.provision(&bench.cx, &bench.request).await?;
    assert_eq!(bench.provisioner.provision(&bench.cx, &bench.request).await?, made);
    let restarted = Bench::new(harness, "made-twice").await?;
    assert_eq!(restarted.provisioner.provision(&bench.cx, &bench.request).await?, made);
    bench.expect_exists(true, "what was provisioned exists").await;
    restarted.provisioner.discard(&bench.cx, &made).await?;
    bench.expect_exists(false, "one discard removes it, however often it was provisioned").await;
    Ok(())
}

/// A target that another operation made is neither taken over nor discarded. Where a workspace is only a name,
/// there is nothing to take.
///
/// # Errors
/// Whatever the provisioner answers against the contract.
pub async fn a_target_of_another_operation_is_refused(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness, "taken").await?;
    let made = bench.provisioner.provision(&bench.cx, &bench.request).await?;
    let mut other = bench.request.clone();
    other.restore.id = "another-restore".parse()?;
    let cx = OpContext::new(harness.clock()).for_operation(other.restore.id.clone(), 1);
    let answer = bench.provisioner.provision(&cx, &other).await;
    if harness.exists(&made.workspace).await.is_some() {
        let kind = answer.as_ref().err().map(stillpoint_core::Error::kind);
        assert_eq!(kind, Some(ErrorKind::AlreadyExists), "{answer:?}");
        // The undo of the refused restore knows the target's name only and must not remove what is not its own.
        let nothing = stillpoint_core::Provisioned::new(made.workspace.clone());
        let refused = bench.provisioner.discard(&cx, &nothing).await;
        bench.expect_exists(true, "another operation's workspace is not discarded").await;
        assert!(refused.is_ok(), "nothing of the refused restore is there, which is a success: {refused:?}");
    }
    bench.provisioner.discard(&bench.cx, &made).await
}

/// Attaching and activating may be repeated after a crash, by another process.
///
/// # Errors
/// Whatever the provisioner answers against the contract.
pub async fn attaching_and_activating_may_be_repeated(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness, "repeated").await?;
    let made = bench.provisioner.provision(&bench.cx, &bench.request).await?;
    let restarted = Bench::new(harness, "repeated").await?;
    for provisioner in [&bench.provisioner, &bench.provisioner, &restarted.provisioner] {
        provisioner.attach(&bench.cx, &made, &[]).await?;
    }
    for provisioner in [&bench.provisioner, &bench.provisioner, &restarted.provisioner] {
        provisioner.activate(&bench.cx, &made).await?;
    }
    bench.provisioner.discard(&bench.cx, &made).await
}

/// Discarding twice, and in another process, succeeds.
///
/// # Errors
/// Whatever the provisioner answers against the contract.
pub async fn discarding_twice_succeeds(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness, "discarded-twice").await?;
    let made = bench.provisioner.provision(&bench.cx, &bench.request).await?;
    bench.provisioner.discard(&bench.cx, &made).await?;
    bench.provisioner.discard(&bench.cx, &made).await?;
    let restarted = Bench::new(harness, "discarded-twice").await?;
    restarted.provisioner.discard(&bench.cx, &made).await?;
    bench.expect_exists(false, "it is gone").await;
    Ok(())
}

/// Discarding for an operation whose workspace was never made succeeds: its answer may have been lost.
///
/// # Errors
/// Whatever the provisioner answers against the contract.
pub async fn discarding_what_was_never_made_succeeds(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness, "never-made").await?;
    let nothing = stillpoint_core::Provisioned::new(bench.request.restore.target.clone());
    bench.provisioner.discard(&bench.cx, &nothing).await
}
