//! Whose account something lies in: that another one knows nothing of it does not mean that it is gone.

use stillpoint_core::{Error, ErrorKind, Result, SnapshotRef};

use super::super::AwsProvider;
use super::super::arn::Arn;
use super::super::names::PointName;

impl AwsProvider {
    /// Refuses a snapshot of another account than that of the credentials. One whose account nobody noted is accepted.
    ///
    /// # Errors
    /// `InvalidInput` that names both accounts; whatever asking whose the credentials are can meet.
    pub(in super::super) async fn reach(&self, snapshot: &SnapshotRef) -> Result<()> {
        let Ok(name) = snapshot.id.as_str().parse::<PointName>() else { return Ok(()) };
        let Some(owner) = name.account(snapshot) else { return Ok(()) };
        let what = format!("{} in the vault {}", name.arn, name.vault);
        self.is_of_caller(&what, owner, &name.arn.region).await
    }

    /// The same for one whose account nobody noted, in a backup of `account`.
    ///
    /// # Errors
    /// As [`AwsProvider::reach`].
    pub(in super::super) async fn reach_unnoted(&self, snapshot: &SnapshotRef, account: &str) -> Result<()> {
        let Ok(name) = snapshot.id.as_str().parse::<PointName>() else { return Ok(()) };
        if name.account(snapshot).is_some() {
            return Ok(());
        }
        self.is_of_caller(&format!("{} in the vault {}", name.arn, name.vault), account, &name.arn.region)
            .await
    }

    /// The same for a resource.
    ///
    /// # Errors
    /// As [`AwsProvider::reach`].
    pub(in super::super) async fn reach_resource(&self, arn: &Arn) -> Result<()> {
        if arn.account.is_empty() {
            return Ok(());
        }
        self.is_of_caller(&arn.to_string(), &arn.account, &arn.region).await
    }

    async fn is_of_caller(&self, what: &str, owner: &str, region: &str) -> Result<()> {
        let caller = self.account(region).await?;
        if owner == caller {
            return Ok(());
        }
        let message = format!(
            "{what} is of account {owner}, and the credentials of {} are of account {caller}; use credentials of account {owner}",
            self.provider_id(),
        );
        Err(Error::new(ErrorKind::InvalidInput, message).with("account", owner))
    }
}
