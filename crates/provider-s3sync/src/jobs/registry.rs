//! The jobs of one provider in this process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stillpoint_core::{
    CancelOutcome, Error, ErrorKind, JobId, JobState, JobStatus, RestoredResource, Result,
};
use stillpoint_repository::Cancellation;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Meter;

/// Jobs that may run at once.
const RUNNING_MAX: usize = 64;
/// Ended jobs that are remembered.
const ENDED_MAX: usize = 256;

/// The jobs of one provider in this process. Dropping it stops them, as the end of the process would.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    jobs: BTreeMap<JobId, Job>,
    begun: u64,
}

#[derive(Debug)]
struct Job {
    number: u64,
    meter: Arc<Meter>,
    cancellation: Cancellation,
    sight: watch::Receiver<JobStatus>,
    task: JoinHandle<()>,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cancellation.cancel();
        self.task.abort();
    }
}

impl Job {
    fn has_ended(&self) -> bool {
        self.task.is_finished() || self.sight.borrow().state.is_terminal()
    }
}

/// What a running job says of itself, and hears.
pub(crate) struct Reporter {
    /// How far it is.
    pub(crate) meter: Arc<Meter>,
    /// Whether it is asked to stop.
    pub(crate) cancellation: Cancellation,
    sight: watch::Sender<JobStatus>,
}

impl Reporter {
    /// Names the resource that a restore makes, so that it can be discarded if the restore fails.
    pub(crate) fn restoring(&self, resource: RestoredResource) {
        self.sight.send_modify(|status| status.restored = Some(resource));
    }

    /// Waits for `work` unless the job is asked to stop first.
    pub(crate) async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancellation.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the job was asked to stop")),
            done = work => done,
        }
    }

    /// The status of a job that ended with `error`. A job that was asked to stop ends as cancelled.
    pub(crate) fn ended_with(&self, error: &Error) -> JobStatus {
        let mut status = self.sight.borrow().clone();
        let asked = self.cancellation.is_cancelled() && error.kind() == ErrorKind::Cancelled;
        status.state = if asked { JobState::Cancelled } else { JobState::Failed(error.record()) };
        status
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("status", &*self.sight.borrow()).finish_non_exhaustive()
    }
}

