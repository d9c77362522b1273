//! What this provider writes on everything it makes, so that it is found again without any catalog.

use stillpoint_core::{BackupId, ComponentId, OperationId, SnapshotInfo, Tags, Timestamp, WorkspaceId};

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

/// The longest value of a tag, in characters.
/// Source: <https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>.
pub(super) const VALUE_CHARS_MAX: usize = 256;

/// Reads back what [`OPERATION`] and the others say.
pub(super) fn read(info: &mut SnapshotInfo, tags: &Tags) {
    fn parsed<T: std::str::FromStr>(tags: &Tags, name: &str) -> Option<T> {
        tags.get(name).and_then(|value| value.parse().ok())
    }
    info.workspace = parsed::<WorkspaceId>(tags, WORKSPACE);
    info.component = parsed::<ComponentId>(tags, COMPONENT);
    info.backup = parsed::<BackupId>(tags, BACKUP);
    info.operation = parsed::<OperationId>(tags, OPERATION);
    if let Some(created_at) = parsed::<Timestamp>(tags, CREATED) {
        info.created_at = created_at;
    }
}
