//! A prune from lock to report.

use std::collections::HashSet;
use std::sync::Arc;

use super::clock;
use super::mark::{Reached, new_roots, reach};
use super::options::PruneOptions;
use super::plan::{Candidate, Plan, StoredPack, plan};
use super::report::{PruneReport, PruneState};
use super::rounds::{KIND, MAX_PACKS, PackList, Rounds, condemned, sweep};
use super::sweep::{Sweep, withdraw};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::lock::{Lock, LockMode};
use crate::repository::Repository;
use crate::store::Stat;

impl Repository {
    /// Frees the space of what no snapshot needs.
    ///
    /// With a grace, a run only condemns packs, or deletes those that were condemned at least the grace ago; backups of
    /// this program go on meanwhile, and other programs are kept out by restic's locks while something is deleted.
    /// Without a grace it takes the exclusive lock and deletes at once. Either may be killed anywhere: the next run goes
    /// on where it stopped, and until then nothing that a snapshot needs is missing.
    ///
    /// # Errors
    /// `Locked` if others use the repository who must not, or a backup that ran when the list was published still does.
    /// `Corrupt` if a snapshot cannot be read whole: then nothing is deleted. `Unsupported` if the local clock and the
    /// store's differ by more than five minutes. `PermissionDenied` if the store keeps index files.
    pub async fn prune(&self, options: &PruneOptions) -> Result<PruneReport> {
        let mut run = Run::new(self, options);
        if options.dry_run {
            return run.preview().await;
        }
        let clock = clock::ask(self, options).await?;
        run.report.versioned = clock.versioned;
        let mode = run.lock_mode(&clock).await?;
        let lock = self.lock(mode).await?;
        let outcome = tokio::select! {
            biased;
            lost = lock.lost() => Err(lost),
            outcome = run.with_lock(&lock, mode, &clock) => outcome,
        };
        lock.let_go().await;
        outcome.map(|()| run.report)
    }
}

struct Run<'a> {
    repository: &'a Repository,
    options: &'a PruneOptions,
    report: PruneReport,
    known: HashSet<Id>,
    reached: Reached,
}

impl<'a> Run<'a> {
    fn new(repository: &'a Repository, options: &'a PruneOptions) -> Self {
        let (known, reached) = (HashSet::new(), Reached::default());
        Self { repository, options, report: PruneReport::default(), known, reached }
    }

    async fn preview(&mut self) -> Result<PruneReport> {
        let lock = self.repository.lock(LockMode::Shared).await?;
        let planned = self.mark().await;
        lock.let_go().await;
        planned?;
        self.report.state = PruneState::Planned;
        Ok(std::mem::take(&mut self.report))
    }

    /// Condemning needs no more than a shared lock; only where packs are deleted are others kept out.
    async fn lock_mode(&self, clock: &Stat) -> Result<LockMode> {
        if self.options.grace.is_zero() {
            return Ok(LockMode::Exclusive);
        }
        let rounds = self.repository.rounds().await?;
        let sweeps = rounds.sweep > rounds.done || self.is_due(&rounds, clock).await?;
        Ok(if sweeps { LockMode::Sweep } else { LockMode::Shared })
    }

    async fn is_due(&self, rounds: &Rounds, clock: &Stat) -> Result<bool> {
        if rounds.condemned <= rounds.done {
            return Ok(false);
        }
        let since = clock::written(self.repository, &condemned(rounds.condemned)).await?;
        Ok(clock.written.since(since) >= self.options.grace)
    }

    async fn with_lock(&mut self, lock: &Lock, mode: LockMode, clock: &Stat) -> Result<()> {
        let mut rounds = self.repository.rounds().await?;
        if rounds.done != 0 && (rounds.sweep == rounds.done || rounds.condemned == rounds.done) {
            withdraw(self.repository, rounds.done).await?;
            rounds = self.repository.rounds().await?;
        }
        if mode != LockMode::Shared && rounds.sweep != 0 {
            self.sweep(lock, rounds.sweep, Arc::clone(&rounds.swept)).await?;
            rounds = self.repository.rounds().await?;
        }
        if mode == LockMode::Exclusive {
            return self.at_once(lock, &rounds).await;
        }
        if mode == LockMode::Sweep && self.is_due(&rounds, clock).await? {
            self.second_run(lock, &rounds).await?;
            rounds = self.repository.rounds().await?;
        }
        if rounds.condemned > rounds.done {
            return self.wait(&rounds).await;
        }
        self.first_run(&rounds).await
    }

    /// Everything in one go, which the exclusive lock allows.
    async fn at_once(&mut self, lock: &Lock, rounds: &Rounds) -> Result<()> {
        if rounds.condemned != 0 {
            // It was never announced, so nobody relies on it.
            self.repository.delete_record(KIND, &condemned(rounds.condemned)).await?;
        }
        let plan = self.mark().await?;
        let chosen = self.within_limit(&plan, plan.candidates().copied());
        self.announce_and_sweep(lock, rounds.done.max(rounds.condemned) + 1, &chosen).await
    }

