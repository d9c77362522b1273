//! What a restore's warnings mean for its result.

use stillpoint_localfs::{Warning, WarningKind};

/// Whether something is missing from the result because of it. What was withheld on purpose is not, nor is an owner
/// that only the administrator could set.
pub(crate) fn lacks(warning: &Warning, root: bool) -> bool {
    match warning.kind {
        WarningKind::OwnerNotSet => root,
        WarningKind::ModeNotSet | WarningKind::TimesNotSet | WarningKind::AttributeNotSet(_) => true,
        _ => false,
    }
}

/// What a warning says, without the path.
pub(crate) fn remark(warning: &Warning) -> String {
    let text = warning.to_string();
    let path = format!("{:?}: ", warning.path);
    text.strip_prefix(&path).map_or_else(|| text.clone(), str::to_owned)
}
