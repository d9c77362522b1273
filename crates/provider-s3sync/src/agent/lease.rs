//! One agent at a time for each workspace, wherever it runs: a claim beside the data.
//!
//! Claims are numbered objects that are only ever made under a free name, so that of two agents that try at once one
//! wins, on every kind of store and also where nothing may be deleted. Whoever holds the newest claim writes a new beat
//! into it while it works. Nobody's clock is compared with another's: a claim is abandoned when its beat has not changed
//! for a while by the clock of the one that watches it.
//!
//! The claim saves double work. It protects no data: backups at once are safe in both layouts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use stillpoint_core::{Clock, Error, ErrorKind, Result, Timestamp, WorkspaceId};
use stillpoint_repository::{ErrorKind as Stored, Id, Store};

use crate::error::from_repository;
use crate::mirror::{LEASES, Space};

/// After so long without a new beat a claim is abandoned.
pub const LEASE_TTL: Duration = Duration::from_secs(180);
/// How often the holder writes a new beat.
pub const LEASE_BEAT: Duration = Duration::from_secs(60);

/// The longest claim that is read, in bytes.
const CLAIM_BYTES_MAX: u64 = 4096;
/// The form of the claims that this version writes.
const FORMAT: u32 = 1;
/// Digits of a claim's number, so that names sort as numbers do.
const DIGITS: usize = 12;

/// What is said of a holder that took the lease a moment ago.
const FASTER: &str = "another agent that was faster";
/// How often claims are listed again because one of them went away.
const LOOKS_MAX: u32 = 4;

/// What stands in a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    format: u32,
    /// Who made it: a random name that a volume keeps.
    holder: String,
    beat: u64,
    held: bool,
}

/// What came of trying to take a lease.
#[derive(Debug)]
#[non_exhaustive]
pub enum Taken {
    /// It is held now.
    Held(HeldLease),
    /// Another agent works on this workspace.
    Busy {
        /// The random name of the one that holds it.
        holder: String,
    },
}

/// The lease of one workspace, as one agent sees it.
#[derive(Debug)]
pub struct AgentLease {
    place: Place,
    holder: String,
    clock: Arc<dyn Clock>,
    /// The foreign claim that is being watched, and since when it has looked like this.
    watched: Option<(u64, Claim, Timestamp)>,
}

/// A lease that is held until it is released, or until its agent is gone for [`LEASE_TTL`].
#[derive(Debug)]
pub struct HeldLease {
    place: Place,
    number: u64,
    claim: Claim,
}

#[derive(Clone, Debug)]
struct Place {
    store: Store,
    folder: String,
}

impl AgentLease {
    /// The lease of `workspace` in a store of mirrored timestamps, for the agent that is called `holder`.
    pub fn beside_timestamps(
        store: Store,
        workspace: &WorkspaceId,
        holder: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let folder = format!("{}/{LEASES}", Space::of_workspace(workspace).control());
        Self { place: Place { store, folder }, holder: holder.into(), clock, watched: None }
    }

    /// The lease of `workspace` in a repository. Its name tells nothing of the workspace.
    pub fn in_repository(
        store: Store,
        workspace: &WorkspaceId,
        holder: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let folder = format!("stillpoint/agents/{}", Id::of(workspace.as_str().as_bytes()));
        Self { place: Place { store, folder }, holder: holder.into(), clock, watched: None }
    }

    /// Takes the lease where it is free, this agent's own, or abandoned. An abandoned one is recognised by trying again
    /// for as long as [`LEASE_TTL`].
    ///
    /// # Errors
    /// The store's failure.
    pub async fn take(&mut self) -> Result<Taken> {
        let newest = self.place.newest().await?;
        if let Some((number, claim)) = &newest
            && claim.held
            && claim.holder != self.holder
            && !self.is_abandoned(*number, claim)
        {
            return Ok(Taken::Busy { holder: claim.holder.clone() });
        }
        let number = newest.map_or(0, |(number, _)| number).saturating_add(1);
        let claim = Claim { format: FORMAT, holder: self.holder.clone(), beat: 0, held: true };
        match self.place.create(number, &claim).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Ok(Taken::Busy { holder: FASTER.to_owned() });
            }
            Err(error) => return Err(error),
        }
        let numbers = self.place.numbers().await?;
        // A claim that was made late, under a number that newer ones had passed and freed again, is none.
        if numbers.last() > Some(&number) {
            return Ok(Taken::Busy { holder: FASTER.to_owned() });
        }
        self.watched = None;
        self.place.forget(numbers.into_iter().filter(|older| *older < number)).await?;
        Ok(Taken::Held(HeldLease { place: self.place.clone(), number, claim }))
    }

    /// Whether a foreign claim has looked the same for long enough; begins to watch it where it has not.
    fn is_abandoned(&mut self, number: u64, claim: &Claim) -> bool {
        let now = self.clock.now();
        match &self.watched {
            Some((known, as_it_was, since)) if *known == number && as_it_was == claim => {
                now.since(*since) >= LEASE_TTL
            }
            _ => {
                self.watched = Some((number, claim.clone(), now));
                false
            }
        }
    }
}

