//! What this provider writes on everything it makes, so that it is found again without any catalog.
//!
//! AWS takes fewer characters in a tag than our ids have, and 256 of them. What does not fit is escaped, which can be
//! read back; what is too long even so is replaced by its digest, which can only be recognised.

use sha2::{Digest, Sha256};
use stillpoint_core::{
    BackupId, BackupJob, ComponentId, Error, ErrorKind, JobKey, OperationId, Result, SnapshotInfo, Tags,
    Timestamp, WorkspaceId,
};

use super::arn::Arn;

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

/// What was captured, and in which vault it is: a digest of both names. AWS hands tags on (to copies, and with a restore to the
/// new resource and all its points), so that a mark of ours alone proves nothing.
pub(super) const PLACE: &str = "stillpoint:place";

/// What all of our own tags begin with.
const PREFIX: &str = "stillpoint:";
/// The longest value of a tag, in characters.
/// Source: <https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>.
pub(super) const VALUE_CHARS_MAX: usize = 256;
/// The longest key of a tag, in characters.
const KEY_CHARS_MAX: usize = 128;
/// The most tags that a recovery point can carry, those of its resource included.
/// Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/aws-backup-limits.html>.
pub(super) const TAGS_MAX: usize = 50;
/// The most tags that a job may bring along, ours and the request's.
/// Source: the same page.
pub(super) const JOB_TAGS_MAX: usize = 10;
/// How many of them are ours: the marks below.
pub(super) const MARKS: usize = 7;
/// What AWS allows beside letters, digits and spaces.
const ALLOWED: &str = "+-=._:/@";
/// What begins an escaped byte; two of them begin a digest.
const ESCAPE: char = '=';

