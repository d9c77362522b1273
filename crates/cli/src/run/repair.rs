//! `stillpoint repair`.

use serde_json::{Value, json};
use stillpoint_repository::{Id, RepairOptions, RepairReport};

use crate::args::{RepairArgs, RepairCommand};
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::session::Session;
use crate::signals::Interrupts;

pub(super) async fn run(session: &Session, args: &RepairArgs) -> Outcome {
    let RepairCommand::Index { dry_run, read_data } = args.command;
    let repository = session.repository().await?;
    let mut options = if dry_run { RepairOptions::dry_run() } else { RepairOptions::default() };
    options.read_data = read_data;
    let mut interrupts = Interrupts::listen();
    let report = tokio::select! {
        report = repository.repair_index(&options) => report.map_err(engine::error)?,
        () = interrupts.next() => return Err(Failure::interrupted()),
    };
    if session.output.is_json() {
        session.output.document(&document(&report, dry_run))?;
    } else {
        text(&session.output, &report, dry_run)?;
    }
    // What cannot be mended here is still damaged.
    let mended = report.missing_packs.is_empty()
        && report.unreadable_packs.is_empty()
        && report.damaged_packs.is_empty();
    Ok(if mended { Exit::Done } else { Exit::Partial })
}

fn document(report: &RepairReport, dry_run: bool) -> Value {
    let ids = |ids: &[Id]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "dry_run": dry_run,
        "replaced": ids(&report.replaced),
        "indexed_packs": ids(&report.indexed_packs),
        "missing_packs": ids(&report.missing_packs),
        "damaged_packs": ids(&report.damaged_packs),
        "config_restored": report.config_restored,
        "unreadable_packs": ids(&report.unreadable_packs),
        "salvaged_blobs": report.salvaged_blobs,
    })
}

fn text(output: &Output, report: &RepairReport, dry_run: bool) -> stillpoint_core::Result<()> {
    if report.is_sound() {
        return output.line("the index says exactly what the packs hold");
    }
    for pack in &report.missing_packs {
        output.line(format_args!("pack {pack} is gone; `stillpoint check` says which snapshots need it"))?;
    }
    if report.config_restored {
        output.line("the configuration was gone; this machine remembers it, and so it is stored again")?;
    }
    for pack in &report.damaged_packs {
        let done = if dry_run { "would be" } else { "is" };
        output.line(format_args!(
            "pack {pack} is damaged and {done} put aside under stillpoint/quarantine; back up again to store anew what it lost"
        ))?;
    }
    for pack in &report.unreadable_packs {
        output.line(format_args!("pack {pack} is damaged and stays as it is"))?;
    }
    match report.salvaged_blobs {
        0 => {}
        blobs if dry_run => {
            output.line(format_args!("{blobs} pieces of damaged packs would be read and copied"))?
        }
        blobs => output
            .line(format_args!("{blobs} pieces of damaged packs were whole and are copied into new packs"))?,
    }
    let (aside, indexed) = (report.replaced.len(), report.indexed_packs.len());
    if dry_run {
        output.line(format_args!("{aside} index files would be put aside, and {indexed} packs indexed anew"))
    } else {
        output.line(format_args!(
            "{aside} index files are put aside under stillpoint/quarantine, and {indexed} packs indexed anew"
        ))
    }
}