impl HeldLease {
    /// Writes a new beat; `false` where another agent took the lease meanwhile, because this one was silent for too
    /// long.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn beat(&mut self) -> Result<bool> {
        if self.place.numbers().await?.last() > Some(&self.number) {
            return Ok(false);
        }
        self.claim.beat += 1;
        self.place.write(self.number, &self.claim).await?;
        Ok(true)
    }

    /// Lets the lease go.
    ///
    /// # Errors
    /// The store's failure; the lease is free [`LEASE_TTL`] later then.
    pub async fn release(mut self) -> Result<()> {
        self.claim.held = false;
        self.place.write(self.number, &self.claim).await
    }
}

impl Place {
    fn key(&self, number: u64) -> String {
        format!("{}/{number:0DIGITS$}", self.folder)
    }

    /// The numbers of all claims, smallest first.
    async fn numbers(&self) -> Result<Vec<u64>> {
        let listed: Vec<_> =
            self.store.list_objects(&self.folder).try_collect().await.map_err(from_repository)?;
        let number = |key: &str| key.rsplit('/').next().and_then(|name| name.parse().ok());
        let mut numbers: Vec<u64> = listed.iter().filter_map(|object| number(&object.key)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The newest claim.
    async fn newest(&self) -> Result<Option<(u64, Claim)>> {
        for _ in 0..LOOKS_MAX {
            let Some(number) = self.numbers().await?.pop() else { return Ok(None) };
            match self.store.get_object(&self.key(number), CLAIM_BYTES_MAX).await {
                Ok(bytes) => return Ok(Some((number, self.parse(number, &bytes)))),
                // Removed since it was listed, by whoever made a newer one.
                Err(error) if *error.kind() == Stored::NotFound => {}
                Err(error) => return Err(from_repository(error)),
            }
        }
        Err(Error::new(ErrorKind::Busy, "claims come and go; other agents are at work here"))
    }

    /// What a claim says. One that cannot be read is a foreign one that says as much as its bytes do: it is abandoned once they
    /// have not changed for long enough, because a claim protects no data and must not stop every backup.
    fn parse(&self, number: u64, bytes: &[u8]) -> Claim {
        match serde_json::from_slice::<Claim>(bytes) {
            Ok(claim) if claim.format <= FORMAT => claim,
            unread => {
                let key = self.key(number);
                match unread {
                    Err(error) => tracing::warn!(%key, %error, "the claim of an agent cannot be read"),
                    Ok(_) => tracing::warn!(%key, "the claim of an agent was made by a newer version"),
                }
                let holder = format!("an unreadable claim, {}", Id::of(bytes));
                Claim { format: FORMAT, holder, beat: 0, held: true }
            }
        }
    }

    async fn create(&self, number: u64, claim: &Claim) -> Result<()> {
        self.store.create_object(&self.key(number), text(claim)?).await.map_err(from_repository)
    }

    async fn write(&self, number: u64, claim: &Claim) -> Result<()> {
        self.store.replace_object(&self.key(number), text(claim)?).await.map_err(from_repository)
    }

    /// Removes older claims. A store that lets nothing be deleted keeps them; they are small and mean nothing.
    async fn forget(&self, older: impl Iterator<Item = u64>) -> Result<()> {
        let keys: Vec<_> = older.map(|older| self.key(older)).collect();
        match self.store.delete_objects(&keys).await {
            Err(error) if *error.kind() != Stored::PermissionDenied => Err(from_repository(error)),
            _ => Ok(()),
        }
    }
}

fn text(claim: &Claim) -> Result<Bytes> {
    let text = serde_json::to_vec(claim).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "a claim cannot be written as JSON").with_source(error)
    })?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use stillpoint_core::VirtualClock;

    use super::*;

    fn lease(store: &Store, holder: &str, clock: &Arc<VirtualClock>) -> AgentLease {
        let workspace = "ada/lab".parse().unwrap();
        AgentLease::beside_timestamps(store.clone(), &workspace, holder, Arc::clone(clock) as Arc<dyn Clock>)
    }

    fn clock() -> Arc<VirtualClock> {
        Arc::new(VirtualClock::starting_at(Timestamp::from_millis(0)))
    }

    async fn held(lease: &mut AgentLease) -> HeldLease {
        match lease.take().await.unwrap() {
            Taken::Held(held) => held,
            Taken::Busy { holder } => panic!("{holder} has it"),
        }
    }

    async fn is_busy(lease: &mut AgentLease) -> bool {
        matches!(lease.take().await.unwrap(), Taken::Busy { .. })
    }

    #[tokio::test(start_paused = true)]
    async fn one_agent_holds_it_and_the_next_has_it_after_the_release() {
        let (store, clock) = (Store::memory(), clock());
        let (mut one, mut two) = (lease(&store, "one", &clock), lease(&store, "two", &clock));
        let mut mine = held(&mut one).await;
        assert!(is_busy(&mut two).await);
        assert!(mine.beat().await.unwrap());
        mine.release().await.unwrap();
        held(&mut two).await;
        assert!(is_busy(&mut one).await);
        assert_eq!(one.place.numbers().await.unwrap(), [2], "older claims are removed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_beats_is_waited_for_and_one_that_is_silent_is_replaced() {
        let (store, clock) = (Store::memory(), clock());
        let (mut one, mut two) = (lease(&store, "one", &clock), lease(&store, "two", &clock));
        let mut mine = held(&mut one).await;
        for _ in 0..10 {
            assert!(is_busy(&mut two).await);
            assert!(mine.beat().await.unwrap());
            clock.sleep(LEASE_BEAT).await;
        }
        assert!(is_busy(&mut two).await, "a claim that was seen for the first time is not abandoned");
        clock.sleep(LEASE_TTL - Duration::from_secs(1)).await;
        assert!(is_busy(&mut two).await);
        clock.sleep(Duration::from_secs(1)).await;
        let mut theirs = held(&mut two).await;
        assert!(!mine.beat().await.unwrap(), "the silent one learns that it lost the lease");
        assert!(theirs.beat().await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_crashed_has_its_own_lease_back_at_once() {
        let (store, clock) = (Store::memory(), clock());
        held(&mut lease(&store, "one", &clock)).await;
        held(&mut lease(&store, "one", &clock)).await;
        assert!(is_busy(&mut lease(&store, "two", &clock)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_that_try_at_once_one_wins() {
        let (store, clock) = (Store::memory(), clock());
        let mut agents: Vec<_> = (0..16).map(|n| lease(&store, &format!("a{n}"), &clock)).collect();
        let taken = futures::future::join_all(agents.iter_mut().map(AgentLease::take)).await;
        let held = taken.iter().filter(|taken| matches!(taken, Ok(Taken::Held(_)))).count();
        assert_eq!(held, 1, "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_under_a_number_that_was_passed_and_freed_is_none() {
        let (store, clock) = (Store::memory(), clock());
        let mut one = lease(&store, "one", &clock);
        let three = Claim { format: FORMAT, holder: "three".to_owned(), beat: 0, held: false };
        one.place.create(3, &three).await.unwrap();
        let held = held(&mut lease(&store, "four", &clock)).await;
        assert_eq!(held.number, 4);
        // As an agent that listed before all that would go on.
        one.place.create(2, &Claim { holder: "one".to_owned(), held: true, ..three }).await.unwrap();
        let mut late = HeldLease { place: one.place.clone(), number: 2, claim: held.claim.clone() };
        assert!(!late.beat().await.unwrap());
        assert!(is_busy(&mut one).await);
    }

    #[tokio::test(start_paused = true)]
    async fn workspaces_have_leases_of_their_own() {
        let (store, clock) = (Store::memory(), clock());
        let _held = held(&mut lease(&store, "one", &clock)).await;
        let workspace = "bob/lab".parse().unwrap();
        held(&mut AgentLease::in_repository(store.clone(), &workspace, "two", clock.clone())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_cannot_be_read_is_waited_for_as_long_as_its_bytes_change() {
        for claims in [["???", "!!!"], [r#"{"format":2,"beat":0}"#, r#"{"format":2,"beat":1}"#]] {
            let (store, clock) = (Store::memory(), clock());
            let mut one = lease(&store, "one", &clock);
            for claim in claims {
                store.replace_object(&one.place.key(5), Bytes::from_static(claim.as_bytes())).await.unwrap();
                assert!(is_busy(&mut one).await);
                clock.sleep(LEASE_TTL - Duration::from_secs(1)).await;
                assert!(is_busy(&mut one).await);
            }
            clock.sleep(Duration::from_secs(1)).await;
            assert_eq!(held(&mut one).await.number, 6);
        }
    }
}
