//! Whose job is followed: what a search for it found, and what it means that it is not there or not ours.

use super::job::{BUSY_WAITS_MAX, JobRun, JobStep, unexpected};
use crate::clock::Timestamp;
use crate::decide::UNREGISTERED;
use crate::error::{Error, ErrorKind, ErrorRecord};
use crate::provider::{Candidate, Evidence, JobRequest};

/// How often a job that was ours may turn out not to be there before no further one is started in its place.
const LOSSES_MAX: u32 = 3;
/// How often a job is looked for beside one that was ruled out before it counts as never started: some ten minutes, longer
/// than any list lags behind.
const LOOKS_BESIDE_RULED_OUT: u32 = 25;
/// What turned out not to be ours is searched for anew after as long as after so many failures: four seconds.
const MISSES_OF_A_LOSS: u32 = 4;

impl JobRun {
    pub(super) fn on_found(&mut self, candidates: &[Candidate], now: Timestamp) {
        let open = |found: &&Candidate| {
            found.evidence == Evidence::Proven || !self.ruled_out.contains(&found.job.id)
        };
        let with = |evidence| candidates.iter().filter(open).find(|found| found.evidence == evidence);
        let likely =
            candidates.iter().filter(open).filter(|found| found.evidence == Evidence::Likely).count();
        let ruled_out = candidates.iter().any(|found| !open(&found));
        if let Some(proven) = with(Evidence::Proven) {
            self.run(proven.job.clone());
        } else if likely == 1
            && let Some(candidate) = with(Evidence::Likely)
            && matches!(self.request, JobRequest::Backup(_))
        {
            // It is followed now and joins only if its snapshot proves to carry our mark.
            self.run(candidate.job.clone());
            self.unproven = true;
        } else if likely > 0 {
            let message = "a job was found that may be ours, but nothing on it proves it";
            self.idle_since.get_or_insert(now);
            self.look_again(Error::new(ErrorKind::Busy, message).record());
        } else if let Some(foreign) = with(Evidence::Foreign) {
            let message = format!("job {} of somebody else holds the resource", foreign.job.id);
            self.wait(now, Error::new(ErrorKind::Busy, message).record());
        } else if ruled_out && self.misses < LOOKS_BESIDE_RULED_OUT {
            let message = "what was found ended without a result, and ours may not be listed yet";
            self.idle_since.get_or_insert(now);
            self.look_again(Error::new(ErrorKind::Busy, message).record());
        } else if ruled_out {
            // Ours is what ended, or was never started: whichever it is, the next one has another key.
            self.misses = 0;
            self.try_anew("a job that may have been ours ended without a result", now);
        } else if self.losses >= LOSSES_MAX {
            let message = format!(
                "{LOSSES_MAX} jobs were started and none of them is to be found; look at the jobs of the resource"
            );
            self.fail(Error::new(ErrorKind::NeedsAttention, message).record());
        } else {
            // It was never started. A wait that is over at once still lets a stop come first.
            self.step = JobStep::Waiting { until: now };
        }
    }

    /// The job followed ended without anything that could prove whose it was; it is not followed once more.
    pub(super) fn rule_out(&mut self) {
        if let JobStep::Running { job } | JobStep::Stopping { job, .. } = &self.step {
            self.ruled_out.push(job.id.clone());
        }
        self.search_anew();
    }

    /// The job followed turned out to be somebody else's: ours is looked for once more.
    pub(super) fn disown(&mut self) {
        if self.unproven {
            self.search_anew();
        } else {
            self.fail(unexpected("the job made a snapshot that does not carry this operation's mark"));
        }
    }

    /// Nothing that was told of the job followed counts for ours.
    pub(super) fn search_anew(&mut self) {
        self.unproven = false;
        self.status = None;
        self.ended_at = None;
        self.queued_under_hold = self.queued_under_hold.map(|_| 0);
        self.misses = MISSES_OF_A_LOSS;
        self.step = JobStep::Reconciling;
    }

    /// A search that failed says nothing about the job, so it is repeated; the operation's deadline bounds it. Outside, what
    /// is not found in the end may run all the same.
    pub(super) fn look_again(&mut self, error: ErrorRecord) {
        self.misses += 1;
        // Nobody goes on with an operation whose provider he lacks, except to give it up.
        if self.misses <= BUSY_WAITS_MAX && error.context(UNREGISTERED).is_none() {
            return;
        }
        if self.in_process {
            return self.fail(error);
        }
        let message = format!(
            "whether a job was started could not be told to the end, so it may run, or have ended: {error}; look at the jobs \
             of the resource"
        );
        self.fail(Error::new(ErrorKind::NeedsAttention, message).record());
    }
}
