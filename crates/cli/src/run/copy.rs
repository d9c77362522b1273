//! `stillpoint copy`.

use serde_json::json;
use stillpoint_core::{
    BackupId, BackupRecord, CopyRequest, Error, ErrorKind, ProviderId, Request, Result, Settings,
};
use stillpoint_provider_aws::managed::{CREATE_VAULT, VAULT_KMS_KEY};
use stillpoint_server::document::{ComponentItem, OperationItem};

use super::drive::drive;
use crate::args::CopyArgs;
use crate::exit::Outcome;
use crate::output::Output;
use crate::output::backup::line;
use crate::session::{Files, Needs, Session};

pub(super) async fn run(session: &Session, args: &CopyArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let original = session.resolve(catalog.as_ref(), &args.backup).await?;
    let request = request(session, args, &original)?;
    let needs = Needs::of_backup(&original).and(Needs::of_providers(request.provider.iter()));
    let orchestrator = session.orchestrator(&catalog, &needs, Files::Stored, None).await?;
    let driven = drive(&session.output, &orchestrator, Request::Copy(request)).await?.with_result()?;
    let copy = driven.status.backup.iter().flat_map(|copy| &copy.components);
    let components: Vec<_> = copy.map(ComponentItem::new).collect();
    tell(&session.output, &original.id, &OperationItem::of_status(&driven.status), &components)?;
    Ok(driven.exit())
}

/// Shows the copy that an operation made of the backup `original`.
pub(crate) fn tell(
    output: &Output,
    original: &BackupId,
    operation: &OperationItem,
    components: &[ComponentItem],
) -> Result<()> {
    if output.is_json() {
        return output.document(&json!({
            "operation_id": operation.id,
            "backup_id": operation.backup_id,
            "copy_of": original,
            "workspace": operation.workspace,
            "state": operation.state,
            "started_at": operation.started_at,
            "finished_at": operation.finished_at,
            "components": components,
            "warnings": operation.warnings,
            "issues": operation.issues,
        }));
    }
    let name = operation.backup_id.as_ref().unwrap_or(original);
    output.line(format_args!("backup {original} is copied as {name}"))?;
    components.iter().try_for_each(|component| output.line(format_args!("  {}", line(component))))?;
    operation.warnings.iter().try_for_each(|warning| output.line(format_args!("  warning {warning}")))
}

fn request(session: &Session, args: &CopyArgs, original: &BackupRecord) -> Result<CopyRequest> {
    let (id, destination) = (session.new_operation(), destination(args)?);
    let mut request = CopyRequest::new(id, original.id.clone(), original.workspace.clone(), destination);
    request.provider = args.provider.as_deref().map(ProviderId::new).transpose()?;
    request.retain = args.retain;
    request.creator = Some(session.creator());
    request.waivers.clone_from(&args.skip_check);
    if let Some(timeout) = args.timeout {
        request.timeout = timeout;
    }
    Ok(request)
}

/// Where the copy is to lie, as providers name it. A vault's full name says its region and account, too.
///
/// # Errors
/// `InvalidInput` where a flag says another place than the vault's full name.
pub(crate) fn destination(args: &CopyArgs) -> Result<Settings> {
    let (mut region, mut account) = (args.region.as_deref(), args.account.as_deref());
    let mut vault_key = "vault";
    if let Some(vault) = args.vault.as_deref().filter(|vault| vault.contains(':')) {
        let parts: Vec<&str> = vault.split(':').collect();
        for (place, at, flag) in [(&mut region, 3, "--region"), (&mut account, 4, "--account")] {
            let told = parts.get(at).copied().filter(|part| !part.is_empty());
            if place.is_some() && *place != told {
                let message = format!("{flag} says another place than the vault {vault:?}");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            *place = told;
        }
        vault_key = "vault_arn";
    }
    let pairs = [
        (vault_key, args.vault.as_deref()),
        ("region", region),
        ("account", account),
        ("role_arn", args.role_arn.as_deref()),
        (VAULT_KMS_KEY, args.vault_kms_key.as_deref()),
    ];
    let made = args.create_vault.then(|| (CREATE_VAULT.to_owned(), true.into()));
    let named = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into())));
    Ok(named.chain(made).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(vault: &str, region: Option<&str>) -> CopyArgs {
        let region = region.map(str::to_owned);
        CopyArgs { vault: Some(vault.to_owned()), region, ..CopyArgs::default() }
    }

    #[test]
    fn a_vaults_full_name_says_where_it_is() {
        let full = "arn:aws:backup:eu-west-1:444455556666:backup-vault:theirs";
        let told = destination(&args(full, None)).unwrap();
        assert_eq!((&told["vault_arn"], &told["region"]), (&full.into(), &"eu-west-1".into()));
        assert_eq!(told["account"], "444455556666");
        assert!(destination(&args(full, Some("eu-west-1"))).is_ok());
        let error = destination(&args(full, Some("us-east-1"))).unwrap_err();
        assert!(error.to_string().contains("--region"), "{error}");
        let named = destination(&args("far", Some("eu-west-1"))).unwrap();
        assert_eq!((&named["vault"], named.get("account")), (&"far".into(), None));
        assert_eq!(named.get("create_vault"), None, "unless it is asked for");
        let made = CopyArgs { create_vault: true, ..args("far", None) };
        assert_eq!(destination(&made).unwrap()["create_vault"], true);
    }
}
