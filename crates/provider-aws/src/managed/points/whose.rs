//! Whose account a recovery point lies in: that another one knows nothing of it does not mean that it is gone.

use stillpoint_core::{Error, ErrorKind, Result, SnapshotRef};

use super::super::AwsProvider;
use super::super::names::PointName;

impl AwsProvider {
    /// Refuses a snapshot of another account than that of the credentials. One whose account nobody noted is accepted.
    ///
    /// # Errors
    /// `InvalidInput` that names both accounts; whatever asking whose the credentials are can meet.
    pub(in super::super) async fn reach(&self, snapshot: &SnapshotRef) -> Result<()> {
        let Ok(name) = snapshot.id.as_str().parse::<PointName>() else { return Ok(()) };
        let Some(owner) = name.account(snapshot) else { return Ok(()) };
        let caller = self.account(&name.arn.region).await?;
        if owner == caller {
            return Ok(());
        }
        let message = format!(
            "{} in the vault {} is of account {owner}, and the credentials of {} are of account {caller}; use credentials of \
             account {owner}",
            name.arn,
            name.vault,
            self.provider_id(),
        );
        Err(Error::new(ErrorKind::InvalidInput, message).with("account", owner))
    }
}
