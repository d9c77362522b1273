//! What is written on a snapshot: the tags that lead from the stored files back to backup and operation.
//!
//! Each is `name:value`. Restic's command line separates tags by commas, so commas in values are written as `%2C`,
//! percent signs as `%25`.

use stillpoint_core::{BackupJob, SnapshotInfo, SnapshotQuery, SnapshotRef};
use stillpoint_repository::Snapshot;

use super::convert::from_stored;

/// Stands on every snapshot this provider makes.
const OURS: &str = "stillpoint";
/// Stands on a snapshot from which something is missing that should be in it.
pub(crate) const INCOMPLETE: &str = "incomplete";

/// The tags of a job's snapshot.
pub(crate) fn of_job(job: &BackupJob) -> Vec<String> {
    let mut tags = vec![
        OURS.to_owned(),
        tag("op", job.key.operation().as_str()),
        tag("backup", job.backup.as_str()),
        tag("workspace", job.workspace.as_str()),
        tag("component", job.component.id.as_str()),
        job_tag(&job.key.token()),
    ];
    tags.extend(job.tags.iter().map(|(name, value)| tag(&format!("tag:{name}"), value)));
    tags
}

/// The tag that names the job itself.
pub(super) fn job_tag(token: &str) -> String {
    tag("job", token)
}

/// The tags by which the snapshot of an operation's component is known, whichever attempt made it.
pub(super) fn of_capture(job: &BackupJob) -> [String; 2] {
    [tag("op", job.key.operation().as_str()), tag("component", job.component.id.as_str())]
}

/// The tags that all snapshots of a workspace's component have.
pub(super) fn of_line(job: &BackupJob) -> [String; 2] {
    [tag("workspace", job.workspace.as_str()), tag("component", job.component.id.as_str())]
}

/// Whether a snapshot carries all of these tags.
pub(super) fn has_all(snapshot: &Snapshot, wanted: &[String]) -> bool {
    wanted.iter().all(|tag| snapshot.tags.contains(tag))
}

/// Whether a snapshot is one of ours and fits the query.
pub(super) fn fits(snapshot: &Snapshot, query: &SnapshotQuery) -> bool {
    let conditions = [
        ("workspace", query.workspace.as_ref().map(|id| id.as_str())),
        ("backup", query.backup.as_ref().map(|id| id.as_str())),
        ("op", query.operation.as_ref().map(|id| id.as_str())),
    ];
    let holds = |(name, wanted): &(&str, Option<&str>)| {
        wanted.is_none_or(|id| snapshot.tags.contains(&tag(name, id)))
    };
    snapshot.tags.iter().any(|tag| tag == OURS) && conditions.iter().all(holds)
}

/// What a snapshot says of itself.
pub(super) fn info(reference: SnapshotRef, snapshot: &Snapshot) -> SnapshotInfo {
    let mut info = SnapshotInfo::new(reference, from_stored(snapshot.time));
    // A tag that is no valid id was not written by this provider and says nothing.
    info.workspace = value(snapshot, "workspace").and_then(|text| text.parse().ok());
    info.component = value(snapshot, "component").and_then(|text| text.parse().ok());
    info.backup = value(snapshot, "backup").and_then(|text| text.parse().ok());
    info.operation = value(snapshot, "op").and_then(|text| text.parse().ok());
    info
}

fn tag(name: &str, value: &str) -> String {
    format!("{name}:{}", value.replace('%', "%25").replace(',', "%2C"))
}

fn value(snapshot: &Snapshot, name: &str) -> Option<String> {
    let text = snapshot.tags.iter().find_map(|tag| tag.strip_prefix(name)?.strip_prefix(':'))?;
    Some(text.replace("%2C", ",").replace("%25", "%"))
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{BackupId, Component, JobKey, OperationId, Timestamp, WorkspaceId};
    use stillpoint_repository::{Id, Origin};

    use super::*;

    #[test]
    fn ids_with_commas_and_percents_survive_their_tags() {
        let operation = OperationId::new("op,1%2C").unwrap();
        let component = Component::new("a,b".parse().unwrap(), "directory", "s3sync".parse().unwrap(), "/x");
        let key = JobKey::new(operation.clone(), component.id.clone(), 1);
        let workspace = WorkspaceId::new("/home/ada, the first").unwrap();
        let backup = BackupId::of(&operation);
        let job = BackupJob::new(key, workspace, backup, component, Timestamp::from_millis(5));
        let mut snapshot = Snapshot::new(to_time(5), Id::of(b""), vec![], &Origin::default());
        snapshot.tags = of_job(&job);
        assert!(snapshot.tags.iter().all(|tag| !tag.contains(',')), "{:?}", snapshot.tags);
        let reference = SnapshotRef::new("s3sync".parse().unwrap(), "x".parse().unwrap());
        let info = info(reference, &snapshot);
        assert_eq!(info.operation.as_ref(), Some(&operation));
        assert_eq!(info.workspace.as_ref(), Some(&job.workspace));
        assert_eq!(info.component.as_ref(), Some(&job.component.id));
        assert_eq!(info.created_at, job.created_at);
        assert!(has_all(&snapshot, &of_capture(&job)) && has_all(&snapshot, &of_line(&job)));
        assert!(fits(&snapshot, &SnapshotQuery::of_operation(operation)));
        assert!(!fits(&snapshot, &SnapshotQuery::of_operation("other".parse().unwrap())));
        snapshot.tags.clear();
        assert!(!fits(&snapshot, &SnapshotQuery::all()), "a foreign snapshot is none of ours");
    }

    fn to_time(millis: i64) -> stillpoint_repository::Timestamp {
        super::super::convert::to_stored(Timestamp::from_millis(millis))
    }
}