impl Jobs {
    /// Starts the job `id` unless it is known. `work` becomes a task; the status it answers ends the job.
    ///
    /// # Errors
    /// `Busy` while too many jobs run.
    pub(crate) fn start<W, F>(&self, id: JobId, work: W) -> Result<()>
    where
        W: FnOnce(Arc<Reporter>) -> F,
        F: Future<Output = JobStatus> + Send + 'static,
    {
        let mut state = self.lock();
        if state.jobs.contains_key(&id) {
            return Ok(());
        }
        if state.jobs.values().filter(|job| !job.has_ended()).count() >= RUNNING_MAX {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("{RUNNING_MAX} jobs run already; wait for one to end"),
            ));
        }
        state.forget_oldest();
        let (sender, sight) = watch::channel(JobStatus::new(JobState::Running));
        let (meter, cancellation) = (Arc::new(Meter::default()), Cancellation::new());
        let reporter = Arc::new(Reporter {
            meter: Arc::clone(&meter),
            cancellation: cancellation.clone(),
            sight: sender,
        });
        let running = work(Arc::clone(&reporter));
        let task = tokio::spawn(async move {
            let status = running.await;
            reporter.sight.send_replace(status);
        });
        state.begun += 1;
        let number = state.begun;
        state.jobs.insert(id, Job { number, meter, cancellation, sight, task });
        Ok(())
    }

    /// Stops and forgets a running job once whoever asked for it is gone: another process may have taken its operation
    /// over, and two jobs of one operation must not both make a snapshot.
    pub(crate) fn tie(self: &Arc<Self>, id: &JobId, asker: &stillpoint_core::Cancellation) {
        let Some(mut sight) = self.lock().jobs.get(id).map(|job| job.sight.clone()) else { return };
        let (jobs, id, asker) = (Arc::downgrade(self), id.clone(), asker.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ended = sight.wait_for(|status| status.state.is_terminal()) => {}
                () = asker.cancelled() => {
                    if let Some(jobs) = jobs.upgrade() {
                        jobs.lock().jobs.remove(&id);
                    }
                }
            }
        });
    }

    /// Whether this process knows the job.
    pub(crate) fn knows(&self, id: &JobId) -> bool {
        self.lock().jobs.contains_key(id)
    }

    /// Where a job stands, after waiting up to `wait` for its end; `None` for a job this process does not know.
    pub(crate) async fn poll(&self, id: &JobId, wait: Duration) -> Option<JobStatus> {
        let (mut sight, meter) = {
            let state = self.lock();
            let job = state.jobs.get(id)?;
            (job.sight.clone(), Arc::clone(&job.meter))
        };
        let ended = sight.wait_for(|status| status.state.is_terminal());
        // Running out of time is an answer like any other: the job still runs.
        let vanished = matches!(tokio::time::timeout(wait, ended).await, Ok(Err(_closed)));
        let mut status = sight.borrow().clone();
        if vanished && !status.state.is_terminal() {
            let error = Error::new(ErrorKind::Unexpected, "the job's task ended without an answer");
            status.state = JobState::Failed(error.record());
        }
        status.progress = meter.read();
        Some(status)
    }

    /// Asks a job to stop. One that ended, or that nobody knows, has nothing to stop.
    pub(crate) fn cancel(&self, id: &JobId) -> CancelOutcome {
        match self.lock().jobs.get(id) {
            Some(job) if !job.has_ended() => {
                job.cancellation.cancel();
                CancelOutcome::Requested
            }
            _ => CancelOutcome::AlreadyTerminal,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes room for one more ended job.
    fn forget_oldest(&mut self) {
        let ended = self.jobs.iter().filter(|(_, job)| job.has_ended());
        let mut ended: Vec<(u64, JobId)> = ended.map(|(id, job)| (job.number, id.clone())).collect();
        ended.sort_unstable();
        let surplus = (ended.len() + 1).saturating_sub(ENDED_MAX);
        for (_, id) in ended.into_iter().take(surplus) {
            self.jobs.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> JobId {
        JobId::new(name).unwrap()
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_known_job_is_not_started_again() {
        let jobs = Jobs::default();
        jobs.start(id("a"), |_| async { JobStatus::new(JobState::Succeeded) }).unwrap();
        assert_eq!(jobs.poll(&id("a"), LONG).await.unwrap().state, JobState::Succeeded);
        jobs.start(id("a"), |_| async { JobStatus::new(JobState::Cancelled) }).unwrap();
        assert_eq!(jobs.poll(&id("a"), LONG).await.unwrap().state, JobState::Succeeded);
        assert_eq!(jobs.poll(&id("b"), LONG).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_waits_no_longer_than_it_may_and_a_cancelled_job_ends() {
        let jobs = Jobs::default();
        let work = |reporter: Arc<Reporter>| async move {
            reporter.cancellation.cancelled().await;
            reporter.ended_with(&Error::new(ErrorKind::Cancelled, "stopped"))
        };
        jobs.start(id("a"), work).unwrap();
        assert_eq!(jobs.poll(&id("a"), Duration::from_millis(5)).await.unwrap().state, JobState::Running);
        assert_eq!(jobs.cancel(&id("a")), CancelOutcome::Requested);
        assert_eq!(jobs.poll(&id("a"), LONG).await.unwrap().state, JobState::Cancelled);
        assert_eq!(jobs.cancel(&id("a")), CancelOutcome::AlreadyTerminal);
        assert_eq!(jobs.cancel(&id("b")), CancelOutcome::AlreadyTerminal);
    }

    #[tokio::test]
    async fn a_job_whose_task_dies_fails_instead_of_running_for_ever() {
        let jobs = Jobs::default();
        jobs.start(id("a"), |_| async { panic!("a defect") }).unwrap();
        let status = jobs.poll(&id("a"), LONG).await.unwrap();
        assert!(matches!(status.state, JobState::Failed(_)), "{status:?}");
    }

    #[tokio::test]
    async fn running_jobs_are_bounded_and_old_ended_ones_forgotten() {
        let jobs = Jobs::default();
        for number in 0..ENDED_MAX + 10 {
            let job = id(&number.to_string());
            jobs.start(job.clone(), |_| async { JobStatus::new(JobState::Succeeded) }).unwrap();
            jobs.poll(&job, LONG).await.unwrap();
        }
        assert!(!jobs.knows(&id("0")) && jobs.knows(&id("200")));
        for number in 0..RUNNING_MAX {
            jobs.start(id(&format!("r{number}")), |_| std::future::pending()).unwrap();
        }
        let refused = jobs.start(id("one more"), |_| std::future::pending()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Busy);
    }
}
