//! `stillpoint rebuild`.

use stillpoint_core::{OpContext, Provider, rebuild};

use crate::exit::{Exit, Outcome};
use crate::session::Session;

/// Catalogues every backup whose record lies beside the data, and reports where the two disagree. Nothing is removed.
pub(super) async fn run(session: &Session) -> Outcome {
    let catalog = session.catalog().await?;
    let provider = session.provider().await?;
    let records = provider.records(&OpContext::background()).await?;
    let report = rebuild(catalog.as_ref(), &records, Some(provider.id())).await?;
    let agree =
        report.differing.is_empty() && report.missing_in_store.is_empty() && report.damaged.is_empty();
    if session.output.is_json() {
        session.output.document(&report)?;
    } else {
        let (added, same) = (report.added.len(), report.same);
        session
            .output
            .line(format_args!("{added} backups added to the catalog, {same} were there already"))?;
        for id in &report.differing {
            session.output.line(format_args!("{id}: the catalog and the store describe it differently"))?;
        }
        for id in &report.missing_in_store {
            session
                .output
                .line(format_args!("{id}: the catalog knows it but the store has no record of it"))?;
        }
        for row in &report.damaged {
            session.output.line(format_args!("{}: {}", row.id, row.error))?;
        }
    }
    Ok(if agree { Exit::Done } else { Exit::Partial })
}
