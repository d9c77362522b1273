//! Where a restore happens: in the account and the region in which the recovery point stands, and nowhere else.

use stillpoint_core::{Error, ErrorKind, Result};

use crate::managed::arn::Arn;
use crate::managed::clients::Clients;
use crate::managed::wanted::Wanted;

/// Proves that the point at `arn`, owned by `owner`, can be restored where it is wanted; answers the account.
///
/// # Errors
/// `InvalidInput` that names both places and the way out.
pub(super) async fn prove(clients: &Clients, arn: &Arn, owner: &str, wanted: &Wanted) -> Result<String> {
    let caller = clients.caller().await?.account;
    check("account", owner, &caller)?;
    if let Some(account) = wanted.text("account")? {
        check("account", owner, &account)?;
    }
    if let Some(region) = wanted.text("region")? {
        check("region", &arn.region, &region)?;
    }
    Ok(caller)
}

fn check(what: &str, point: &str, target: &str) -> Result<()> {
    if point == target {
        return Ok(());
    }
    let message = format!(
        "the recovery point is in {what} {point} and the restore was asked for in {target}; AWS restores a point only \
         where it stands, so copy the backup to a vault in {what} {target} first and restore the copy"
    );
    Err(Error::new(ErrorKind::InvalidInput, message).with(what, point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_place_is_refused_by_name_with_the_way_out() {
        assert!(check("region", "us-east-1", "us-east-1").is_ok());
        let error = check("region", "us-east-1", "eu-west-1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        for part in ["us-east-1", "eu-west-1", "copy the backup"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
