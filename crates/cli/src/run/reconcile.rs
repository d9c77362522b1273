//! `stillpoint reconcile`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use stillpoint_core::{
    Error, ErrorKind, Maker, OpContext, Provider, Reconciliation, Result, Settled, Settlement, reconcile,
    settle,
};

use crate::args::ReconcileArgs;
use crate::exit::{Exit, Outcome, REPOSITORY};
use crate::session::{Files, Needs, Session};

/// Reports where catalog, store and clouds disagree, keeps the report for the next run, and settles what is asked for. An
/// orphan is deleted, and a guard removed, only when two runs in a row found it.
pub(super) async fn run(session: &Session, args: &ReconcileArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let providers = providers(session).await?;
    let cx = OpContext::background();
    let report = reconcile(&cx, catalog.as_ref(), &providers).await?;
    let kept = session.settings.data_dir.reconciliation();
    let mut settlement = Settlement::default();
    settlement.mark_damaged = args.mark_damaged;
    settlement.catalogue_unknown = args.catalogue_unknown;
    settlement.write_records = args.write_records;
    let earlier = if args.delete_orphans || args.remove_guards { earlier(&kept)? } else { None };
    if args.delete_orphans && earlier.is_none() {
        session.output.note("no orphan is deleted: none of an earlier run is known; run it again later");
    }
    if args.remove_guards && earlier.is_none() {
        session.output.note("no guard is removed: none of an earlier run is known; run it again later");
    }
    settlement.delete_orphans_since = earlier.clone().filter(|_| args.delete_orphans);
    settlement.remove_guards_since = earlier.filter(|_| args.remove_guards);
    let settled = settle(&cx, catalog.as_ref(), &providers, &report, &settlement).await?;
    keep(session, &kept, &report)?;
    if session.output.is_json() {
        session.output.document(&json!({ "report": report, "settled": settled }))?;
    } else {
        text(session, &report, &settled)?;
    }
    Ok(match (report.agrees(), settled.failed.is_empty()) {
        (_, false) => Exit::Failed,
        (false, _) => Exit::Partial,
        (true, _) => Exit::Done,
    })
}

/// Everything that is configured. Who has managed workspaces only need have no repository.
async fn providers(session: &Session) -> Result<Vec<Arc<dyn Provider>>> {
    let clouds = session.settings.config.all_managed().map(Needs::of_managed);
    let clouds = clouds.fold(Needs::default(), Needs::and);
    let all = Needs::files().and(clouds.clone());
    let found = match session.providers(&all, Files::Stored).await {
        Err(error) if (clouds.aws || clouds.azure) && error.context(REPOSITORY) == Some("missing") => {
            session.providers(&Needs { files: false, ..clouds }, Files::Stored).await?
        }
        found => found?,
    };
    Ok(found.into_values().collect())
}

/// The report of the run before, where there was one.
fn earlier(path: &Path) -> Result<Option<Reconciliation>> {
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| {
        let message = format!("the report of the run before in {} cannot be read; remove it", path.display());
        Error::new(ErrorKind::Corrupt, message).with_source(error)
    };
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| unreadable(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error.into())),
    }
}

fn keep(session: &Session, path: &Path, report: &Reconciliation) -> Result<()> {
    session.settings.data_dir.make()?;
    let unwritable = |error: Box<dyn std::error::Error + Send + Sync>| {
        let message = format!("the report cannot be kept in {}", path.display());
        Error::new(ErrorKind::PermissionDenied, message).with_source(error)
    };
    let text = serde_json::to_vec(report).map_err(|error| unwritable(error.into()))?;
    let new = path.with_extension("new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    written.map_err(|error| unwritable(error.into()))
}

/// Who made something, in words.
fn made_by(maker: &Maker) -> String {
    match maker {
        Maker::Ended(operation) => format!("of operation {operation}, which has ended"),
        Maker::Unknown(operation) => format!("of operation {operation}, which this catalog does not know"),
        _ => "nothing on it says whose it is".to_owned(),
    }
}

fn text(session: &Session, report: &Reconciliation, settled: &Settled) -> Result<()> {
    let output = &session.output;
    let mut found = Vec::new();
    for orphan in &report.orphans {
        found.push(format!(
            "{}: no backup names this snapshot ({})",
            orphan.snapshot.snapshot.id,
            made_by(&orphan.made_by)
        ));
    }
    for stray in &report.guards {
        found.push(format!(
            "{}: protective tags of a backup that is over stand on it ({})",
            stray.resource,
            made_by(&stray.made_by)
        ));
    }
    for lost in &report.lost {
        found.push(format!(
            "{}: its snapshot of {} is gone ({})",
            lost.backup, lost.component, lost.snapshot.id
        ));
    }
    let kinds = [
        (&report.unknown, "only its record beside the data knows it"),
        (&report.unrecorded, "has no record beside the data"),
        (&report.half_deleted, "its deletion was begun and not finished: delete it again"),
        (&report.differing, "the catalog and the record beside the data describe it differently"),
    ];
    found.extend(kinds.iter().flat_map(|(ids, what)| ids.iter().map(move |id| format!("{id}: {what}"))));
    found.extend(report.unreachable.iter().map(|(id, error)| format!("{id} could not be asked: {error}")));
    found.extend(report.damaged_records.iter().map(|record| {
        format!("{}: this record beside the data cannot be read: {}", record.object, record.error.message)
    }));
    if report.left_out > 0 {
        found.push(format!("… and {} more", report.left_out));
    }
    output.note_damaged("backup", &report.damaged);
    let done = [
        (settled.deleted.len(), "orphans deleted"),
        (settled.unguarded.len(), "guards removed"),
        (settled.catalogued.len(), "backups catalogued"),
        (settled.recorded.len(), "records written"),
        (settled.damaged.len(), "backups marked as damaged"),
    ];
    let done = done.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    found.extend(done);
    found.extend(settled.remaining.iter().map(|(snapshot, why)| format!("{} stays: {why}", snapshot.id)));
    found.extend(settled.failed.iter().map(|(what, error)| format!("{what}: {error}")));
    if report.agrees() {
        found.push("the catalog, the store and the clouds agree".to_owned());
    }
    found.iter().try_for_each(|line| output.line(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_made_something_is_told_in_words() {
        let operation = || "op-1".parse().unwrap();
        assert_eq!(made_by(&Maker::Ended(operation())), "of operation op-1, which has ended");
        assert_eq!(
            made_by(&Maker::Unknown(operation())),
            "of operation op-1, which this catalog does not know"
        );
        assert_eq!(made_by(&Maker::Unmarked), "nothing on it says whose it is");
    }
}
