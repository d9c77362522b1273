//! `stillpoint diff`.

use serde_json::json;
use stillpoint_core::{BackupRecord, Error, ErrorKind, SnapshotRef};
use stillpoint_provider_s3sync::path_to_text;
use stillpoint_repository::{Change, Difference, Id};

use crate::args::DiffArgs;
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::stream::ListDocument;
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &DiffArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let before = session.resolve(catalog.as_ref(), &args.before).await?;
    let after = session.resolve(catalog.as_ref(), &args.after).await?;
    let pairs = pairs(&before, &after)?;
    for told in not_compared(&before, &after) {
        session.output.note(told);
    }
    let repository = session.repository().await?;
    let output = &session.output;
    let head = [("before_id", json!(before.id)), ("after_id", json!(after.id))];
    let mut document = output.is_json().then(|| ListDocument::begin(output, &head, "changes"));
    let mut counts = [0_u64; 4];
    let mut ended = Ok(());
    for (component, old, new) in &pairs {
        let old = repository.follow_snapshot(old).await.map_err(engine::error)?.id;
        let new = repository.follow_snapshot(new).await.map_err(engine::error)?.id;
        let visit = |difference: Difference| {
            let (index, word, sign) = match difference.change {
                Change::Added => (0, "added", '+'),
                Change::Removed => (1, "removed", '-'),
                Change::Metadata => (3, "metadata", 'U'),
                _ => (2, "modified", 'M'),
            };
            counts[index] += 1;
            let path = path_to_text(&difference.path);
            let printed = match &mut document {
                Some(document) => {
                    document.push(&json!({ "component": component, "path": path, "change": word }))
                }
                None => output.line(format_args!("{sign}  {path}")),
            };
            ended = printed;
            ended.is_ok()
        };
        let compared = repository.diff(&old, &new, visit).await.map_err(engine::error);
        ended = ended.and(compared);
        if ended.is_err() {
            break;
        }
    }
    let ended = ended.map_err(Failure::from);
    let [added, removed, modified, metadata] = counts;
    match document {
        Some(document) => {
            let counts =
                json!({ "added": added, "removed": removed, "modified": modified, "metadata": metadata });
            document.end_as(ended, &[("counts", counts)])
        }
        None => {
            ended?;
            output.line(format_args!(
                "{added} added, {removed} removed, {modified} modified, {metadata} with other metadata only"
            ))?;
            Ok(Exit::Done)
        }
    }
}

/// The files that both backups hold in the repository, by component, with their snapshots.
fn pairs<'a>(
    before: &'a BackupRecord,
    after: &'a BackupRecord,
) -> stillpoint_core::Result<Vec<(&'a str, Id, Id)>> {
    let mut pairs = Vec::new();
    for (component, old) in files_of(before) {
        let new = files_of(after).find(|(other, _)| *other == component);
        if let Some((_, new)) = new {
            pairs.push((component, id(old)?, id(new)?));
        }
    }
    if pairs.is_empty() {
        let message = format!("backups {} and {} have no component of files in common", before.id, after.id);
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(pairs)
}

/// The components of a backup whose snapshots hold files.
fn files_of(backup: &BackupRecord) -> impl Iterator<Item = (&str, &SnapshotRef)> {
    let snapshots = backup.components.iter().filter_map(|part| Some((part, part.snapshot.as_ref()?)));
    let files = snapshots.filter(|(_, snapshot)| engine::keeps_files(&snapshot.provider));
    files.map(|(part, snapshot)| (part.component.id.as_str(), snapshot))
}

/// What of both backups is not compared, and why.
fn not_compared(before: &BackupRecord, after: &BackupRecord) -> Vec<String> {
    let mut told = Vec::new();
    for (one, other) in [(before, after), (after, before)] {
        for part in &one.components {
            let component = part.component.id.as_str();
            let Some(snapshot) = &part.snapshot else {
                told.push(format!(
                    "component {component} has no snapshot in backup {} and is not compared",
                    one.id
                ));
                continue;
            };
            if !engine::keeps_files(&snapshot.provider) {
                let disk = format!(
                    "component {component} is kept by {} and is not compared file by file",
                    snapshot.provider
                );
                if !told.contains(&disk) {
                    told.push(disk);
                }
            } else if !other.components.iter().any(|part| part.component.id.as_str() == component) {
                told.push(format!("component {component} is in backup {} only and is not compared", one.id));
            }
        }
    }
    told
}

fn id(snapshot: &SnapshotRef) -> stillpoint_core::Result<Id> {
    snapshot.id.as_str().parse().map_err(|error| {
        let message = format!("snapshot {} of {} is not one of files", snapshot.id, snapshot.provider);
        Error::new(ErrorKind::Unsupported, message).with_source(error)
    })
}
