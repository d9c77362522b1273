//! Recovery points: opened, found by their tags, deleted and read back.

mod delete;
mod find;
mod keep;
mod locks;
mod open;
mod state;
mod whose;

use stillpoint_core::{Result, Tags};

pub(super) use state::{PointState, Usable};

use super::clients::Clients;
use super::names::PointName;
use super::pages::pages;
use super::refusal::unread;

impl PointName {
    /// Whether it is a snapshot of a volume, which EC2 keeps, tags and shows by itself.
    pub(super) fn is_snapshot(&self) -> bool {
        self.arn.service == "ec2" && self.arn.resource_type() == "snapshot"
    }

    /// Whether AWS Backup keeps it itself, together with its tags.
    fn is_kept_by_backup(&self) -> bool {
        self.arn.service == "backup" && self.arn.resource_type() == "recovery-point"
    }

    /// What is written on it, read where it is kept.
    ///
    /// # Errors
    /// `NotFound` where it does not exist, or not yet.
    pub(super) async fn tags(&self, clients: &Clients) -> Result<Tags> {
        if self.is_snapshot() {
            return Ok(clients.ec2().snapshot(self.arn.resource_id()).await?.tags);
        }
        let listed = pages("ListTags", async |token| {
            let call = clients.backup.list_tags().resource_arn(self.arn.to_string()).set_next_token(token);
            let answer = call.send().await.map_err(unread("ListTags"))?;
            Ok((answer.tags.unwrap_or_default().into_iter().collect(), answer.next_token))
        });
        Ok(listed.await?.into_iter().collect())
    }
}
