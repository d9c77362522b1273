//! `stillpoint diff`.

use serde_json::json;
use stillpoint_core::{BackupRecord, CatalogExt, Error, ErrorKind, SnapshotRef};
use stillpoint_provider_s3sync::path_to_text;
use stillpoint_repository::{Change, Difference, Id};

use crate::args::DiffArgs;
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::stream::ListDocument;
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &DiffArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let (before, after) = (catalog.resolve(&args.before).await?, catalog.resolve(&args.after).await?);
    let pairs = pairs(&before, &after)?;
    let repository = session.repository().await?;
    let output = &session.output;
    let head = [("before_id", json!(before.id)), ("after_id", json!(after.id))];
    let mut document = output.is_json().then(|| ListDocument::begin(output, &head, "changes"));
    let mut counts = [0_u64; 4];
    let mut ended = Ok(());
    for (component, old, new) in &pairs {
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
        let compared = repository.diff(old, new, visit).await.map_err(engine::error);
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

/// The components that both backups hold in the repository, with their snapshots.
fn pairs<'a>(
    before: &'a BackupRecord,
    after: &'a BackupRecord,
) -> stillpoint_core::Result<Vec<(&'a str, Id, Id)>> {
    let mut pairs = Vec::new();
    for old in &before.components {
        let new = after.components.iter().find(|new| new.component.id == old.component.id);
        let snapshots = new.and_then(|new| Some((old.snapshot.as_ref()?, new.snapshot.as_ref()?)));
        if let Some((old_snapshot, new_snapshot)) = snapshots {
            pairs.push((old.component.id.as_str(), id(old_snapshot)?, id(new_snapshot)?));
        }
    }
    if pairs.is_empty() {
        let message = format!("backups {} and {} have no component in common", before.id, after.id);
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(pairs)
}

fn id(snapshot: &SnapshotRef) -> stillpoint_core::Result<Id> {
    snapshot.id.as_str().parse().map_err(|error| {
        let message = format!("snapshot {} of {} is not one of files", snapshot.id, snapshot.provider);
        Error::new(ErrorKind::Unsupported, message).with_source(error)
    })
}
