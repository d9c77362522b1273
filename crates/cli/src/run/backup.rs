//! `stillpoint backup`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stillpoint_core::{
    BackupRequest, Catalog, Error, ErrorKind, Finding, LocalOrchestrator, OnDeadline, OpContext,
    Orchestrator, Request, Result, Severity, WhenBusy, Workspace, WorkspaceId, WorkspaceRecord,
};
use stillpoint_provider_s3sync::{CaptureRules, DirectoryWorkspace};
use stillpoint_server::document::{BackupDocument, PlanDocument};

use super::drive::{Driven, drive, part};
use crate::args::{BackupArgs, DeadlinePolicy};
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::managed::complete;
use crate::output::backup::BackupText;
use crate::output::{Output, word};
use crate::session::{Files, Needs, Session, meant};
use crate::settings::{ConfiguredWorkspace, ManagedConfig};

pub(super) async fn run(session: &Session, args: &BackupArgs) -> Outcome {
    if !session.settings.is_of_each_space() {
        meant(args.workspace.as_deref(), session.settings.only_workspace())?;
    }
    if args.dry_run {
        let (orchestrator, request) = prepare(session, args).await?;
        let plan = orchestrator.plan(&request).await?;
        return show_plan(&session.output, &PlanDocument::new(&plan), &request.waivers);
    }
    let driven = back_up(session, args).await?;
    let document = BackupDocument::new(&driven.status);
    if session.output.is_json() {
        session.output.document(&document)?;
    } else {
        session.output.line(BackupText(&document))?;
    }
    Ok(driven.exit())
}

/// Makes one backup and follows it to its end.
pub(super) async fn back_up(session: &Session, args: &BackupArgs) -> Result<Driven, Failure> {
    let (orchestrator, request) = prepare(session, args).await?;
    let driven = drive(&session.output, &orchestrator, Request::Backup(request)).await;
    part(&session.output, &orchestrator).await;
    driven?.with_result()
}

/// The orchestrator that knows the workspace, and what is asked of it. A repository is made where there is none,
/// except for a plan.
pub(super) async fn prepare(
    session: &Session,
    args: &BackupArgs,
) -> Result<(LocalOrchestrator, BackupRequest)> {
    if let Some(config) = managed(session, args)? {
        return prepare_managed(session, args, config).await;
    }
    let directory = args.directory.as_deref().map(checked_directory).transpose()?;
    let catalog = session.catalog().await?;
    let workspace = directory_workspace(session, catalog.as_ref(), args, directory).await?;
    let mut request = request(session, args, workspace.id().clone());
    if !follows_the_configuration(session, args) {
        // Other backups of the directory may leave out something else, before this one's next run too.
        request.settings = workspace.rules().to_settings();
    }
    let workspace: Arc<dyn Workspace> = Arc::new(workspace);
    if !args.dry_run {
        remember(catalog.as_ref(), workspace.as_ref()).await?;
    }
    let (needs, files) = (Needs::files(), files(args));
    let orchestrator = Box::pin(session.orchestrator(&catalog, &needs, files, Some(workspace))).await?;
    Ok((orchestrator, request))
}

/// Whether the configuration alone says what is captured, also when it says something else by the next run.
fn follows_the_configuration(session: &Session, args: &BackupArgs) -> bool {
    let configured = args.workspace.as_deref().and_then(|id| session.settings.config.workspace(id));
    args.directory.is_none() && configured.is_some() && args.rule_flags().iter().all(|(_, given)| !given)
}

/// What becomes of a repository that is not there yet.
fn files(args: &BackupArgs) -> Files {
    if args.dry_run { Files::LookedAt } else { Files::MadeWhenMissing }
}

/// The managed workspace that the command line names, where it names one.
fn managed<'a>(session: &'a Session, args: &BackupArgs) -> Result<Option<&'a ManagedConfig>> {
    let Some(config) = args.workspace.as_deref().and_then(|id| session.settings.config.managed(id)) else {
        return Ok(None);
    };
    let mut given = std::iter::once(("a directory", args.directory.is_some())).chain(args.rule_flags());
    if let Some((flag, _)) = given.find(|(_, given)| *given) {
        let message =
            format!("workspace {} is managed by {}; {flag} is for directories", config.id, config.provider);
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(Some(config))
}

async fn prepare_managed(
    session: &Session,
    args: &BackupArgs,
    config: &ManagedConfig,
) -> Result<(LocalOrchestrator, BackupRequest)> {
    let needs = Needs::of_managed(config);
    if needs.aws {
        complete(config)?;
    }
    let catalog = session.catalog().await?;
    let orchestrator = session.orchestrator(&catalog, &needs, files(args), None).await?;
    Ok((orchestrator, request(session, args, config.id.clone())))
}

