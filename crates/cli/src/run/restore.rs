//! `stillpoint restore`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use stillpoint_core::{
    BackupRecord, Catalog, ComponentId, ComponentRecord, Error, ErrorKind, Finding, Landing, OnFailure,
    Orchestrator, Request, RestoreRequest, Result, Settings, Severity, WorkspaceId,
};
use stillpoint_server::document::{ComponentItem, RestoreDocument};
use stillpoint_server::text::Bytes;

use super::backup::finding;
use super::claim::Claim;
use super::drive::{Driven, drive};
use crate::args::{LandingPolicy, RestoreArgs};
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::managed::{self, ENVIRONMENT};
use crate::output::preview;
use crate::output::restore::RestoreText;
use crate::session::{Files, Needs, Session};
use crate::settings::ConfiguredWorkspace;

pub(super) async fn run(session: &Session, args: &RestoreArgs) -> Outcome {
    if args.dry_run {
        let catalog = session.catalog().await?;
        let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
        let request = request(session, args, &backup)?;
        let backup = request.narrowed(backup)?;
        return plan(session, &catalog, request, backup).await;
    }
    let (driven, claim) = restore(session, args).await?;
    let document = RestoreDocument::new(&driven.status.operation)
        .ok_or_else(|| Error::new(ErrorKind::Unexpected, "the operation that answered is no restore"))?;
    if session.output.is_json() {
        session.output.document(&document)?;
    } else {
        session.output.line(RestoreText(&document))?;
    }
    claim.told();
    Ok(driven.exit())
}

/// Makes one restore and follows it to its end. The claim is to be told once the result was.
pub(super) async fn restore(session: &Session, args: &RestoreArgs) -> Result<(Driven, Claim), Failure> {
    let catalog = session.catalog().await?;
    let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
    let mut request = request(session, args, &backup)?;
    let needs = Needs::of_restore(&session.settings.config, &request.narrowed(backup)?, &request.target);
    let orchestrator = session.orchestrator(&catalog, &needs, Files::Stored, None).await?;
    let claim = Claim::take(&session.settings.data_dir, catalog.as_ref(), &mut request).await?;
    match drive(&session.output, &orchestrator, Request::Restore(request)).await.and_then(Driven::with_result)
    {
        Ok(driven) => Ok((driven, claim)),
        Err(failure) => {
            claim.told();
            Err(failure)
        }
    }
}

