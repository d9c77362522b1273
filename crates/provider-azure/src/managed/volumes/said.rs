//! What the name of a snapshot or backup says: neither carries tags, so all that is to be known of it stands in its name.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use stillpoint_core::{
    BackupId, BackupJob, ComponentId, Error, ErrorKind, JobKey, OperationId, Result, Tags, Timestamp,
    WorkspaceId,
};

use super::super::names::made_by_token;
use super::super::tags;

/// The longest name that is used; a backup's may have 256 characters.
const NAME_BYTES_MAX: usize = 200;
/// The parts of a name behind its mark: when, component, operation, workspace.
const PARTS: usize = 4;
/// What begins the digest of a text that is too long.
const DIGEST: &str = "_-";

/// A snapshot's name taken apart: `stillpoint-TOKEN.MILLISECONDS.COMPONENT.OPERATION.WORKSPACE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Said {
    token: String,
    created: Timestamp,
    component: String,
    operation: String,
    workspace: String,
}

impl Said {
    pub(in super::super) fn of(job: &BackupJob) -> Self {
        Self::new(&job.key, job.created_at, &job.workspace)
    }

    /// What is to be known of the job `key`, of a backup that was begun at `created`.
    pub(in super::super) fn new(key: &JobKey, created: Timestamp, workspace: &WorkspaceId) -> Self {
        Self {
            token: key.token(),
            created,
            component: key.component().to_string(),
            operation: key.operation().to_string(),
            workspace: workspace.to_string(),
        }
    }

    /// The name.
    ///
    /// # Errors
    /// `InvalidInput` where component and operation are too long for one.
    pub(in super::super) fn name(&self) -> Result<String> {
        let name = |workspace: &str| {
            let Self { token, created, component, operation, .. } = self;
            let parts =
                [&created.as_millis().to_string(), &escaped(component), &escaped(operation), workspace];
            format!("{}.{}", made_by_token(token), parts.join("."))
        };
        let whole = name(&escaped(&self.workspace));
        let short = if whole.len() > NAME_BYTES_MAX { name(&digest(&self.workspace)) } else { whole };
        if short.len() > NAME_BYTES_MAX {
            let message = format!(
                "the ids of component {} and operation {} do not fit into the name of a snapshot; shorten them",
                self.component, self.operation
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(short)
    }

    /// What `name` says, where it is one of ours: its mark must follow from what else it says.
    pub(in super::super) fn read(name: &str) -> Option<Self> {
        let (mark, rest) = name.split_once('.')?;
        let parts: Vec<&str> = rest.split('.').collect();
        let [created, component, operation, workspace] = <[&str; PARTS]>::try_from(parts).ok()?;
        let said = Self {
            token: mark.strip_prefix(&made_by_token(""))?.to_owned(),
            created: Timestamp::from_millis(created.parse().ok()?),
            component: unescaped(component)?,
            operation: unescaped(operation)?,
            workspace: if workspace.starts_with(DIGEST) {
                workspace.to_owned()
            } else {
                unescaped(workspace)?
            },
        };
        said.is_coherent().then_some(said)
    }

    /// The operation that it was for, as it calls itself.
    pub(in super::super) fn operation(&self) -> &str {
        &self.operation
    }

    fn is_coherent(&self) -> bool {
        let ids = (self.operation.parse::<OperationId>(), self.component.parse::<ComponentId>());
        let (Ok(operation), Ok(component)) = ids else { return false };
        // An operation begins a component anew a few times at the most.
        (1..=ATTEMPTS_MAX)
            .any(|attempt| JobKey::new(operation.clone(), component.clone(), attempt).token() == self.token)
    }

    /// The same as the tags that other snapshots carry.
    pub(in super::super) fn tags(&self) -> Tags {
        let backup =
            self.operation.parse::<OperationId>().map(|operation| BackupId::of(&operation).to_string());
        let mut tags = Tags::from([
            (tags::JOB.to_owned(), self.token.clone()),
            (tags::OPERATION.to_owned(), tags::value(&self.operation)),
            (tags::COMPONENT.to_owned(), tags::value(&self.component)),
            (tags::CREATED.to_owned(), self.created.to_string()),
        ]);
        tags.extend(backup.map(|backup| (tags::BACKUP.to_owned(), backup)).ok());
        if !self.workspace.starts_with(DIGEST) {
            tags.insert(tags::WORKSPACE.to_owned(), tags::value(&self.workspace));
        }
        tags
    }

    /// Whether it says what the tags `wanted` do.
    pub(in super::super) fn fits(&self, wanted: &Tags) -> bool {
        let mut lacking = tags::missing(wanted, &self.tags());
        if lacking.get(tags::WORKSPACE).is_some_and(|value| self.workspace == digest(value)) {
            lacking.remove(tags::WORKSPACE);
        }
        lacking.is_empty()
    }
}

/// So many attempts of one operation are recognised.
const ATTEMPTS_MAX: u32 = 64;

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut name, byte| {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(name, "_{byte:02x}");
        }
        name
    })
}

fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('_');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).fold(DIGEST.to_owned(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(workspace: &str) -> Said {
        let (operation, component) = ("01JX-op_1.β".to_owned(), "home".to_owned());
        let key = JobKey::new(operation.parse().unwrap(), component.parse().unwrap(), 2);
        let created = Timestamp::from_millis(1_767_571_200_123);
        Said { token: key.token(), created, component, operation, workspace: workspace.to_owned() }
    }

    #[test]
    fn a_name_says_all_that_tags_would() {
        let said = said("team/ml-1");
        let name = said.name().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{name}");
        assert_eq!(Said::read(&name).unwrap(), said);
        assert_eq!(said.tags()[tags::WORKSPACE], "team/ml-1");
        assert_eq!(said.tags().len(), 6);
    }

    #[test]
    fn a_long_workspace_is_recognised_and_a_long_operation_refused() {
        let long = "w".repeat(300);
        let name = said(&long).name().unwrap();
        let read = Said::read(&name).unwrap();
        assert!(name.len() <= NAME_BYTES_MAX && !read.tags().contains_key(tags::WORKSPACE));
        let of = |workspace: &str| Tags::from([(tags::WORKSPACE.to_owned(), workspace.to_owned())]);
        assert!(!read.fits(&of("team/ml-1")));
        let middle = "w".repeat(150);
        assert!(Said::read(&said(&middle).name().unwrap()).unwrap().fits(&of(&middle)));
        let mut said = said("w");
        said.operation = "o".repeat(200);
        assert_eq!(said.name().unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_name_that_somebody_made_up_is_not_ours() {
        let name = said("w").name().unwrap();
        for other in
            ["snapmirror.b", "stillpoint-0123", &name.replace(".home.", ".houses."), &format!("{name}.x")]
        {
            assert_eq!(Said::read(other), None, "{other}");
        }
    }
}
