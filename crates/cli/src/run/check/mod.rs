//! `stillpoint check`.

pub(super) mod witness;

use serde_json::{Value, json};
use stillpoint_core::{Depth, Entropy, Error, SystemEntropy};
use stillpoint_repository::check::{CheckDepth, CheckOptions, CheckReport, Problem, VerifiedDepth};
use stillpoint_server::text::Bytes;

use crate::args::{CheckArgs, Subset};
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::session::Session;
use crate::signals::Interrupts;
use witness::Witness;

pub(super) async fn run(session: &Session, args: &CheckArgs) -> Outcome {
    let repository = session.repository().await?;
    let options = CheckOptions::new(depth(args));
    let mut interrupts = Interrupts::listen();
    let compared = async {
        let report = repository.check(&options).await.map_err(engine::error)?;
        // What was found in hours of reading is told, whatever the comparison meets.
        let witness = witness::compare(session).await.unwrap_or_else(|error| Witness::unread(&error));
        Ok::<_, Error>((report, witness))
    };
    let (report, witness) = tokio::select! {
        compared = compared => compared?,
        () = interrupts.next() => return Err(Failure::interrupted()),
    };
    if session.output.is_json() {
        session.output.document(&document(&report, &witness))?;
    } else {
        text(&session.output, &report, &witness)?;
    }
    let compared = witness.lost.is_empty() && witness.unread.is_none();
    Ok(if report.is_sound() && compared { Exit::Done } else { Exit::Failed })
}

fn depth(args: &CheckArgs) -> CheckDepth {
    match args.read_data_subset {
        Some(Subset::Part(part, parts)) => CheckDepth::ReadPart { part, parts },
        Some(Subset::AnyOf(parts)) => {
            let mut byte = [0];
            SystemEntropy::default().fill(&mut byte);
            CheckDepth::ReadPart { part: byte[0] % parts + 1, parts }
        }
        None if args.read_data => CheckDepth::ReadAll,
        None => CheckDepth::Structure,
    }
}

/// The depth in the words of the contract: a part that was read does not make the whole decrypted.
fn proven(report: &CheckReport) -> Depth {
    match report.depth {
        VerifiedDepth::Read => Depth::Decrypted,
        _ => Depth::Sized,
    }
}

/// What a problem is about.
fn kind(problem: &Problem) -> String {
    format!("{:?}", problem.kind).to_lowercase()
}

fn document(report: &CheckReport, witness: &Witness) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "kind": kind(problem),
            "object": problem.object,
            "message": problem.message,
        })
    };
    let entry = |kind: &'static str, found: &witness::Found| json!({ "kind": kind, "object": found.object, "message": found.message });
    let lost = witness.lost.iter().map(|found| entry("backup", found));
    let unread = witness.unread.iter().map(|found| entry("records", found));
    let unsealed = witness.unsealed.iter().map(|found| entry("snapshot", found));
    json!({
        "depth": proven(report),
        "snapshots": report.snapshots,
        "packs": report.packs,
        "packs_read": report.packs_read,
        "packs_unused": report.unused_packs,
        "bytes_read": report.bytes_read,
        "problems": report.problems.iter().map(problem).chain(lost).chain(unread).collect::<Vec<_>>(),
        "warnings": report.warnings.iter().map(problem).chain(unsealed).collect::<Vec<_>>(),
        "problems_not_listed": report.more_problems,
    })
}

fn text(output: &Output, report: &CheckReport, witness: &Witness) -> stillpoint_core::Result<()> {
    for problem in &report.problems {
        output.line(format_args!("{} {}: {}", kind(problem), problem.object, problem.message))?;
    }
    if report.more_problems > 0 {
        output.line(format_args!("… and {} more problems", report.more_problems))?;
    }
    for found in &witness.lost {
        output.line(format_args!("backup {}: {}", found.object, found.message))?;
    }
    if let Some(found) = &witness.unread {
        output.line(format_args!("{}: {}", found.object, found.message))?;
    }
    for warning in &report.warnings {
        output.line(format_args!("note: {}: {}", warning.object, warning.message))?;
    }
    for found in &witness.unsealed {
        output.line(format_args!("note: {}: {}", found.object, found.message))?;
    }
    output.line(format_args!(
        "{} snapshots, {} directories, {} packs; {} packs with {} read in full",
        report.snapshots,
        report.trees,
        report.packs,
        report.packs_read,
        Bytes(report.bytes_read)
    ))?;
    if report.unused_packs > 0 {
        output.line(format_args!(
            "{} packs are unused, as interrupted backups leave them",
            report.unused_packs
        ))?;
    }
    let verdict = if report.is_sound() && !witness.lost.is_empty() {
        "the repository is whole, but backups are gone from it"
    } else if report.is_sound() && witness.unread.is_some() {
        "the repository is whole; the backups were not compared with it"
    } else if report.is_sound() {
        "no problem found"
    } else {
        "the repository is damaged: `stillpoint verify` tells what it costs a backup; `stillpoint repair index --read-data` \
         forgets what is gone or damaged, so that the next backup stores it anew"
    };
    output.line(format_args!("{verdict} ({})", report.depth))
}