pub(super) fn request(
    session: &Session,
    args: &RestoreArgs,
    backup: &BackupRecord,
) -> Result<RestoreRequest> {
    let into = match (&args.into, args.target_workspace.as_deref()) {
        (Some(into), _) => into,
        (None, name) => {
            let name = WorkspaceId::new(name.unwrap_or_default())?;
            match session.settings.config.workspace(name.as_str()) {
                Some(ConfiguredWorkspace::Directory(directory)) => &directory.path,
                _ => return managed_request(session, args, backup, name),
            }
        }
    };
    let chosen = components(args)?;
    let held = kept_by_a_cloud(backup, |id| chosen.is_empty() || chosen.contains(id));
    if let Some(held) = held {
        let message = format!(
            "backup {} holds {held}, which no directory can take; give --as, or --component for the others",
            backup.id
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let target = target(into)?;
    let mut settings = Settings::from([("path".to_owned(), target.as_str().into())]);
    for name in ["privileged", "special_files"] {
        settings.insert(name.to_owned(), args.privileged.into());
    }
    let target = WorkspaceId::new(target)?;
    let id = session.new_operation();
    let mut request = RestoreRequest::new(id, backup.id.clone(), target, engine::PROVISIONER, settings);
    // What is restored stays where it is: the same restore again goes on from there.
    request.on_failure = OnFailure::Keep;
    finished(session, args, request)
}

/// What every restore may be told.
fn finished(session: &Session, args: &RestoreArgs, mut request: RestoreRequest) -> Result<RestoreRequest> {
    request.creator = Some(session.creator());
    request.components = components(args)?;
    request.include = args.include.iter().map(|path| inside(path)).collect::<Result<_>>()?;
    request.landing = match args.landing {
        None => Landing::Empty,
        Some(LandingPolicy::Side) => Landing::Side,
        Some(LandingPolicy::Merge) => Landing::Merge,
        Some(LandingPolicy::Replace) => Landing::Replace,
    };
    request.software_version.clone_from(&args.software_version);
    request.timeout = args.timeout;
    request.waivers.clone_from(&args.skip_check);
    Ok(request)
}

fn components(args: &RestoreArgs) -> Result<Vec<ComponentId>> {
    args.component.iter().map(|id| ComponentId::new(id.clone())).collect()
}

/// A restore into a new managed workspace. What a failed one has made is removed again.
fn managed_request(
    session: &Session,
    args: &RestoreArgs,
    backup: &BackupRecord,
    target: WorkspaceId,
) -> Result<RestoreRequest> {
    let config = &session.settings.config;
    let known = [backup.workspace.as_str(), target.as_str()].iter().any(|id| config.managed(id).is_some());
    if !known && kept_by_a_cloud(backup, |_| true).is_none() {
        let message = format!(
            "backup {} is of a directory and workspace {target} is not configured; give --into DIR",
            backup.id
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let environment = args.environment.as_deref();
    let settings = environment.map(|name| (ENVIRONMENT.to_owned(), name.into())).into_iter().collect();
    let id = session.new_operation();
    let request = RestoreRequest::new(id, backup.id.clone(), target, managed::PROVISIONER, settings);
    finished(session, args, request)
}

/// A chosen component of the backup whose snapshot no file data plane keeps.
fn kept_by_a_cloud(backup: &BackupRecord, chosen: impl Fn(&ComponentId) -> bool) -> Option<String> {
    let others = |record: &&ComponentRecord| {
        chosen(&record.component.id)
            && record.snapshot.as_ref().is_some_and(|snapshot| !engine::keeps_files(&snapshot.provider))
    };
    let found = backup.components.iter().find(others)?;
    Some(format!("{} ({} of {})", found.component.id, found.component.kind, found.component.provider))
}

/// The absolute path of the target, which need not exist; its parent's links are resolved, so that one target has one
/// name.
fn target(into: &Path) -> Result<String> {
    let absolute = std::path::absolute(into).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("{} is no path", into.display())).with_source(error)
    })?;
    let parent = absolute.parent().and_then(|parent| parent.canonicalize().ok());
    let resolved = match (absolute.canonicalize(), parent, absolute.file_name()) {
        (Ok(there), _, _) => there,
        (Err(_), Some(parent), Some(name)) => parent.join(name),
        _ => absolute,
    };
    resolved.into_os_string().into_string().map_err(|path| {
        let path = PathBuf::from(path);
        Error::new(ErrorKind::InvalidInput, format!("the path {} is not UTF-8", path.display()))
    })
}

/// A path inside the backup, without a leading `/` or `./`.
fn inside(path: &str) -> Result<String> {
    let trimmed = path.trim_start_matches("./").trim_matches('/');
    if trimmed.is_empty() || trimmed.split('/').any(|part| part == "..") {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{path:?} is not a path inside the backup")));
    }
    Ok(trimmed.to_owned())
}

/// Shows what a restore would do, of a directory entry by entry, and what stands against it.
async fn plan(
    session: &Session,
    catalog: &Arc<dyn Catalog>,
    request: RestoreRequest,
    backup: BackupRecord,
) -> Outcome {
    let needs = Needs::of_restore(&session.settings.config, &backup, &request.target);
    let orchestrator = session.orchestrator(catalog, &needs, Files::LookedAt, None).await?;
    let findings = orchestrator.plan_restore(&request).await?.findings;
    let blocks = |finding: &Finding| {
        finding.severity == Severity::Blocker && !request.waivers.contains(&finding.check)
    };
    let blocked = findings.iter().any(blocks);
    let (restore, backup) = (&request, &backup);
    let previews = match restore.provisioner == engine::PROVISIONER && !blocked {
        true => session.provider().await?.preview_restore(restore, backup).await?,
        false => Vec::new(),
    };
    if session.output.is_json() {
        session.output.document(&json!({
            "backup_id": backup.id,
            "target": restore.target,
            "state": "planned",
            "landing": restore.landing,
            "include": restore.include,
            "size_bytes": backup.size_bytes,
            "components": backup.components.iter().map(ComponentItem::new).collect::<Vec<_>>(),
            "findings": findings,
            "previews": previews.iter().map(preview::document).collect::<Vec<_>>(),
        }))?;
    } else {
        let mut lines = plan_lines(restore, backup, &findings);
        lines.extend(previews.iter().flat_map(preview::lines));
        lines.iter().try_for_each(|line| session.output.line(line))?;
    }
    Ok(if blocked { Exit::Failed } else { Exit::Done })
}

fn plan_lines(restore: &RestoreRequest, backup: &BackupRecord, findings: &[Finding]) -> Vec<String> {
    let mut lines = vec![format!("plan of a restore of {} into {}", backup.id, restore.target)];
    lines.push(format!(
        "  {} of workspace {}, as of {}",
        Bytes(backup.size_bytes),
        backup.workspace,
        backup.created_at
    ));
    lines.extend(restore.include.iter().map(|path| format!("  only {path}")));
    lines.extend(findings.iter().map(|found| format!("  {}", finding(found))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_paths_stay_inside_the_backup() {
        assert_eq!(inside("/src/main.py").unwrap(), "src/main.py");
        assert_eq!(inside("./src/").unwrap(), "src");
        for bad in ["", "/", "../x", "a/../../b"] {
            assert!(inside(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn one_target_has_one_name() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("a")).unwrap();
        std::os::unix::fs::symlink(real.join("a"), real.join("link")).unwrap();
        let direct = target(&real.join("a/new")).unwrap();
        assert_eq!(target(&real.join("link/new")).unwrap(), direct);
        assert_eq!(target(&real.join("a/./new")).unwrap(), direct);
    }
}
