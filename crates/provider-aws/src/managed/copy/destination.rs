//! Where a copy is to lie.

use stillpoint_core::{Error, ErrorKind, Result, Settings, Wanted};

use super::super::arn::Arn;
use super::super::clients::Clients;
use super::super::names::PointName;

/// A vault by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination(pub(super) Arn);

impl Destination {
    /// The vault that `settings` name: by its full name, or by its name, in this region and account unless they say others.
    ///
    /// # Errors
    /// `InvalidConfig` where no vault is named; `InvalidInput` where it is the one that the point is in already.
    pub(super) async fn of(settings: &Settings, clients: &Clients, point: &PointName) -> Result<Self> {
        let wanted = Wanted::new(settings, None);
        let caller = clients.caller().await?.account;
        let vault = match wanted.text("vault_arn")? {
            Some(arn) => named(&arn)?,
            None => Arn {
                partition: point.arn.partition.clone(),
                service: "backup".to_owned(),
                region: wanted.text("region")?.unwrap_or_else(|| clients.region.clone()),
                account: wanted.text("account")?.unwrap_or_else(|| caller.clone()),
                resource: format!("backup-vault:{}", wanted.needed("vault", "the destination of a copy")?),
            },
        };
        if vault.account == caller && vault.region == clients.region && vault.resource_id() == point.vault {
            let message = format!("the backup is in vault {} already; name another one", point.vault);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Self(vault))
    }
}

fn named(text: &str) -> Result<Arn> {
    let arn: Arn = text.parse()?;
    if arn.service == "backup" && arn.resource_type() == "backup-vault" && !arn.account.is_empty() {
        return Ok(arn);
    }
    let message = format!("vault_arn {text:?} is no vault (arn:aws:backup:REGION:ACCOUNT:backup-vault:NAME)");
    Err(Error::new(ErrorKind::InvalidConfig, message).with("setting", "vault_arn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_vaults_full_name_is_one() {
        let arn = "arn:aws:backup:eu-west-1:111122223333:backup-vault:far";
        assert_eq!(named(arn).unwrap().resource_id(), "far");
        for text in
            ["far", "arn:aws:backup:eu-west-1::backup-vault:far", "arn:aws:backup:r:1:recovery-point:x"]
        {
            assert!(named(text).is_err(), "{text}");
        }
    }
}
