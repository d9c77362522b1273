//! File systems described.

use aws_sdk_efs::types::FileSystemDescription;
use stillpoint_core::{Error, ErrorKind, Result};

use super::super::clients::Clients;
use super::super::pages::pages;
use super::super::refusal::unread;

impl Clients {
    /// The file system `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub(in super::super) async fn file_system(&self, id: &str) -> Result<FileSystemDescription> {
        let answer = self.efs.describe_file_systems().file_system_id(id).send().await;
        let found = answer.map_err(unread("DescribeFileSystems"))?.file_systems.unwrap_or_default();
        found.into_iter().find(|system| system.file_system_id() == id).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("EFS knows no file system {id}")).with("resource", id)
        })
    }

    /// All file systems of the account in this region.
    ///
    /// # Errors
    /// Whatever a page meets.
    pub(in super::super) async fn file_systems(&self) -> Result<Vec<FileSystemDescription>> {
        pages("DescribeFileSystems", async |marker| {
            let answer = self.efs.describe_file_systems().set_marker(marker).send().await;
            let answer = answer.map_err(unread("DescribeFileSystems"))?;
            Ok((answer.file_systems.unwrap_or_default(), answer.next_marker))
        })
        .await
    }
}
