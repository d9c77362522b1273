//! Settings of a file system that a restore does not bring back: compared, and changed where they differ.

use stillpoint_core::{Error, ErrorKind, Result};

use super::Plan;
use crate::managed::arn::Arn;
use crate::managed::clients::Clients;
use crate::managed::efs::FileSystem;

/// Throughput, lifecycle and automatic backups.
pub(super) async fn put_back(clients: &Clients, system: &FileSystem, plan: &Plan) -> Result<()> {
    let (efs, wanted) = (clients.efs(), &plan.settings);
    if let Some(mode) = &wanted.throughput_mode {
        let rate = wanted.provisioned_mibps.filter(|_| mode == "provisioned");
        if system.throughput_mode.as_ref() != Some(mode) || rate != system.provisioned_mibps {
            efs.set_throughput(&system.id, mode, rate).await?;
        }
    }
    if !wanted.lifecycle.is_empty() && efs.lifecycle(&system.id).await? != wanted.lifecycle {
        efs.put_lifecycle(&system.id, &wanted.lifecycle).await?;
    }
    if let Some(status) = &wanted.backup_policy
        && efs.backup_policy(&system.id).await? != status.as_str()
    {
        efs.put_backup_policy(&system.id, status).await?;
    }
    Ok(())
}

/// The resource policy, which names the new file system where it named the old one. One that a person has put where EFS
/// refuses the recorded one stands for it.
///
/// # Errors
/// `NeedsAttention` where EFS refuses it and no other is there: as far as nobody says who may use the file system, it is
/// not what it was.
pub(super) async fn put_back_policy(
    clients: &Clients,
    system: &FileSystem,
    arn: &Arn,
    plan: &Plan,
) -> Result<()> {
    let Some(policy) = &plan.settings.policy else { return Ok(()) };
    let policy = policy.replace(&plan.source, &arn.to_string());
    let there = clients.efs().policy(&system.id).await?;
    if same(there.as_deref(), &policy)? {
        return Ok(());
    }
    match clients.efs().put_policy(&system.id, &policy).await {
        Err(error) if error.kind() == ErrorKind::InvalidConfig && there.is_some() => Ok(()),
        Err(error) if error.kind() == ErrorKind::InvalidConfig => {
            let message = format!(
                "EFS refuses the policy that {} had for {}: {error}; all else is put back. Put a policy on {} by hand, and the \
                 restore goes on",
                plan.source, system.id, system.id
            );
            Err(Error::new(ErrorKind::NeedsAttention, message).with_source(error))
        }
        other => other,
    }
}

/// Whether two policies are one, however they are laid out.
fn same(there: Option<&str>, wanted: &str) -> Result<bool> {
    let parsed: serde_json::Value = serde_json::from_str(wanted).map_err(|error| {
        Error::new(ErrorKind::InvalidConfig, "the recorded policy of the file system is no JSON")
            .with_source(error)
    })?;
    Ok(there.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok()) == Some(parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_compared_by_what_they_say() {
        assert!(same(Some("{ \"a\" : [1] }"), "{\"a\":[1]}").unwrap());
        assert!(!same(Some("{}"), "{\"a\":[1]}").unwrap());
        assert!(!same(None, "{}").unwrap());
        assert_eq!(same(None, "nonsense").unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
}
