//! Jobs on a resource: which one is ours, which may be, which is somebody else's.

use std::ops::RangeInclusive;
use std::time::Duration;

use stillpoint_core::{
    BackupJob, Candidate, ErrorKind, Evidence, JobKey, OpContext, Result, Tags, Timestamp,
};

use super::super::AwsProvider;
use super::super::arn::Arn;
use super::super::clients::Clients;
use super::super::listing::{self, CLOCKS_DIFFER, HORIZON, TOKEN_LIFE, before};
use super::super::names::{JobKind, JobName};
use super::super::settings::{BackupSettings, Source};
use super::super::tags;
use super::copying::Copying;
use super::job::Job;
use super::start::call;
use super::{KEY, OURS};

/// A call and its repeats are over after this time; what was created later is not theirs.
const CALL_SPAN: Duration = Duration::from_secs(3600);

/// A job on the resource, and how sure it is that it is ours.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) job: Job,
    pub(super) evidence: Evidence,
}

impl Found {
    /// Whether a call with our token still says whether it is ours, which nothing on it does.
    pub(super) fn is_told_by_token(&self, now: Timestamp) -> bool {
        let age = self.job.created.map(|created| now.since(created)).unwrap_or_default();
        self.evidence == Evidence::Likely && age < TOKEN_LIFE
    }
}

/// What is asked for, as far as a job can be told by it.
#[derive(Debug)]
struct Wanted<'a> {
    key: &'a JobKey,
    settings: &'a BackupSettings,
    /// When the backup was begun; nothing that is older is ours.
    begun: Timestamp,
    /// When a job was created that may be ours although nothing proves it.
    likely: RangeInclusive<Timestamp>,
}

impl Wanted<'_> {
    /// Whether a job can be ours by what AWS says of it.
    fn fits(&self, job: &Job) -> bool {
        job.plan.is_none()
            && job.vault == self.settings.vault
            && job.role == self.settings.role_arn
            && job.created.is_some_and(|created| before(self.begun, CLOCKS_DIFFER) <= created)
    }

    /// How sure it is that `job` is ours, by the tags of its recovery point where those could be read; `None` where it
    /// does not matter whose it is. Our mark proves it whenever it began: a start may come hours after the backup was begun.
    fn evidence(&self, job: &Job, tags: Option<&Tags>) -> Option<Evidence> {
        let foreign = job.is_active().then_some(Evidence::Foreign);
        if !self.fits(job) {
            return foreign;
        }
        match tags.map(|tags| tags.get(tags::JOB)) {
            Some(Some(mark)) if *mark == self.key.token() => Some(Evidence::Proven),
            Some(Some(_)) => foreign,
            // The mark may come only with the end.
            Some(None) | None if job.created.is_some_and(|created| self.likely.contains(&created)) => {
                job.is_active().then_some(Evidence::Likely)
            }
            Some(None) | None => foreign,
        }
    }
}

impl AwsProvider {
    pub(in super::super) async fn find_backup(
        &self,
        cx: &OpContext,
        job: &BackupJob,
        since: Timestamp,
    ) -> Result<Vec<Candidate>> {
        let source = Source::of(&job.component)?;
        let settings = BackupSettings::of(&job.component)?;
        let clients = self.clients(&source.arn.region)?;
        let now = cx.clock().now();
        listing::reaches(now, since, &source.arn)?;
        let likely = before(since, CLOCKS_DIFFER)..=since.after(CALL_SPAN);
        let found = found(&clients, cx, &source, &settings, job, likely).await?;
        // Jobs of others do not mean that ours was never started: it is listed no sooner because of them.
        let nothing = found.iter().all(|found| found.evidence == Evidence::Foreign);
        listing::settled(now, since, nothing, &source.arn)?;
        if !found.is_empty() && found.iter().all(|found| found.is_told_by_token(now)) {
            let id = call(&clients, &source, &settings, job).await?;
            return Ok(vec![Candidate::new(
                ours(&clients, &id, &job.key).of(self.provider_id())?,
                Evidence::Proven,
            )]);
        }
        let candidate = |Found { job: found, evidence }: Found| {
            let name = match evidence {
                Evidence::Proven => ours(&clients, &found.id, &job.key),
                _ => JobName::new(JobKind::Backup, &clients.region, &found.id).with(KEY, job.key.token()),
            };
            Ok(Candidate::new(name.of(self.provider_id())?, evidence))
        };
        found.into_iter().map(candidate).collect()
    }
}

