//! What this provider writes on everything it makes, so that it is found again without any catalog.
//!
//! Azure takes any text of 256 characters in a value. What is longer is replaced by its digest, which can only be recognised.

use sha2::{Digest, Sha256};
use stillpoint_core::{
    BackupId, BackupJob, ComponentId, CopyJob, Error, ErrorKind, JobKey, OpContext, OperationId, RestoreJob,
    Result, SnapshotInfo, Tags, Timestamp, WorkspaceId,
};

use super::compute::SNAPSHOTS;
use super::names::{JobName, made_by_token};
use super::resource_id::ResourceId;

/// The key of the job that made it, by its token: what proves a job to be ours.
pub(super) const JOB: &str = "stillpoint:job";
/// The operation that made it.
pub(super) const OPERATION: &str = "stillpoint:operation";
/// The backup it belongs to.
pub(super) const BACKUP: &str = "stillpoint:backup";
/// The workspace it came from, or, on a restored resource, is for.
pub(super) const WORKSPACE: &str = "stillpoint:workspace";
/// The component it stands for.
pub(super) const COMPONENT: &str = "stillpoint:component";
/// When its backup was begun, in RFC 3339.
pub(super) const CREATED: &str = "stillpoint:created-at";
/// Where it was made, as a digest: a mark is handed on with the other tags, and this then tells a copy from what we made.
pub(super) const PLACE: &str = "stillpoint:place";

/// What all of our own tags begin with.
const PREFIX: &str = "stillpoint:";
/// Source of all limits, of which one tag is left for [`PLACE`]: <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources>.
pub(super) const VALUE_CHARS_MAX: usize = 256;
const KEY_CHARS_MAX: usize = 512;
const TAGS_MAX: usize = ALL_MAX - 1;
/// What one resource may carry in all.
pub(super) const ALL_MAX: usize = 50;
const KEY_REFUSED: &str = "<>%&\\?/";
const KEY_RESERVED: [&str; 3] = ["microsoft", "azure", "windows"];
/// What begins a digest.
const DIGEST: &str = "==";
/// How a tag is called among the notes of a job's name.
const NOTE: &str = "tag:";

/// The tags of the snapshot that `job` makes.
///
/// # Errors
/// `InvalidInput` where a tag does not fit, or the operation's id could not be read back, by which a backup is proven to be
/// its operation's.
pub(super) fn of_backup(job: &BackupJob) -> Result<Tags> {
    let ours = mark(&job.key, &job.backup, Some(&job.workspace), job.created_at);
    with_own(checked(&job.key, ours)?, &job.tags)
}

/// The tags of the snapshot that `job` makes.
///
/// # Errors
/// Those of [`of_backup`].
pub(super) fn of_copy(job: &CopyJob) -> Result<Tags> {
    let ours = mark(&job.key, &job.backup, job.workspace.as_ref(), job.created_at);
    with_own(checked(&job.key, ours)?, &job.tags)
}

/// The tags of the resource that `job` makes.
///
/// # Errors
/// Those of [`of_backup`].
pub(super) fn of_restore(job: &RestoreJob) -> Result<Tags> {
    let ours = Tags::from([
        (JOB.to_owned(), job.key.token()),
        (OPERATION.to_owned(), value(job.key.operation().as_str())),
        (WORKSPACE.to_owned(), value(job.target.as_str())),
        (COMPONENT.to_owned(), value(job.key.component().as_str())),
    ]);
    with_own(checked(&job.key, ours)?, &job.tags)
}

/// `tags` with the mark of `id`, which they are written on at its birth.
pub(super) fn placed(mut tags: Tags, id: &ResourceId) -> Tags {
    tags.insert(PLACE.to_owned(), digest(&id.to_string().to_lowercase()));
    tags
}

fn mark(key: &JobKey, backup: &BackupId, workspace: Option<&WorkspaceId>, at: Timestamp) -> Tags {
    let mut tags = Tags::from([
        (JOB.to_owned(), key.token()),
        (OPERATION.to_owned(), value(key.operation().as_str())),
        (BACKUP.to_owned(), value(backup.as_str())),
        (COMPONENT.to_owned(), value(key.component().as_str())),
        (CREATED.to_owned(), at.to_string()),
    ]);
    if let Some(workspace) = workspace {
        tags.insert(WORKSPACE.to_owned(), value(workspace.as_str()));
    }
    tags
}

