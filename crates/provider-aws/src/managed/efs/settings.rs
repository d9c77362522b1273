//! What a file system is set to beside its data: recorded at a backup, put back after a restore.

use aws_sdk_efs::types::{
    BackupPolicy, CreationInfo, LifecyclePolicy, PosixUser, RootDirectory, Status, ThroughputMode,
};
use serde::{Deserialize, Serialize};
use stillpoint_core::{Error, Result, Tags};

use super::{Efs, built, listed};
use crate::managed::pages::pages;
use crate::managed::refusal::{undone, unread};

/// Everything that AWS Backup does not bring back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FileSystemSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) throughput_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provisioned_mibps: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lifecycle: Vec<Transition>,
    /// `ENABLED` or `DISABLED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backup_policy: Option<String>,
    /// The resource policy, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) access_points: Vec<AccessPoint>,
}

/// When files move from one storage class to another. EFS wants exactly one of the three in each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Transition {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transition_to_ia: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transition_to_primary_storage_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transition_to_archive: Option<String>,
}

/// An access point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AccessPoint {
    /// What makes it the same one: EFS makes one of each token.
    pub(crate) token: String,
    /// Its root directory.
    pub(crate) path: String,
    /// Who owns the root directory, where EFS had to make it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<Owner>,
    /// As whom every file is accessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<User>,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub(crate) tags: Tags,
}

/// The owner of a directory that EFS makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    pub(crate) permissions: String,
}

/// A user by numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<i64>,
}

