//! Where a restore happens: in the account and the region in which the recovery point stands, and nowhere else.

use stillpoint_core::{Error, ErrorKind, Result, Wanted};

use crate::managed::arn::Arn;
use crate::managed::clients::Clients;
use crate::managed::ec2::{Filters, Subnet};

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

/// Proves that a new file system can have a mount target in each subnet that is wanted: hours before they are made.
///
/// # Errors
/// `InvalidInput` where a subnet or a security group does not exist, two subnets share a zone, they are of two networks, or of
/// a zone that the file system is not in.
pub(super) async fn prove_mount_targets(clients: &Clients, wanted: &Wanted) -> Result<()> {
    let subnets: Vec<String> = wanted.get("subnets")?.unwrap_or_default();
    if subnets.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = wanted.get("security_groups")?.unwrap_or_default();
    prove_groups(clients, &groups).await?;
    let found = clients.ec2().subnets(&Filters::new().with("subnet-id", &subnets)).await?;
    let one_zone = wanted.text("one_zone")?;
    match conflict(&subnets, &found, one_zone.as_deref()) {
        Some(why) => Err(Error::new(ErrorKind::InvalidInput, why).with("setting", "subnets")),
        None => Ok(()),
    }
}

/// A caller that may not look at security groups goes on without this proof: until lately its policy did not need to say so.
async fn prove_groups(clients: &Clients, wanted: &[String]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let found = match clients.ec2().security_groups(&Filters::new().with("group-id", wanted)).await {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
        other => other?,
    };
    match wanted.iter().find(|id| !found.contains(id)) {
        Some(missing) => {
            let message = format!("there is no security group {missing}");
            Err(Error::new(ErrorKind::InvalidInput, message).with("setting", "security_groups"))
        }
        None => Ok(()),
    }
}

fn conflict(wanted: &[String], found: &[Subnet], one_zone: Option<&str>) -> Option<String> {
    if let Some(missing) = wanted.iter().find(|id| found.iter().all(|subnet| subnet.id != **id)) {
        return Some(format!("there is no subnet {missing}"));
    }
    for (at, subnet) in found.iter().enumerate() {
        let Subnet { id, vpc, zone } = subnet;
        if let Some(only) = one_zone.filter(|only| *only != zone.as_str()) {
            return Some(format!("subnet {id} is in {zone}, and the file system is to be in {only} alone"));
        }
        for other in found.iter().take(at) {
            if other.zone == *zone {
                return Some(format!(
                    "the subnets {} and {id} are both in {zone}; a zone takes one",
                    other.id
                ));
            }
            if other.vpc != *vpc {
                return Some(format!(
                    "the subnets {} and {id} are of two networks, {} and {vpc}",
                    other.id, other.vpc
                ));
            }
        }
    }
    None
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

    #[test]
    fn subnets_that_cannot_work_together_are_named() {
        let subnet = |id: &str, vpc: &str, zone: &str| Subnet {
            id: id.to_owned(),
            vpc: vpc.to_owned(),
            zone: zone.to_owned(),
        };
        let both = ["s-1".to_owned(), "s-2".to_owned()];
        let with = |vpc: &str, zone: &str| [subnet("s-1", "v-1", "a"), subnet("s-2", vpc, zone)];
        assert_eq!(conflict(&both, &with("v-1", "b"), None), None);
        assert!(conflict(&both, &with("v-1", "b")[..1], None).unwrap().contains("s-2"));
        assert!(conflict(&both, &with("v-1", "a"), None).unwrap().contains("both in a"));
        assert!(conflict(&both, &with("v-2", "b"), None).unwrap().contains("v-2"));
        assert!(conflict(&both[..1], &with("v-1", "b")[..1], Some("b")).unwrap().contains("alone"));
    }
}
