//! A vault and its lock, and vaults that are made where there are none.

mod new;

use std::time::Duration;

use stillpoint_core::{Result, Timestamp};

use super::backup::retention_days;
use super::clients::Clients;
use super::refusal::unread;
use super::time::timestamp;
pub use new::{CREATE_VAULT, NewVault, VAULT_KMS_KEY, VAULT_TAGS};

/// The state of a vault that takes recovery points.
const AVAILABLE: &str = "AVAILABLE";

/// A vault as AWS Backup describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Vault {
    pub(super) name: String,
    state: Option<String>,
    pub(super) key: Option<String>,
    pub(super) locked: bool,
    /// When the lock can no longer be taken away; `None` for a lock that an administrator may take away at any time.
    pub(super) immutable_from: Option<Timestamp>,
    pub(super) least_days: Option<i64>,
    pub(super) most_days: Option<i64>,
}

impl Vault {
    /// The vault `name` in the clients' region.
    ///
    /// # Errors
    /// `NotFound` where there is none; AWS may say `PermissionDenied` instead.
    pub(super) async fn describe(clients: &Clients, name: &str) -> Result<Self> {
        let answer = clients.backup.describe_backup_vault().backup_vault_name(name).send().await;
        let answer = answer.map_err(unread("DescribeBackupVault"))?;
        Ok(Self {
            name: name.to_owned(),
            state: answer.vault_state.map(|state| state.as_str().to_owned()),
            key: answer.encryption_key_arn,
            locked: answer.locked.unwrap_or(false),
            immutable_from: answer.lock_date.as_ref().and_then(timestamp),
            least_days: answer.min_retention_days,
            most_days: answer.max_retention_days,
        })
    }

    /// The state that keeps it from taking recovery points, in AWS's own word.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.state.as_deref().filter(|state| *state != AVAILABLE)
    }

    /// Why the vault's lock would make a job with this retention fail; `None` where it does not.
    ///
    /// AWS accepts such a job and lets it fail later. A retention without an end is longer than any limit.
    pub(super) fn refuses(&self, retain: Option<Duration>) -> Option<String> {
        if !self.locked {
            return None;
        }
        let days = retain.map(retention_days);
        let short = self.least_days.filter(|least| days.is_some_and(|days| days < *least));
        let long = self.most_days.filter(|most| days.is_none_or(|days| days > *most));
        let kept = days.map_or("for ever".to_owned(), |days| format!("for {days} days"));
        match (short, long) {
            (Some(least), _) => Some(format!("keeping {kept} is less than the {least} days that it demands")),
            (None, Some(most)) => Some(format!("keeping {kept} is more than the {most} days that it allows")),
            (None, None) => None,
        }
    }

    /// What kind of lock it is, and what it demands.
    pub(super) fn lock_in_words(&self) -> String {
        let days = |days: Option<i64>, word: &str| days.map(|days| format!(", {word} {days} days"));
        let bounds = [days(self.least_days, "at least"), days(self.most_days, "at most")];
        let kind = match self.immutable_from {
            Some(from) => format!("compliance mode, immutable from {from}"),
            None => "governance mode".to_owned(),
        };
        bounds.into_iter().flatten().fold(kind, |kind, bound| kind + &bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_refuses_a_retention_outside_its_limits_and_one_without_an_end() {
        let locked = Vault { locked: true, least_days: Some(7), most_days: Some(30), ..Vault::default() };
        let days = |days: u64| Some(Duration::from_secs(days * 24 * 3600));
        for (retain, refused) in
            [(days(6), true), (days(7), false), (days(30), false), (days(31), true), (None, true)]
        {
            assert_eq!(locked.refuses(retain).is_some(), refused, "{retain:?}");
        }
        assert_eq!(Vault { locked: false, ..locked.clone() }.refuses(None), None);
        assert_eq!(Vault { most_days: None, ..locked }.refuses(None), None);
    }
}