impl Efs<'_> {
    /// The lifecycle transitions of the file system `id`.
    pub(crate) async fn lifecycle(&self, id: &str) -> Result<Vec<Transition>> {
        let call = self.clients.efs.describe_lifecycle_configuration().file_system_id(id);
        let answer = call.send().await;
        let answer = answer.map_err(unread("DescribeLifecycleConfiguration"))?;
        let transition = |policy: &LifecyclePolicy| Transition {
            transition_to_ia: policy.transition_to_ia.as_ref().map(|rule| rule.as_str().to_owned()),
            transition_to_primary_storage_class: policy
                .transition_to_primary_storage_class
                .as_ref()
                .map(|rule| rule.as_str().to_owned()),
            transition_to_archive: policy.transition_to_archive.as_ref().map(|rule| rule.as_str().to_owned()),
        };
        Ok(answer.lifecycle_policies().iter().map(transition).collect())
    }

    /// Replaces the lifecycle transitions.
    pub(crate) async fn put_lifecycle(&self, id: &str, transitions: &[Transition]) -> Result<()> {
        let policy = |of: &Transition| {
            LifecyclePolicy::builder()
                .set_transition_to_ia(of.transition_to_ia.as_deref().map(Into::into))
                .set_transition_to_primary_storage_class(
                    of.transition_to_primary_storage_class.as_deref().map(Into::into),
                )
                .set_transition_to_archive(of.transition_to_archive.as_deref().map(Into::into))
                .build()
        };
        let policies = transitions.iter().map(policy).collect();
        let call = self.clients.efs.put_lifecycle_configuration().file_system_id(id);
        let call = call.set_lifecycle_policies(Some(policies));
        call.send().await.map_err(undone("PutLifecycleConfiguration"))?;
        Ok(())
    }

    /// `ENABLED` where AWS backs the file system up by itself, or is about to; `DISABLED` otherwise.
    pub(crate) async fn backup_policy(&self, id: &str) -> Result<&'static str> {
        let call = self.clients.efs.describe_backup_policy().file_system_id(id);
        let answer = match call.send().await.map_err(unread("DescribeBackupPolicy")) {
            Err(error) if is_no_policy(&error) => return Ok("DISABLED"),
            other => other?,
        };
        let on = answer
            .backup_policy
            .is_some_and(|policy| matches!(policy.status, Status::Enabled | Status::Enabling));
        Ok(if on { "ENABLED" } else { "DISABLED" })
    }

    /// Turns AWS's own automatic backups on or off.
    pub(crate) async fn put_backup_policy(&self, id: &str, status: &str) -> Result<()> {
        let policy = built(BackupPolicy::builder().status(status.into()).build())?;
        let call = self.clients.efs.put_backup_policy().file_system_id(id).backup_policy(policy);
        call.send().await.map_err(undone("PutBackupPolicy"))?;
        Ok(())
    }

    /// The resource policy, where there is one.
    ///
    /// # Errors
    /// `NotFound` where there is no such file system, which says nothing of a policy.
    pub(crate) async fn policy(&self, id: &str) -> Result<Option<String>> {
        let call = self.clients.efs.describe_file_system_policy().file_system_id(id);
        match call.send().await.map_err(unread("DescribeFileSystemPolicy")) {
            Err(error) if is_no_policy(&error) => Ok(None),
            other => Ok(other?.policy),
        }
    }

    /// Replaces the resource policy. The check that the caller stays able to change it is left on.
    pub(crate) async fn put_policy(&self, id: &str, policy: &str) -> Result<()> {
        let call = self.clients.efs.put_file_system_policy().file_system_id(id).policy(policy);
        call.send().await.map_err(undone("PutFileSystemPolicy"))?;
        Ok(())
    }

    /// Sets the throughput mode.
    pub(crate) async fn set_throughput(&self, id: &str, mode: &str, provisioned: Option<f64>) -> Result<()> {
        let mode = ThroughputMode::from(mode);
        let provisioned = provisioned.filter(|_| mode == ThroughputMode::Provisioned);
        let call = self.clients.efs.update_file_system().file_system_id(id).throughput_mode(mode);
        let call = call.set_provisioned_throughput_in_mibps(provisioned);
        call.send().await.map_err(undone("UpdateFileSystem"))?;
        Ok(())
    }

    /// The access points of the file system `id`.
    pub(crate) async fn access_points(&self, id: &str) -> Result<Vec<AccessPoint>> {
        let listed = pages("DescribeAccessPoints", async |token| {
            let call = self.clients.efs.describe_access_points().file_system_id(id).set_next_token(token);
            let answer = call.send().await.map_err(unread("DescribeAccessPoints"))?;
            Ok((answer.access_points.unwrap_or_default(), answer.next_token))
        });
        Ok(listed.await?.iter().map(AccessPoint::from).collect())
    }

    /// Makes an access point, or leaves the one that its token made.
    pub(crate) async fn create_access_point(&self, id: &str, point: &AccessPoint) -> Result<()> {
        let owner = point.owner.as_ref().map(|owner| {
            let info = CreationInfo::builder().owner_uid(owner.uid).owner_gid(owner.gid);
            built(info.permissions(&owner.permissions).build())
        });
        let root = RootDirectory::builder().path(&point.path).set_creation_info(owner.transpose()?).build();
        let user = point.user.as_ref().map(|user| {
            let groups = (!user.groups.is_empty()).then(|| user.groups.clone());
            built(PosixUser::builder().uid(user.uid).gid(user.gid).set_secondary_gids(groups).build())
        });
        let call = self.clients.efs.create_access_point().file_system_id(id).client_token(&point.token);
        let call = call.root_directory(root).set_posix_user(user.transpose()?);
        let call = call.set_tags((!point.tags.is_empty()).then(|| listed(&point.tags)).transpose()?);
        call.send().await.map_err(undone("CreateAccessPoint"))?;
        Ok(())
    }

    /// Everything that a restore of the file system would have to put back.
    pub(crate) async fn settings(&self, id: &str) -> Result<FileSystemSettings> {
        let system = self.file_system(id).await?;
        Ok(FileSystemSettings {
            throughput_mode: system.throughput_mode,
            provisioned_mibps: system.provisioned_mibps,
            lifecycle: self.lifecycle(id).await?,
            backup_policy: Some(self.backup_policy(id).await?.to_owned()),
            policy: self.policy(id).await?,
            access_points: self.access_points(id).await?,
        })
    }
}

/// Whether EFS says that a file system has no policy, and not that there is no file system.
fn is_no_policy(error: &Error) -> bool {
    error.context("code") == Some("PolicyNotFound")
}

impl From<&aws_sdk_efs::types::AccessPointDescription> for AccessPoint {
    fn from(described: &aws_sdk_efs::types::AccessPointDescription) -> Self {
        let root = described.root_directory();
        let owner = root.and_then(RootDirectory::creation_info).map(|info| Owner {
            uid: info.owner_uid,
            gid: info.owner_gid,
            permissions: info.permissions.clone(),
        });
        let user = described.posix_user().map(|user| User {
            uid: user.uid,
            gid: user.gid,
            groups: user.secondary_gids().to_vec(),
        });
        let tags = described.tags().iter().map(|tag| (tag.key.clone(), tag.value.clone()));
        Self {
            token: described.client_token().unwrap_or_default().to_owned(),
            path: root.and_then(RootDirectory::path).unwrap_or("/").to_owned(),
            owner,
            user,
            tags: tags.filter(|(key, _)| !key.starts_with("aws:")).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::refusal;

    #[test]
    fn a_file_system_that_is_gone_is_not_one_without_a_policy() {
        assert!(is_no_policy(&refusal(404, "PolicyNotFound", "", "DescribeFileSystemPolicy")));
        assert!(!is_no_policy(&refusal(404, "FileSystemNotFound", "", "DescribeFileSystemPolicy")));
    }
}