/// What we call the backup job `id` that certainly was started with `key`.
pub(super) fn ours(clients: &Clients, id: &str, key: &JobKey) -> JobName {
    JobName::new(JobKind::Backup, &clients.region, id).with(KEY, key.token()).with(OURS, "yes")
}

/// The jobs on `source` that are or, created in the span `likely`, may be the one of `job`, and those of others that run.
///
/// # Errors
/// Whatever listing can meet; a mark that may not be read, because nothing can be told without it.
pub(super) async fn found(
    clients: &Clients,
    cx: &OpContext,
    source: &Source,
    settings: &BackupSettings,
    job: &BackupJob,
    likely: RangeInclusive<Timestamp>,
) -> Result<Vec<Found>> {
    let wanted = Wanted { key: &job.key, settings, begun: job.created_at, likely };
    let jobs = Job::list(clients, &source.arn, before(cx.clock().now(), HORIZON)).await?;
    let mut found = Vec::new();
    for job in jobs {
        cx.check()?;
        let tags = match job.point() {
            Some(point) if wanted.fits(&job) => match point.tags(clients).await {
                Ok(tags) => Some(tags),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
            _ => None,
        };
        if let Some(evidence) = wanted.evidence(&job, tags.as_ref()) {
            found.push(Found { job, evidence });
        }
    }
    Ok(found)
}

/// The jobs on `resource` that run or wait, whoever's they are, backups and copies, each in words.
///
/// # Errors
/// Whatever listing can meet.
pub(in super::super) async fn active_jobs(
    clients: &Clients,
    resource: &Arn,
    now: Timestamp,
) -> Result<Vec<String>> {
    let jobs = Job::list(clients, resource, before(now, HORIZON)).await?;
    let words = |job: &Job| format!("backup job {} {} ({})", job.id, job.whose(), job.state);
    let backups = jobs.iter().filter(|job| job.is_active()).map(words);
    let copies = Copying::on(clients, resource).await?;
    Ok(backups.chain(copies.iter().map(Copying::in_words)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/R";

    fn job(state: &str) -> Job {
        Job {
            vault: "vault".into(),
            role: ROLE.into(),
            state: state.into(),
            created: Some(Timestamp::from_millis(10_000_000)),
            ..Job::default()
        }
    }

    #[test]
    fn a_job_is_proven_by_its_mark_likely_by_everything_else_and_foreign_by_any_difference() {
        let key = JobKey::new("op".parse().unwrap(), "db".parse().unwrap(), 1);
        let settings = BackupSettings::new("vault", ROLE);
        let begun = Timestamp::from_millis(10_000_000);
        let likely = before(begun, CLOCKS_DIFFER)..=begun.after(CALL_SPAN);
        let wanted = Wanted { key: &key, settings: &settings, begun, likely };
        let marked = |token: &str| Tags::from([(tags::JOB.to_owned(), token.to_owned())]);
        let (ours, other, none) = (marked(&key.token()), marked("other"), Tags::new());

        for state in ["RUNNING", "COMPLETED", "FAILED"] {
            assert_eq!(wanted.evidence(&job(state), Some(&ours)), Some(Evidence::Proven), "{state}");
        }
        for tags in [None, Some(&none)] {
            assert_eq!(wanted.evidence(&job("CREATED"), tags), Some(Evidence::Likely));
            assert_eq!(wanted.evidence(&job("COMPLETED"), tags), None);
        }
        assert_eq!(wanted.evidence(&job("RUNNING"), Some(&other)), Some(Evidence::Foreign));
        assert_eq!(wanted.evidence(&job("COMPLETED"), Some(&other)), None);
        let earlier = Timestamp::from_millis(10_000_000 - 301_000);
        let later = Job { created: Some(begun.after(Duration::from_secs(3601))), ..job("RUNNING") };
        assert_eq!(wanted.evidence(&later, Some(&ours)), Some(Evidence::Proven), "it waited for its start");
        assert_eq!(wanted.evidence(&later, Some(&none)), Some(Evidence::Foreign));
        for foreign in [
            Job { plan: Some("nightly".into()), ..job("RUNNING") },
            Job { vault: "other".into(), ..job("RUNNING") },
            Job { role: "other".into(), ..job("RUNNING") },
            Job { created: Some(earlier), ..job("RUNNING") },
            Job { created: None, ..job("HIBERNATING") },
        ] {
            assert_eq!(wanted.evidence(&foreign, Some(&ours)), Some(Evidence::Foreign), "{foreign:?}");
        }
    }
}