    /// Publishes what could go. Nothing else changes.
    async fn first_run(&mut self, rounds: &Rounds) -> Result<()> {
        let plan = self.mark().await?;
        let packs: Vec<Id> = plan.candidates().take(MAX_PACKS).map(|candidate| candidate.id).collect();
        if packs.is_empty() {
            return Ok(());
        }
        let round = rounds.done + 1;
        let sessions = self.repository.sessions().await?;
        self.repository.publish_packs(&condemned(round), &PackList { packs, sessions }).await?;
        self.wait(&self.repository.rounds().await?).await
    }

    async fn wait(&mut self, rounds: &Rounds) -> Result<()> {
        let name = condemned(rounds.condemned);
        let list = self.repository.read_packs(&name).await?;
        let since = clock::written(self.repository, &name).await?;
        self.report.condemned_packs = u64::try_from(list.packs.len()).unwrap_or(u64::MAX);
        self.report.due = Some(clock::after(since, self.options.grace));
        self.report.state = PruneState::Condemned;
        Ok(())
    }

    /// Marks once more, and sweeps what was condemned and still can go.
    async fn second_run(&mut self, lock: &Lock, rounds: &Rounds) -> Result<()> {
        let list = self.repository.read_packs(&condemned(rounds.condemned)).await?;
        self.repository.refuse_sessions(lock, &list.sessions).await?;
        let plan = self.mark().await?;
        let condemned_packs: HashSet<Id> = list.packs.into_iter().collect();
        let still = plan.candidates().filter(|candidate| condemned_packs.contains(&candidate.id)).copied();
        let chosen = self.within_limit(&plan, still);
        if chosen.is_empty() {
            return self.repository.delete_record(KIND, &condemned(rounds.condemned)).await;
        }
        self.announce_and_sweep(lock, rounds.condemned, &chosen).await
    }

    async fn announce_and_sweep(&mut self, lock: &Lock, round: u64, chosen: &[Id]) -> Result<()> {
        if chosen.is_empty() {
            return Ok(());
        }
        lock.ensure_held()?;
        let list = PackList { packs: chosen.to_vec(), sessions: Vec::new() };
        self.repository.publish_packs(&sweep(round), &list).await?;
        self.sweep(lock, round, Arc::new(chosen.iter().copied().collect())).await
    }

    async fn sweep(&mut self, lock: &Lock, round: u64, doomed: Arc<HashSet<Id>>) -> Result<()> {
        let (repository, options) = (self.repository, self.options);
        let sweep = Sweep { repository, lock, options, round, doomed };
        sweep.run(&mut self.known, &mut self.reached, &mut self.report).await
    }

    /// The packs that go in this run: at most the allowed share of all bytes, but at least one.
    fn within_limit(&self, plan: &Plan, candidates: impl Iterator<Item = Candidate>) -> Vec<Id> {
        let limit = u128::from(plan.bytes) * u128::from(self.options.delete_percent);
        let mut bytes = 0_u128;
        let fits = |candidate: &Candidate| {
            let first = bytes == 0;
            bytes += u128::from(candidate.size) * 100;
            first || bytes <= limit
        };
        candidates.take(MAX_PACKS).take_while(fits).map(|candidate| candidate.id).collect()
    }

    /// What every snapshot needs now, and so which packs could go.
    async fn mark(&mut self) -> Result<Plan> {
        self.known.clear();
        self.reached = Reached::default();
        let roots = new_roots(self.repository, &mut self.known).await?;
        let fresh = self.repository.with_fresh_index();
        let index = fresh.index().await?;
        reach(&fresh, &roots, &mut self.reached).await?;
        let mut entries: std::collections::HashMap<Id, _> = index.by_pack().into_iter().collect();
        let mut listed = self.repository.list_packs().await?;
        listed.sort_unstable();
        let stored = listed.into_iter().map(|(id, size)| StoredPack {
            id,
            size,
            entries: entries.remove(&id).unwrap_or_default(),
        });
        let plan = plan(&stored.collect::<Vec<_>>(), &self.reached, self.options.waste_percent);
        self.refuse_missing(&index, &entries.into_keys().collect())?;
        let report = &mut self.report;
        report.snapshots = count(roots.len());
        (report.packs, report.bytes) = (plan.packs, plan.bytes);
        report.unused_packs = count(plan.unused.len());
        report.unused_bytes = plan.unused.iter().map(|pack| pack.size).sum();
        report.wasteful_packs = count(plan.wasteful.len());
        report.wasteful_bytes = plan.wasteful.iter().map(|pack| pack.size - pack.used).sum();
        Ok(plan)
    }

    /// Fails if a blob that is needed lies only in packs that are gone.
    fn refuse_missing(&self, index: &crate::index::Index, vanished: &HashSet<Id>) -> Result<()> {
        if vanished.is_empty() {
            return Ok(());
        }
        let mut there = HashSet::new();
        for (_, entries) in index.by_pack().into_iter().filter(|(pack, _)| !vanished.contains(pack)) {
            there.extend(entries.into_iter().map(|entry| (entry.kind, entry.id)));
        }
        match self.reached.iter().find(|(kind, id)| !there.contains(&(*kind, **id))) {
            None => Ok(()),
            Some((kind, id)) => {
                let message =
                    "a snapshot needs it and its pack is gone; nothing is deleted, run `stillpoint check`";
                Err(Error::corrupt(format!("{} blob {id}", kind.name()), message))
            }
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
