//! Identifiers. Each is a checked string, so that one kind can never be passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::entropy::Entropy;
use crate::error::{Error, ErrorKind};

/// The longest identifier, in bytes; a path of the largest length Linux accepts still fits.
pub const ID_BYTES_MAX: usize = 4096;

fn checked(what: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() || text.len() > ID_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("{what} must be 1 to {ID_BYTES_MAX} bytes without control characters"),
        ));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes any text of 1 to [`ID_BYTES_MAX`] bytes without control characters.
            ///
            /// # Errors
            /// `InvalidInput` for other text.
            pub fn new(text: impl Into<String>) -> Result<Self, Error> {
                let text = text.into();
                checked($what, &text)?;
                Ok(Self(text))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id!(
    /// Names one workspace, as its host does.
    WorkspaceId, "a workspace id"
);
id!(
    /// Names one component (a volume, a file system, a directory) inside its workspace.
    ComponentId, "a component id"
);
id!(
    /// Names one provider inside a host (`s3sync`, `aws`, …).
    ProviderId, "a provider id"
);
id!(
    /// Names one operation. Whoever submits it makes the id, so that submitting twice is one operation.
    OperationId, "an operation id"
);
id!(
    /// Names one catalogued backup.
    BackupId, "a backup id"
);
id!(
    /// Names one snapshot, as its provider does.
    SnapshotId, "a snapshot id"
);
id!(
    /// Names one job of a provider.
    JobId, "a job id"
);
id!(
    /// Names one quiescing of a workspace; the operation makes it before it quiesces.
    QuiesceId, "a quiesce id"
);

id!(
    /// Names one schedule.
    ScheduleId, "a schedule id"
);

impl OperationId {
    /// The operation of the run that `schedule` names for the time `nominal`: one, whoever begins it.
    pub(crate) fn of_run(schedule: &ScheduleId, nominal: crate::clock::Timestamp) -> Self {
        Self(digest(&["run", schedule.as_str(), &nominal.as_millis().to_string()]))
    }

    /// A fresh random id of 32 hexadecimal digits.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0u8; 16];
        entropy.fill(&mut bytes);
        Self(hex(&bytes))
    }
}

impl BackupId {
    /// The backup that `operation` makes. An operation makes one backup at the most, so the id follows from it and
    /// a repeat after a crash cannot make a second one.
    pub fn of(operation: &OperationId) -> Self {
        Self(digest(&["backup", operation.as_str()]))
    }
}

impl QuiesceId {
    /// The quiescing that belongs to `operation`.
    pub fn of(operation: &OperationId) -> Self {
        Self(digest(&["quiesce", operation.as_str()]))
    }

    /// The hold that `operation` takes after it gave up `earlier` others, of which it does not know what became.
    pub(crate) fn renewed(operation: &OperationId, earlier: u32) -> Self {
        match earlier {
            0 => Self::of(operation),
            _ => Self(digest(&["quiesce", operation.as_str(), &earlier.to_string()])),
        }
    }
}

/// 32 hexadecimal digits that follow from `parts` and from nothing else: the form of every idempotency key, short
/// enough for each cloud's token field.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize()[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn ids_refuse_empty_and_control_text() {
        assert!(WorkspaceId::new("").is_err());
        assert!(WorkspaceId::new("a\nb").is_err());
        assert!(serde_json::from_str::<BackupId>("\"\"").is_err());
        assert_eq!(WorkspaceId::new("ml-prod").unwrap().as_str(), "ml-prod");
    }

    #[test]
    fn a_backup_id_follows_from_its_operation() {
        let entropy = SeededEntropy::new(7);
        let one = OperationId::generate(&entropy);
        let two = OperationId::generate(&entropy);
        assert_ne!(one, two);
        assert_eq!(BackupId::of(&one), BackupId::of(&one));
        assert_ne!(BackupId::of(&one), BackupId::of(&two));
        assert_eq!(BackupId::of(&one).as_str().len(), 32);
    }

    #[test]
    fn digests_do_not_confuse_the_borders_of_their_parts() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
