//! `stillpoint prune`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_repository::{PruneOptions, PruneReport, PruneState};
use stillpoint_server::text::Bytes;

use crate::args::PruneArgs;
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::run::check::witness;
use crate::session::Session;
use crate::signals::Interrupts;

pub(super) async fn run(session: &Session, args: &PruneArgs) -> Outcome {
    let repository = session.repository().await?;
    let mut options = PruneOptions::with_grace(args.grace);
    options.dry_run = args.dry_run;
    options.delete_percent = args.max_delete;
    options.listing_delay = args.listing_delay;
    let mut interrupts = Interrupts::listen();
    let pruned = async {
        if !args.allow_lost {
            refuse_losses(session).await?;
        }
        repository.prune(&options).await.map_err(engine::error)
    };
    let report = tokio::select! {
        report = pruned => report?,
        () = interrupts.next() => return Err(Failure::interrupted()),
    };
    if session.output.is_json() {
        session.output.document(&document(&report))?;
    } else {
        text(&session.output, &report)?;
    }
    Ok(if report.retained.is_empty() { Exit::Done } else { Exit::Partial })
}

/// Refuses to free what a backup would need that is known as good and whose snapshot the store does not show: the snapshot
/// may come back, from an older version of the object or with a listing that is whole, and the data would not.
async fn refuse_losses(session: &Session) -> Result<()> {
    let lost = witness::lost(session).await?;
    let backups: BTreeSet<_> = lost.iter().map(|found| &found.object).collect();
    let Some(first) = backups.first() else { return Ok(()) };
    let message = format!(
        "{} backups are known as good and the store does not show their snapshots, of {} for example; bring the snapshots back, \
         or delete those backups, or prune with --allow-lost",
        backups.len(),
        first
    );
    Err(Error::new(ErrorKind::NeedsAttention, message))
}

fn word(state: PruneState) -> &'static str {
    match state {
        PruneState::Condemned => "condemned",
        PruneState::Freed => "freed",
        PruneState::Planned => "planned",
        _ => "clean",
    }
}

fn document(report: &PruneReport) -> Value {
    json!({
        "state": word(report.state),
        "snapshots": report.snapshots,
        "packs": report.packs,
        "bytes": report.bytes,
        "unused_packs": report.unused_packs,
        "unused_bytes": report.unused_bytes,
        "wasteful_packs": report.wasteful_packs,
        "wasteful_bytes": report.wasteful_bytes,
        "condemned_packs": report.condemned_packs,
        "due": report.due.map(|due| due.to_string()),
        "deleted_packs": report.deleted_packs,
        "deleted_bytes": report.deleted_bytes,
        "copied_blobs": report.copied_blobs,
        "copied_bytes": report.copied_bytes,
        "retained": report.retained.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "versioned": report.versioned,
    })
}

fn text(output: &Output, report: &PruneReport) -> Result<()> {
    // Within the grace of an earlier prune nothing is looked at anew.
    if report.packs > 0 || report.due.is_none() {
        output.line(format_args!(
            "{} snapshots use {} packs with {}; {} packs with {} are unused, and {} in use hold {} that nothing needs",
            report.snapshots,
            report.packs.saturating_sub(report.unused_packs),
            Bytes(report.bytes.saturating_sub(report.unused_bytes)),
            report.unused_packs,
            Bytes(report.unused_bytes),
            report.wasteful_packs,
            Bytes(report.wasteful_bytes),
        ))?;
    }
    if report.deleted_packs > 0 {
        output.line(format_args!(
            "deleted {} packs with {}; {} were copied to keep what is used",
            report.deleted_packs,
            Bytes(report.deleted_bytes),
            Bytes(report.copied_bytes),
        ))?;
    }
    if report.versioned && report.deleted_packs > 0 {
        output.line(
            "the bucket keeps versions: deleted objects take room until its lifecycle rule lets old versions expire",
        )?;
    }
    if !report.retained.is_empty() {
        output.line(format_args!(
            "the store keeps {} unused packs, by its permissions or a retention lock; a later prune tries again",
            report.retained.len()
        ))?;
    }
    match (report.state, report.due) {
        (PruneState::Condemned, Some(due)) => output.line(format_args!(
            "{} packs are condemned; a prune after {due} deletes what is still unused of them",
            report.condemned_packs
        )),
        (PruneState::Planned, _) => output.line("this was a trial run; nothing was changed"),
        (PruneState::Clean, _) => output.line("there is nothing to free"),
        _ => Ok(()),
    }
}
