//! The resource itself: whether it is there, who else backs it up, what it carries.

use aws_sdk_efs::types::Status;
use stillpoint_core::{ErrorKind, Finding, RESOURCE_BUSY, Result, Timestamp};

use super::super::backup::active_jobs;
use super::super::refusal::unread;
use super::super::settings::SourceKind;
use super::super::tags;
use super::super::vault::Vault;
use super::{Subject, blocker, judged, warning};

/// What AWS says of a resource.
#[derive(Debug)]
struct Told {
    state: String,
    /// The key of a volume that is encrypted.
    key: Option<String>,
    tag_keys: Vec<String>,
}

impl Subject<'_> {
    /// The key that encrypts the recovery point, where it is known, and what is to be said about the resource. The point
    /// of a volume has the volume's key, that of a file system the vault's.
    pub(super) async fn resource(&self, vault: Option<&Vault>) -> Result<(Option<String>, Vec<Finding>)> {
        let told = match self.told().await {
            Ok(told) => told,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!(
                    "{} does not exist; take it out of the workspace, or correct it",
                    self.source.arn
                );
                return Ok((None, vec![blocker("resource-exists", message)]));
            }
            Err(error) => return Ok((None, judged("resource-exists", Err(error))?)),
        };
        let mut findings = Vec::new();
        if !matches!(told.state.as_str(), "available" | "in-use" | "updating") {
            let message = format!("{} is {} and cannot be backed up", self.source.arn, told.state);
            findings.push(blocker("resource-exists", message));
        }
        findings.extend(self.tag_room(&told.tag_keys));
        let key = match self.source.kind {
            SourceKind::Volume => told.key,
            SourceKind::FileSystem => vault.and_then(|vault| vault.key.clone()),
        };
        Ok((key, findings))
    }

    async fn told(&self) -> Result<Told> {
        let id = self.source.arn.resource_id();
        Ok(match self.source.kind {
            SourceKind::Volume => {
                let volume = self.clients.ec2().volume(id).await?;
                let tag_keys = volume.tags.into_keys().collect();
                Told { state: volume.state, key: volume.key.filter(|_| volume.encrypted), tag_keys }
            }
            SourceKind::FileSystem => {
                let system = self.clients.file_system(id).await?;
                let tag_keys = system.tags().iter().map(|tag| tag.key().to_owned()).collect();
                Told { state: system.life_cycle_state.as_str().to_owned(), key: None, tag_keys }
            }
        })
    }

    /// A recovery point carries the resource's tags and ours.
    fn tag_room(&self, tag_keys: &[String]) -> Option<Finding> {
        let counted =
            tag_keys.iter().filter(|key| !key.starts_with("aws:") && !tags::is_own_key(key)).count();
        let message = |what: &str| {
            format!(
                "{} has {counted} tags, which AWS copies to the recovery point beside up to {} of ours, and takes {} in \
                 all: {what}",
                self.source.arn,
                tags::JOB_TAGS_MAX,
                tags::TAGS_MAX
            )
        };
        if counted + tags::MARKS > tags::TAGS_MAX {
            Some(blocker("tags", message("remove some")))
        } else if counted + tags::JOB_TAGS_MAX > tags::TAGS_MAX {
            Some(warning("tags", message("a backup with tags of its own may be refused")))
        } else {
            None
        }
    }

    /// Whether the component's name can be read back from a tag.
    pub(super) fn identifiers(&self) -> Option<Finding> {
        let id = self.component.id.as_str();
        (!tags::is_readable(id)).then(|| {
            let message = format!(
                "the component's id {id:?} does not fit into a tag: only its digest is written, and a catalog that is \
                 rebuilt from tags will not know the component's name; shorten it"
            );
            warning("tags", message)
        })
    }

    /// AWS runs one job for each resource at a time.
    pub(super) async fn busy(&self, now: Timestamp) -> Result<Vec<Finding>> {
        let jobs = active_jobs(&self.clients, &self.source.arn, now).await?;
        let finding = |job: String| {
            let message = format!("{job} holds {}; a backup waits for its end", self.source.arn);
            warning(RESOURCE_BUSY, message)
        };
        Ok(jobs.into_iter().map(finding).collect())
    }

    pub(super) async fn automatic_backups(&self) -> Result<Vec<Finding>> {
        if self.source.kind != SourceKind::FileSystem {
            return Ok(Vec::new());
        }
        let call = self.clients.efs.describe_backup_policy().file_system_id(self.source.arn.resource_id());
        let policy = match call.send().await.map_err(unread("DescribeBackupPolicy")) {
            Ok(answer) => answer.backup_policy,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let enabled =
            policy.is_some_and(|policy| matches!(policy.status, Status::Enabled | Status::Enabling));
        let message = format!(
            "EFS backs {} up every day by itself, and a backup must wait while that runs; turn the automatic backups off, \
             or keep the two apart in time",
            self.source.arn
        );
        Ok(enabled.then(|| warning("automatic-backups", message)).into_iter().collect())
    }
}
