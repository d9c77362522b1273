//! `stillpoint verify`.

use serde_json::json;
use stillpoint_core::{Depth, OpContext};

use crate::args::{VerifyArgs, VerifyDepth};
use crate::exit::{Exit, Outcome};
use crate::output::word;
use crate::session::{Files, Needs, Session};
use crate::signals::Interrupts;

pub(super) async fn run(session: &Session, args: &VerifyArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
    let providers = session.providers(&Needs::of_backup(&backup), Files::Stored).await?;
    let wanted = match args.depth {
        VerifyDepth::Listed => Depth::Listed,
        VerifyDepth::Sized => Depth::Sized,
        VerifyDepth::Decrypted => Depth::Decrypted,
    };
    let cx = OpContext::background();
    let mut interrupts = Interrupts::listen()?;
    let mut depth = wanted;
    let mut problems = Vec::new();
    let mut snapshots = 0_u64;
    for component in &backup.components {
        let Some(reference) = &component.snapshot else { continue };
        let Some(provider) = providers.get(&reference.provider) else {
            session.output.note(format_args!(
                "{} is kept by {}, which is not configured",
                reference.id, reference.provider
            ));
            continue;
        };
        let verified = async { provider.open(&cx, reference).await?.verify(&cx, wanted).await };
        let verification = tokio::select! {
            verified = verified => verified?,
            () = interrupts.next() => return Ok(Exit::Interrupted),
        };
        depth = depth.min(verification.depth);
        problems.extend(verification.problems);
        snapshots += 1;
    }
    if session.output.is_json() {
        let document =
            json!({ "backup_id": backup.id, "depth": depth, "snapshots": snapshots, "problems": problems });
        session.output.document(&document)?;
    } else {
        for problem in &problems {
            session.output.line(format_args!("{}: {}: {}", problem.kind, problem.item, problem.message))?;
        }
        let verdict = if problems.is_empty() { "is good" } else { "is damaged" };
        let depth = word(&depth);
        session
            .output
            .line(format_args!("backup {} {verdict}: {snapshots} snapshots verified ({depth})", backup.id))?;
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Failed })
}
