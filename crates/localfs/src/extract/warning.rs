//! What a restored entry lacks, though it was restored.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// A difference between what the snapshot holds and what stands on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The entry, relative to the target.
    pub path: PathBuf,
    /// What is different.
    pub kind: WarningKind,
    /// The system's reason, if it gave one.
    pub reason: Option<String>,
}

/// The sorts of [`Warning`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// Owner or group could not be set.
    OwnerNotSet,
    /// Permission bits could not be set.
    ModeNotSet,
    /// Times could not be set.
    TimesNotSet,
    /// An extended attribute could not be set.
    AttributeNotSet(OsString),
    /// A privileged extended attribute was left out on purpose.
    AttributeWithheld(OsString),
    /// Set-user-id or set-group-id was left out on purpose.
    SetIdWithheld,
    /// A device node or socket was left out on purpose.
    SpecialFileWithheld,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: ", self.path)?;
        match &self.kind {
            WarningKind::OwnerNotSet => formatter.write_str("the owner could not be set"),
            WarningKind::ModeNotSet => formatter.write_str("the mode could not be set"),
            WarningKind::TimesNotSet => formatter.write_str("the times could not be set"),
            WarningKind::AttributeNotSet(name) => {
                write!(formatter, "the attribute {name:?} could not be set")
            }
            WarningKind::AttributeWithheld(name) => {
                write!(formatter, "the privileged attribute {name:?} was left out")
            }
            WarningKind::SetIdWithheld => formatter.write_str("the set-id bits were left out"),
            WarningKind::SpecialFileWithheld => formatter.write_str("the device node or socket was left out"),
        }?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(formatter, ": {reason}"))
    }
}