/// The tags of what the job `key` makes as a part of `backup`.
pub(super) fn mark(key: &JobKey, backup: &BackupId, workspace: Option<&WorkspaceId>, at: Timestamp) -> Tags {
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

/// What [`PLACE`] says of a recovery point of `resource` in the vault `vault`, both by their full names.
pub(super) fn place(vault: &Arn, resource: &str) -> String {
    digest(&format!("{vault} {resource}")).split_off(2)
}

/// The tags of a recovery point: ours, and those of the request.
///
/// # Errors
/// `InvalidInput` where the request's own tags are too many or cannot be written, or the operation's id could not be read
/// back, by which a backup is proven to be its operation's.
pub(super) fn of_backup(job: &BackupJob, vault: &Arn) -> Result<Tags> {
    let operation = job.key.operation().as_str();
    if !is_readable(operation) {
        let message = format!("the operation's id {operation:?} does not fit into a tag of AWS; shorten it");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let mut ours = mark(&job.key, &job.backup, Some(&job.workspace), job.created_at);
    ours.insert(PLACE.to_owned(), place(vault, &job.component.resource));
    with_own(ours, &job.tags, JOB_TAGS_MAX)
}

/// `ours` with the tags that a request brings along, `most` in all.
///
/// # Errors
/// `InvalidInput` where those are too many or cannot be written.
pub(super) fn with_own(mut ours: Tags, own: &Tags, most: usize) -> Result<Tags> {
    let refused = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
    let fits = |text: &str, most: usize| {
        text.chars().count() <= most
            && text.chars().all(|c| c.is_alphanumeric() || c == ' ' || ALLOWED.contains(c))
    };
    for (key, value) in own {
        if is_own_key(key) || key.to_ascii_lowercase().starts_with("aws:") {
            return refused(format!("the tag {key:?} begins with a word that is reserved; rename it"));
        }
        if key.is_empty() || !fits(key, KEY_CHARS_MAX) || !fits(value, VALUE_CHARS_MAX) {
            return refused(format!(
                "the tag {key:?} cannot be written: AWS takes letters, digits, spaces and {ALLOWED}, {KEY_CHARS_MAX} \
                 characters in a key and {VALUE_CHARS_MAX} in a value"
            ));
        }
        ours.insert(key.clone(), value.clone());
    }
    if ours.len() > most {
        return refused(format!("{} tags are too many; there may be {most}", ours.len()));
    }
    Ok(ours)
}

/// `text` as a value: itself, escaped, or its digest.
pub(super) fn value(text: &str) -> String {
    let escaped: String = text.bytes().map(escape).collect();
    if escaped.len() <= VALUE_CHARS_MAX { escaped } else { digest(text) }
}

/// Whether `text` can be read back from its tag.
pub(super) fn is_readable(text: &str) -> bool {
    !value(text).starts_with("==")
}

fn escape(byte: u8) -> String {
    let c = char::from(byte);
    if c.is_ascii_alphanumeric() || (ALLOWED.contains(c) && c != ESCAPE) {
        c.to_string()
    } else {
        format!("{ESCAPE}{byte:02X}")
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{ESCAPE}{ESCAPE}{hex}")
}

/// The text that `value` was made from; `None` for a digest, and for what was never one of our values.
pub(super) fn text(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let (first, after) = rest.split_at(c.len_utf8());
        if c == ESCAPE {
            bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.extend_from_slice(first.as_bytes());
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a tag of this key is one of ours, which a new one replaces.
pub(super) fn is_own_key(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// Whether a recovery point with these tags, of `resource` in the vault `vault`, is one that we made.
///
/// AWS copies a resource's tags to its recovery points, whoever makes them. A resource that a restore of ours made
/// carries our operation's mark, but never a backup's; one that somebody else restored may carry all of them.
pub(super) fn is_point_of_ours(tags: &Tags, vault: &Arn, resource: &str) -> bool {
    tags.contains_key(JOB) && tags.contains_key(BACKUP) && tags.get(PLACE) == Some(&place(vault, resource))
}

/// Reads back what [`OPERATION`] and the others say.
pub(super) fn read(info: &mut SnapshotInfo, tags: &Tags) {
    fn parsed<T: std::str::FromStr>(tags: &Tags, name: &str) -> Option<T> {
        tags.get(name).and_then(|value| text(value)).and_then(|text| text.parse().ok())
    }
    info.workspace = parsed::<WorkspaceId>(tags, WORKSPACE);
    info.component = parsed::<ComponentId>(tags, COMPONENT);
    info.backup = parsed::<BackupId>(tags, BACKUP);
    info.operation = parsed::<OperationId>(tags, OPERATION);
    if let Some(created_at) = parsed::<Timestamp>(tags, CREATED) {
        info.created_at = created_at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_survives_in_what_aws_allows() {
        for id in ["prod/ml-1", "a b", "größe", "50%", "a=b", "=3D", "==", "tab\there", "日本"] {
            let written = value(id);
            assert!(
                written.chars().all(|c| c.is_ascii_alphanumeric() || ALLOWED.contains(c)),
                "{id} became {written}"
            );
            assert_eq!(text(&written).as_deref(), Some(id), "{written}");
            assert!(is_readable(id));
        }
    }

    #[test]
    fn what_is_too_long_is_recognised_and_not_read() {
        let long = "w".repeat(257);
        let written = value(&long);
        assert!(written.len() <= VALUE_CHARS_MAX && written.starts_with("=="), "{written}");
        assert_eq!(written, value(&long));
        assert_ne!(written, value(&"w".repeat(258)));
        assert_eq!(text(&written), None);
        assert!(!is_readable(&long) && is_readable(&"w".repeat(256)));
    }

    #[test]
    fn a_mark_that_was_handed_on_proves_nothing() {
        let vault: Arn = "arn:aws:backup:us-east-1:1:backup-vault:Default".parse().unwrap();
        let other: Arn = "arn:aws:backup:us-east-1:1:backup-vault:Other".parse().unwrap();
        let mut tags: Tags = [JOB, BACKUP].into_iter().map(|tag| (tag.to_owned(), "x".to_owned())).collect();
        assert!(!is_point_of_ours(&tags, &vault, "arn:volume"), "it says not of what");
        tags.insert(PLACE.to_owned(), place(&vault, "arn:volume"));
        assert!(is_point_of_ours(&tags, &vault, "arn:volume"));
        assert!(!is_point_of_ours(&tags, &other, "arn:volume"), "somebody copied it");
        assert!(!is_point_of_ours(&tags, &vault, "arn:restored"), "somebody restored it and backs that up");
    }

    #[test]
    fn an_operation_whose_id_could_not_be_read_back_makes_no_backup() {
        let vault: Arn = "arn:aws:backup:us-east-1:1:backup-vault:Default".parse().unwrap();
        let job = |operation: &str| {
            let component = stillpoint_core::Component::new(
                "db".parse().unwrap(),
                "ebs",
                "aws".parse().unwrap(),
                "arn:volume",
            );
            let key = JobKey::new(operation.parse().unwrap(), component.id.clone(), 1);
            let at = Timestamp::from_millis(0);
            BackupJob::new(key, "ada".parse().unwrap(), "b-1".parse().unwrap(), component, at)
        };
        assert!(of_backup(&job("op-1"), &vault).unwrap().contains_key(OPERATION));
        let error = of_backup(&job(&"ö".repeat(60)), &vault).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }

    #[test]
    fn tags_of_a_request_are_kept_or_refused_and_never_changed() {
        let own = |key: &str, value: &str| Tags::from([(key.to_owned(), value.to_owned())]);
        let kept = with_own(Tags::new(), &own("do-not-collect", "a=b größe"), JOB_TAGS_MAX).unwrap();
        assert_eq!(kept["do-not-collect"], "a=b größe");
        let many: Tags = (0..11).map(|at| (format!("t{at}"), String::new())).collect();
        for bad in [own("aws:x", ""), own("stillpoint:job", ""), own("k", "50%"), own("", "v"), many] {
            assert_eq!(
                with_own(Tags::new(), &bad, JOB_TAGS_MAX).unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "{bad:?}"
            );
        }
    }
}
