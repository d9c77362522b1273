//! File systems: looked up and changed, one small call each.

mod described;
mod mount_targets;
mod settings;

use aws_sdk_efs::types::{FileSystemDescription, LifeCycleState, Tag};
use stillpoint_core::{Error, ErrorKind, Result, Tags};

pub(super) use mount_targets::MountTarget;
pub(super) use settings::{AccessPoint, FileSystemSettings};

use super::clients::Clients;
use super::refusal::{undone, unread};

/// EFS in one region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Efs<'a> {
    clients: &'a Clients,
}

/// A file system.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FileSystem {
    pub(super) id: String,
    /// Its full name.
    pub(super) arn: Option<String>,
    pub(super) creation_token: String,
    pub(super) state: LifeCycleState,
    pub(super) performance_mode: String,
    pub(super) encrypted: bool,
    pub(super) key: Option<String>,
    pub(super) throughput_mode: Option<String>,
    pub(super) provisioned_mibps: Option<f64>,
    /// Only of a One Zone file system.
    pub(super) zone: Option<String>,
    pub(super) tags: Tags,
}

impl From<&FileSystemDescription> for FileSystem {
    fn from(described: &FileSystemDescription) -> Self {
        Self {
            id: described.file_system_id.clone(),
            arn: described.file_system_arn.clone(),
            creation_token: described.creation_token.clone(),
            state: described.life_cycle_state.clone(),
            performance_mode: described.performance_mode.as_str().to_owned(),
            encrypted: described.encrypted.unwrap_or(false),
            key: described.kms_key_id.clone(),
            throughput_mode: described.throughput_mode.as_ref().map(|mode| mode.as_str().to_owned()),
            provisioned_mibps: described.provisioned_throughput_in_mibps,
            zone: described.availability_zone_name.clone(),
            tags: described.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
        }
    }
}

impl<'a> Efs<'a> {
    pub(super) fn new(clients: &'a Clients) -> Self {
        Self { clients }
    }

    /// The file system `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub(super) async fn file_system(&self, id: &str) -> Result<FileSystem> {
        Ok(FileSystem::from(&self.clients.file_system(id).await?))
    }

    /// The file system that was made with this creation token, of which there is one at the most.
    ///
    /// # Errors
    /// Whatever the call meets; none is no error.
    pub(super) async fn made_with(&self, token: &str) -> Result<Option<FileSystem>> {
        let answer = self.clients.efs.describe_file_systems().creation_token(token).send().await;
        let answer = answer.map_err(unread("DescribeFileSystems"));
        let answer = match answer {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Ok(answer.file_systems().iter().map(FileSystem::from).find(|system| system.creation_token == token))
    }

    /// Adds and replaces tags of the file system or access point `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none; `MaybeApplied` where no answer came, and then a repeat is safe.
    pub(super) async fn tag(&self, id: &str, tags: &Tags) -> Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let call = self.clients.efs.tag_resource().resource_id(id).set_tags(Some(listed(tags)?));
        call.send().await.map_err(undone("TagResource"))?;
        Ok(())
    }

    /// Takes tags off the file system `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none; `MaybeApplied` where no answer came, and then a repeat is safe.
    pub(super) async fn untag(&self, id: &str, keys: Vec<String>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let call = self.clients.efs.untag_resource().resource_id(id).set_tag_keys(Some(keys));
        call.send().await.map_err(undone("UntagResource"))?;
        Ok(())
    }

    /// Deletes the file system `id`, which must have no mount target.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Busy` while it has mount targets.
    pub(super) async fn delete_file_system(&self, id: &str) -> Result<()> {
        let call = self.clients.efs.delete_file_system().file_system_id(id);
        call.send().await.map_err(undone("DeleteFileSystem"))?;
        Ok(())
    }
}

/// Tags as EFS takes them.
fn listed(tags: &Tags) -> Result<Vec<Tag>> {
    tags.iter().map(|(key, value)| built(Tag::builder().key(key).value(value).build())).collect()
}

/// What a builder of the SDK made; every member that it needs was given.
fn built<T>(made: std::result::Result<T, aws_sdk_efs::error::BuildError>) -> Result<T> {
    made.map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "a request to EFS lacks a member").with_source(error)
    })
}
