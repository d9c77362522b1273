//! Backups on demand: begun once for each key, found again by what the request was called.

use std::collections::BTreeMap;
use std::time::Duration;

use stillpoint_core::{
    BackupJob, Candidate, CaptureWindow, Error, ErrorKind, Evidence, JobState, JobStatus, OpContext, Result,
    Timestamp,
};

use super::super::AzureProvider;
use super::super::names::{JobKind, JobName};
use super::super::under_way::settled;
use super::follow::Found;
use super::item::Item;
use super::job::Job;
use super::mark::Mark;
use super::points::VaultPoint;
use super::source::Source;
use super::{JOB, MARK, RECENT, protection, reaches_back, recovery};

/// What a job made is listed so long after its end at the latest; until then it is looked for this often.
const SETTLE: Duration = Duration::from_secs(600);
const SETTLE_POLL: Duration = Duration::from_secs(15);
/// Azure's clock and ours may differ by this much.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);
/// A call and its repeats are over after this time; what began later is not theirs.
const CALL_SPAN: Duration = Duration::from_secs(3600);

impl AzureProvider {
    pub(in super::super) async fn start_vault_backup(
        &self,
        cx: &OpContext,
        job: &BackupJob,
        source: &Source,
    ) -> Result<JobName> {
        let connection = self.connection();
        let mark = Mark::of_backup(job)?;
        let protected = source.protected(connection).await?;
        let item = &protected.item;
        let name = name(item, &mark);
        name.of(self.provider_id())?;
        if self.heard().of(&name.to_string()).is_some() {
            return Ok(name);
        }
        let now = cx.clock().now();
        let jobs = item.jobs(connection, now, RECENT).await?;
        if jobs.iter().any(|job| mark.is_of(&job.activity)) {
            return Ok(name);
        }
        item.free(&jobs)?;
        let (action, body) = match source.rule_of(connection, &protected).await? {
            Some(rule) => (protection::BACKUP, protection::backup(source, &rule)),
            None => (recovery::BACKUP, recovery::backup(job)),
        };
        cx.check()?;
        let path = format!("{}/backup", item.id);
        let (begun, told) = item.begin(connection, action, path, &mark, &body).await?;
        self.heard().accepted(&name.to_string(), now, &begun, &told);
        Ok(name)
    }

    /// A job with our mark is ours. Where Azure did not hand it on, one that somebody asked for within the time of the call
    /// may be; it is followed, and not relied upon.
    pub(in super::super) async fn find_vault_backup(
        &self,
        cx: &OpContext,
        job: &BackupJob,
        source: &Source,
        since: Timestamp,
    ) -> Result<Vec<Candidate>> {
        cx.check()?;
        let item = match source.protected(self.connection()).await {
            Ok(protected) => protected.item,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mark = Mark::of_backup(job)?;
        let jobs = item.jobs(self.connection(), cx.clock().now(), RECENT).await?;
        if jobs.iter().any(|job| mark.is_of(&job.activity)) {
            return Ok(vec![Candidate::new(name(&item, &mark).of(self.provider_id())?, Evidence::Proven)]);
        }
        let candidate = |job: &Job| {
            let evidence = if may_be_ours(job, since) { Evidence::Likely } else { Evidence::Foreign };
            let name = JobName::new(JobKind::Backup, item.id.clone()).with(JOB, &job.id);
            Ok(Candidate::new(name.of(self.provider_id())?, evidence))
        };
        let found = jobs.iter().filter(|job| job.is_backup() && job.is_active());
        let found: Vec<Candidate> = found.map(candidate).collect::<Result<_>>()?;
        if found.is_empty() {
            reaches_back(cx.clock().now(), since, &item.id)?;
        }
        // Jobs of others make ours listed no sooner.
        if found.iter().all(|found| found.evidence == Evidence::Foreign) {
            settled(cx.clock().now(), since, Vec::new())?;
        }
        Ok(found)
    }

    pub(in super::super) async fn poll_vault_backup(
        &self,
        cx: &OpContext,
        name: &JobName,
        item: &Item,
    ) -> Result<JobStatus> {
        let job = match self.vault_job(cx, item, name).await? {
            Found::Job(job) => job,
            Found::Told(status) => return Ok(*status),
            Found::Nothing => {
                let message = format!("the vault of {} knows no such backup job", item.id);
                return Err(Error::new(ErrorKind::NotFound, message));
            }
        };
        let now = cx.clock().now();
        let mut status = job.job_status(now);
        if !job.has_result() {
            return Ok(status);
        }
        let points = item.points(self.connection()).await?;
        let Some(point) = points.into_iter().filter(|point| point.is_of(&job)).min_by_key(|point| point.time)
        else {
            return Ok(without_point(&job, item, now, status));
        };
        let name = VaultPoint { id: point.id, mark: name.note(MARK).map(str::to_owned) };
        status.snapshot = Some(name.of(self.provider_id())?);
        // The service tells when its job ran, and not at which moment of that it read.
        status.captured =
            job.started.map(|from| CaptureWindow::new(from, job.ended.unwrap_or(now).max(from)));
        status.counts =
            job.bytes.map(|bytes| ("bytes_stored".to_owned(), bytes)).into_iter().collect::<BTreeMap<_, _>>();
        if let Some(expires) = point.expires {
            status.warnings.push(format!(
                "the vault keeps this recovery point of {} until {expires}, and nobody can delete it by itself before",
                item.id.name()
            ));
        }
        Ok(status)
    }
}

/// The job of `mark` on `item`.
fn name(item: &Item, mark: &Mark) -> JobName {
    JobName::new(JobKind::Backup, item.id.clone()).with(MARK, mark.as_str())
}

/// Whether a job without a mark of ours can be the one whose call was made at `since`.
fn may_be_ours(job: &Job, since: Timestamp) -> bool {
    let begun = job
        .started
        .is_some_and(|started| since.since(started) <= CLOCKS_DIFFER && started.since(since) <= CALL_SPAN);
    job.asked_for && begun && Mark::read(&job.activity).is_none()
}

/// A job has a result that is not listed: yet, or not at all.
fn without_point(job: &Job, item: &Item, now: Timestamp, mut status: JobStatus) -> JobStatus {
    if job.ended.is_some_and(|ended| now.since(ended) < SETTLE) {
        status.state = JobState::Running;
        status.poll_after = Some(SETTLE_POLL);
        return status;
    }
    let message = format!("{} has ended, but {} has no recovery point of that time", job.in_words(), item.id);
    status.state = JobState::Failed(Error::new(ErrorKind::NotFound, message).record());
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_asked_for_within_the_call_may_be_ours() {
        let since = Timestamp::from_millis(10_000_000);
        let job = |offset: i64, asked_for| Job {
            asked_for,
            started: Some(Timestamp::from_millis(10_000_000 + offset * 1000)),
            ..Job::default()
        };
        for (offset, asked_for, expected) in [
            (0, true, true),
            (-299, true, true),
            (3599, true, true),
            (-301, true, false),
            (3601, true, false),
            (0, false, false),
        ] {
            assert_eq!(may_be_ours(&job(offset, asked_for), since), expected, "{offset} {asked_for}");
        }
        assert!(!may_be_ours(&Job { asked_for: true, ..Job::default() }, since), "nobody knows when");
    }
}