fn checked(key: &JobKey, ours: Tags) -> Result<Tags> {
    if value(key.operation().as_str()).starts_with(DIGEST) {
        let message =
            format!("the operation's id {} does not fit into a tag of Azure; shorten it", key.operation());
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(ours)
}

/// `ours` with the tags that a request brings along.
///
/// # Errors
/// `InvalidInput` for tags that Azure takes not.
pub(super) fn with_own(mut ours: Tags, own: &Tags) -> Result<Tags> {
    let refused = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
    for (key, value) in own {
        let lower = key.to_lowercase();
        if lower.starts_with(PREFIX) || KEY_RESERVED.iter().any(|word| lower.starts_with(word)) {
            return refused(format!("the tag {key:?} begins with a word that is reserved; rename it"));
        }
        let fits = !key.is_empty()
            && key.chars().count() <= KEY_CHARS_MAX
            && !key.chars().any(|c| KEY_REFUSED.contains(c) || c.is_control());
        if !fits || value.chars().count() > VALUE_CHARS_MAX {
            return refused(format!(
                "the tag {key:?} cannot be written: Azure takes {KEY_CHARS_MAX} characters in a key, none of \
                 {KEY_REFUSED}, and {VALUE_CHARS_MAX} in a value"
            ));
        }
        ours.insert(key.clone(), value.clone());
    }
    if ours.len() > TAGS_MAX {
        return refused(format!("{} tags are too many; there may be {TAGS_MAX}", ours.len()));
    }
    Ok(ours)
}

/// `text` as a value: itself, or its digest.
pub(super) fn value(text: &str) -> String {
    if text.chars().count() <= VALUE_CHARS_MAX && !text.starts_with(DIGEST) {
        return text.to_owned();
    }
    digest(text)
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{DIGEST}{hex}")
}

/// Reads back what [`OPERATION`] and the others say.
pub(super) fn read(info: &mut SnapshotInfo, tags: &Tags) {
    fn parsed<T: std::str::FromStr>(tags: &Tags, name: &str) -> Option<T> {
        tags.get(name).filter(|value| !value.starts_with(DIGEST)).and_then(|text| text.parse().ok())
    }
    info.workspace = parsed::<WorkspaceId>(tags, WORKSPACE);
    info.component = parsed::<ComponentId>(tags, COMPONENT);
    info.backup = parsed::<BackupId>(tags, BACKUP);
    info.operation = parsed::<OperationId>(tags, OPERATION);
    if let Some(created_at) = parsed::<Timestamp>(tags, CREATED) {
        info.created_at = created_at;
    }
}

/// The snapshot `id` with these tags under the name that its job gave it, where we made it. Its tags are handed on by people
/// and by tools, its name as well; the place is not, and Azure moves no incremental snapshot to another one.
pub(super) fn point_of_ours(id: &ResourceId, tags: &Tags) -> Option<ResourceId> {
    let token = tags.get(JOB).filter(|_| tags.contains_key(BACKUP))?;
    // Azure answers with names in whatever case, and a catalog has them as they were asked for.
    let (provider, kind) = SNAPSHOTS.split_once('/')?;
    let made = ResourceId::new(&id.subscription, &id.group, provider, kind, &made_by_token(token)).ok()?;
    let here = tags.get(PLACE) == placed(Tags::new(), &made).get(PLACE);
    (here && made == *id).then_some(made)
}

/// Refuses a resource that does not carry the mark of this operation's restore.
///
/// # Errors
/// `PermissionDenied` that says whose it is.
pub(super) fn owned(cx: &OpContext, id: &ResourceId, carried: &Tags) -> Result<()> {
    let mark = carried.get(OPERATION).map(String::as_str);
    let ours = cx.operation().map(|id| value(id.as_str()));
    if mark.is_some() && mark == ours.as_deref() && carried.contains_key(JOB) {
        return Ok(());
    }
    let made_by =
        mark.map_or_else(|| "carries no mark of ours".to_owned(), |by| format!("was made by operation {by}"));
    Err(Error::new(ErrorKind::PermissionDenied, format!("{id} {made_by}; it is left alone")))
}

/// `name` with `tags` among its notes, for polls, which know nothing else of the job.
pub(super) fn note(tags: &Tags, name: JobName) -> JobName {
    tags.iter().fold(name, |name, (key, value)| name.with(&format!("{NOTE}{key}"), value))
}

/// The tags that a job's name notes.
pub(super) fn noted(name: &JobName) -> Tags {
    let tag = |(key, value): (&String, &String)| Some((key.strip_prefix(NOTE)?.to_owned(), value.clone()));
    name.notes.iter().filter_map(tag).collect()
}

/// Those of `wanted` that a resource with the tags `found` lacks, or has with another value.
pub(super) fn missing(wanted: &Tags, found: &Tags) -> Tags {
    let lacks = |(key, value): &(&String, &String)| found.get(*key) != Some(*value);
    wanted.iter().filter(lacks).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// All tags that the resource `id`, which carries `found`, is to carry where it lacks any of `wanted`; nothing where it has
/// them all.
///
/// # Errors
/// `NotFound` where it carries the mark of another job.
pub(super) fn landed(id: &ResourceId, wanted: &Tags, mut found: Tags) -> Result<Option<Tags>> {
    let mark = found.get(JOB);
    if mark.is_some() && mark != wanted.get(JOB) {
        return Err(Error::new(ErrorKind::NotFound, format!("{id} is not what this job makes")));
    }
    let missing = missing(wanted, &found);
    if missing.is_empty() {
        return Ok(None);
    }
    found.extend(missing);
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_they_are_and_long_ones_recognised() {
        for id in ["prod/ml-1", "größe 50%", "=3D"] {
            assert_eq!(value(id), id);
        }
        let long = "w".repeat(257);
        assert!(value(&long).starts_with(DIGEST) && value(&long).len() <= VALUE_CHARS_MAX);
        assert_ne!(value(&long), value(&"w".repeat(258)));
        assert!(value("==x").len() > 10, "what looks like a digest is none");
    }

    #[test]
    fn a_mark_that_was_handed_on_proves_nothing() {
        let id = |group: &str, name: &str| {
            ResourceId::new("1a", group, "Microsoft.Compute", "snapshots", name).unwrap()
        };
        let made = id("g", "stillpoint-abc");
        let tags: Tags =
            [(JOB, "abc"), (BACKUP, "b")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let placed = placed(tags.clone(), &made);
        let ours = |id: &ResourceId, tags: &Tags| point_of_ours(id, tags).map(|id| id.to_string());
        assert_eq!(ours(&made, &placed), Some(made.to_string()));
        let shouted = made.to_string().to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions");
        assert_eq!(ours(&shouted.parse().unwrap(), &placed), Some(made.to_string()), "as we named it");
        assert_eq!(ours(&id("g", "somebodys-copy"), &placed), None);
        assert_eq!(ours(&id("elsewhere", "stillpoint-abc"), &placed), None, "the same name in another group");
        assert_eq!(ours(&made, &tags), None);
        let restored = super::placed(Tags::from([(JOB.to_owned(), "abc".to_owned())]), &made);
        assert_eq!(ours(&made, &restored), None);
    }

    #[test]
    fn tags_of_a_request_are_kept_or_refused_and_never_changed() {
        let own = |key: &str, value: &str| Tags::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(with_own(Tags::new(), &own("do-not-collect", "50%")).unwrap()["do-not-collect"], "50%");
        let many: Tags = (0..51).map(|at| (format!("t{at}"), String::new())).collect();
        for bad in [own("azure-x", ""), own("Stillpoint:job", ""), own("a/b", ""), own("", ""), many] {
            assert_eq!(with_own(Tags::new(), &bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad:?}");
        }
        assert!(with_own(Tags::new(), &own("k", &"x".repeat(257))).is_err());
    }

    #[test]
    fn tags_survive_in_a_jobs_name() {
        let id = ResourceId::new("1", "g", "Microsoft.Compute", "disks", "d").unwrap();
        let tags = Tags::from([("keep".to_owned(), "yes = no".to_owned())]);
        let name =
            note(&tags, JobName::new(super::super::names::JobKind::Restore, id).with("component", "db"));
        assert_eq!(noted(&name.to_string().parse().unwrap()), tags);
        assert_eq!(missing(&tags, &Tags::from([("keep".to_owned(), "no".to_owned())])), tags);
        assert!(missing(&tags, &tags).is_empty());
    }
}