/// Notes the workspace before its operation exists, so that any process can resume it from its first moment on.
async fn remember(catalog: &dyn Catalog, workspace: &dyn Workspace) -> Result<()> {
    let cx = OpContext::background();
    let (definition, components) = (workspace.definition(&cx).await?, workspace.inventory(&cx).await?);
    catalog.put_workspace(&WorkspaceRecord::new(definition, components, cx.clock().now())).await
}

fn request(session: &Session, args: &BackupArgs, workspace: WorkspaceId) -> BackupRequest {
    let mut request = BackupRequest::new(session.new_operation(), workspace);
    request.name.clone_from(&args.name);
    request.creator = Some(session.creator());
    request.timeout = args.timeout;
    request.stall_timeout = args.stall_timeout;
    request.hold_at_most = args.hold_at_most;
    request.on_deadline = match args.on_deadline {
        Some(DeadlinePolicy::Cancel) => OnDeadline::Cancel,
        Some(DeadlinePolicy::Extend) => OnDeadline::Extend,
        Some(DeadlinePolicy::Detach) | None => OnDeadline::Detach,
    };
    request.retain = args.retain;
    request.waivers.clone_from(&args.skip_check);
    request.when_busy = WhenBusy::Resume;
    request
}

/// Refuses a source that is not there before anything is made for it.
fn checked_directory(path: &Path) -> Result<PathBuf> {
    match path.canonicalize() {
        Ok(found) if found.is_dir() => Ok(found),
        Ok(_) => Err(Error::new(ErrorKind::InvalidInput, format!("{} is not a directory", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::new(ErrorKind::NotFound, format!("the directory {} does not exist", path.display())))
        }
        Err(error) => {
            let message = format!("the directory {} cannot be opened", path.display());
            Err(Error::new(ErrorKind::PermissionDenied, message).with_source(error))
        }
    }
}

/// The workspace that the command line names: a directory given here, one from the configuration, or one that was
/// backed up before.
pub(super) async fn directory_workspace(
    session: &Session,
    catalog: &dyn Catalog,
    args: &BackupArgs,
    directory: Option<PathBuf>,
) -> Result<DirectoryWorkspace> {
    let mut rules = CaptureRules { excludes: args.exclude.clone(), ..CaptureRules::default() };
    rules.presets.clone_from(&args.preset);
    rules.lacks.clone_from(&args.lacks);
    (rules.one_file_system, rules.may_be_empty) = (!args.no_one_file_system, args.may_be_empty);
    rules.exclude_file = args.exclude_file.as_deref().map(exclude_file).transpose()?;
    let found = match (directory, args.workspace.as_deref()) {
        (Some(directory), id) => {
            let found = named(session, DirectoryWorkspace::new(directory)?)?;
            match id {
                Some(id) => found.with_id(WorkspaceId::new(id)?),
                None => found,
            }
        }
        (None, Some(id)) => match session.settings.config.workspace(id) {
            Some(ConfiguredWorkspace::Directory(configured)) => {
                let path = &configured.path;
                rules.excludes.splice(0..0, configured.exclude.iter().cloned());
                rules.presets.splice(0..0, configured.presets.iter().cloned());
                let crosses = configured.one_file_system == Some(false) && !args.one_file_system;
                rules.one_file_system = rules.one_file_system && !crosses;
                DirectoryWorkspace::new(checked_directory(path)?)?.with_id(WorkspaceId::new(id)?)
            }
            Some(other) => return Err(unconfigured(id, other.provider())),
            None => return remembered(session, catalog, id, args).await,
        },
        (None, None) => return Err(Error::new(ErrorKind::InvalidInput, "name a directory or a workspace")),
    };
    // A catalog that changes while it is read would make each backup a partial one, and the key inside the
    // repository that it opens helps nobody.
    rules.excludes.extend(own_places(session, found.root()));
    let found = found.on_host(&session.settings.host);
    Ok(found.with_provider(engine::provider_id(session.settings.layout)?).with_rules(rules))
}

/// Gives a directory the id of its user and space, from the command line or the configuration.
fn named(session: &Session, found: DirectoryWorkspace) -> Result<DirectoryWorkspace> {
    match &session.settings.space {
        Some((user, space)) => found.of_space(user, space),
        None => Ok(found),
    }
}

/// A workspace that was backed up before, with the rules it had.
async fn remembered(
    session: &Session,
    catalog: &dyn Catalog,
    id: &str,
    args: &BackupArgs,
) -> Result<DirectoryWorkspace> {
    let record = catalog.workspace(&WorkspaceId::new(id)?).await?;
    let Some(record) = record.filter(WorkspaceRecord::was_seen) else {
        let message =
            format!("workspace {id:?} is not known; name its directory, or configure it with --config");
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    let found = DirectoryWorkspace::from_record(&record)?.on_host(&session.settings.host);
    let found = found.with_provider(engine::provider_id(session.settings.layout)?);
    checked_directory(found.root())?;
    let mut rules = CaptureRules::from_settings(&record.definition.settings)?;
    rules.lacks = None;
    append_once(&mut rules.presets, args.preset.iter().cloned());
    append_once(&mut rules.excludes, args.exclude.iter().cloned());
    append_once(&mut rules.excludes, own_places(session, found.root()));
    if let Some(file) = &args.exclude_file {
        rules.exclude_file = Some(exclude_file(file)?);
    }
    rules.one_file_system = (rules.one_file_system || args.one_file_system) && !args.no_one_file_system;
    // Said of this backup, and not of those to come.
    rules.may_be_empty = args.may_be_empty;
    Ok(found.with_rules(rules))
}

/// Puts `more` last, where the last pattern that matches decides, and leaves no equal one before: what is remembered is
/// remembered again by each backup, and would grow with each.
fn append_once<T: PartialEq>(rules: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for rule in more {
        rules.retain(|earlier| *earlier != rule);
        rules.push(rule);
    }
}

/// One finding as one line for people.
pub(crate) fn finding(found: &Finding) -> String {
    format!("{} {}: {}", word(&found.severity), found.check, found.message)
}

/// The exclude file by its absolute path, because a resumed operation may run elsewhere.
fn exclude_file(path: &Path) -> Result<String> {
    let found = path.canonicalize().map_err(|error| {
        let message = format!("the exclude file {} cannot be read", path.display());
        Error::new(ErrorKind::InvalidInput, message).with_source(error)
    })?;
    found.into_os_string().into_string().map_err(|name| {
        Error::new(ErrorKind::InvalidInput, format!("the name of the exclude file {name:?} is not UTF-8"))
    })
}

/// Patterns of this program's own files, where they lie below `root`.
fn own_places(session: &Session, root: &Path) -> Vec<String> {
    let data_dir = &session.settings.data_dir;
    let mut places =
        vec![data_dir.default_catalog(), data_dir.key_file(), data_dir.default_store(), data_dir.cache()];
    // What names this volume, and who works on it, must not come back with another one's backup.
    places.extend([
        data_dir.instance(),
        data_dir.agent_lock(),
        data_dir.agent_log(),
        data_dir.untold_results(),
        data_dir.holds(),
        data_dir.hooks(),
    ]);
    let catalog = session.settings.catalog.as_str().strip_prefix("sqlite:").map(PathBuf::from);
    let mut patterns = Vec::new();
    for place in places.into_iter().chain(catalog).chain(session.settings.log_file.clone()) {
        if let Some(pattern) = engine::pattern_below(root, &place) {
            // SQLite keeps its log and its shared memory beside the file.
            patterns.extend(["-wal", "-shm"].map(|ending| format!("{pattern}{ending}")));
            patterns.push(pattern);
        }
    }
    patterns.sort();
    patterns.dedup();
    patterns
}

fn unconfigured(id: &str, provider: &str) -> Error {
    let message =
        format!("workspace {id:?} is managed by {provider}, and no provider for it is configured yet");
    Error::new(ErrorKind::Unsupported, message)
}

/// Shows what a backup would do.
pub(crate) fn show_plan(output: &Output, plan: &PlanDocument, waivers: &[String]) -> Outcome {
    let blocked = plan
        .components
        .iter()
        .flat_map(|component| &component.findings)
        .chain(&plan.findings)
        .any(|finding| finding.severity == Severity::Blocker && !waivers.contains(&finding.check));
    if output.is_json() {
        output.document(plan)?;
    } else {
        output.line(format_args!("plan of a backup of {}", plan.workspace))?;
        let parent = plan.parent_id.as_ref().map(ToString::to_string);
        output
            .line(format_args!("  builds on {}", parent.as_deref().unwrap_or("nothing: it is the first")))?;
        for conflict in plan.outlook.iter().flat_map(|outlook| &outlook.conflicts) {
            let (kind, operation, since) = (&conflict.kind, &conflict.operation, conflict.since);
            output.line(format_args!("  waits for {kind} {operation}, begun at {since}"))?;
        }
        for found in &plan.findings {
            output.line(format_args!("  {}", finding(found)))?;
        }
        for component in &plan.components {
            let fate = component.excluded_reason.as_deref().unwrap_or("to be captured");
            output.line(format_args!(
                "  {}  {}  {}: {fate}",
                component.id, component.kind, component.resource
            ))?;
            for found in &component.findings {
                output.line(format_args!("    {}", finding(found)))?;
            }
        }
    }
    Ok(if blocked { Exit::Failed } else { Exit::Done })
}

#[cfg(test)]
mod tests {
    use super::append_once;

    #[test]
    fn what_is_remembered_again_and_again_does_not_grow_and_the_newest_word_is_last() {
        let mut rules = vec!["!kept", "scratch", "own", "scratch", "own", "own"];
        append_once(&mut rules, ["kept"]);
        append_once(&mut rules, ["scratch", "own"]);
        assert_eq!(rules, ["!kept", "kept", "scratch", "own"]);
        let before = rules.clone();
        append_once(&mut rules, ["scratch", "own"]);
        assert_eq!(rules, before);
    }
}
