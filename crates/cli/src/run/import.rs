//! `stillpoint import`.

use serde_json::{Value, json};
use stillpoint_core::Result;
use stillpoint_provider_s3sync::{
    Import, ImportState, ImportedTimestamp, MirrorSource, Store, StoreSettings,
};

use crate::args::{ImportArgs, Layout};
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::output::bytes::Bytes;
use crate::output::stream::ListDocument;
use crate::session::Session;
use crate::signals::Interrupts;

/// How many timestamps ended in which way.
#[derive(Debug, Default)]
struct Tally {
    imported: u64,
    known: u64,
    partial: u64,
    failed: u64,
}

/// Imports every whole timestamp and catalogues each as soon as it is a snapshot.
pub(super) async fn run(session: &Session, args: &ImportArgs) -> Outcome {
    let store = Store::from_url(&args.from, &StoreSettings::from_environment()).map_err(engine::error)?;
    let store = store.with_limits(session.settings.limits);
    let from = session.narrowed(MirrorSource::from_store(store))?;
    let catalog = session.catalog().await?;
    let into = session.repository_to_fill().await?;
    let import = Import::new(from, into, engine::provider_id(Layout::Repository)?);
    let mut document = match session.output.is_json() {
        true => Some(ListDocument::begin(&session.output, &[("from", json!(args.from))], "timestamps")?),
        false => None,
    };
    let mut tally = Tally::default();
    let mut interrupts = Interrupts::listen()?;
    let told = async |told: ImportedTimestamp| {
        if let Some(backup) = &told.backup {
            stillpoint_core::rebuild(catalog.as_ref(), std::slice::from_ref(backup), None).await?;
        }
        tally.count(told.state);
        match &mut document {
            Some(document) => document.push(&item(&told)),
            None => line(&session.output, &told),
        }
    };
    let run = Box::pin(import.run(told));
    let ended: Result<()> = tokio::select! {
        ended = run => ended,
        () = interrupts.next() => {
            session.output.note("interrupted; the same command again goes on from here");
            return Ok(Exit::Interrupted);
        }
    };
    let failure = ended.err().map(Failure::from);
    if let Some(document) = document {
        let error = failure.as_ref().and_then(|failure| serde_json::to_value(failure.document().error).ok());
        let mut tail = tally.document();
        tail.extend(error.map(|error| ("error", error)));
        document.end(&tail)?;
    }
    match failure {
        Some(failure) => {
            session.output.note(format_args!("error: {failure}"));
            Ok(failure.exit())
        }
        None => {
            if !session.output.is_json() {
                session.output.line(format_args!(
                    "{} timestamps imported, {} were there already, {} are partial, {} could not be read",
                    tally.imported, tally.known, tally.partial, tally.failed
                ))?;
            }
            Ok(tally.exit())
        }
    }
}

impl Tally {
    fn count(&mut self, state: ImportState) {
        match state {
            ImportState::Imported => self.imported += 1,
            ImportState::Known => self.known += 1,
            ImportState::Partial => self.partial += 1,
            _ => self.failed += 1,
        }
    }

    fn document(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("imported", json!(self.imported)),
            ("known", json!(self.known)),
            ("partial", json!(self.partial)),
            ("failed", json!(self.failed)),
        ]
    }

    fn exit(&self) -> Exit {
        if self.partial + self.failed > 0 { Exit::Partial } else { Exit::Done }
    }
}

/// The word for what became of a timestamp.
fn word(state: ImportState) -> &'static str {
    match state {
        ImportState::Imported => "imported",
        ImportState::Known => "known",
        ImportState::Partial => "partial",
        _ => "failed",
    }
}

fn item(told: &ImportedTimestamp) -> Value {
    json!({
        "source": told.source,
        "workspace": told.workspace,
        "created_at": told.created_at,
        "state": word(told.state),
        "backup_id": told.backup.as_ref().map(|backup| &backup.id),
        "files": told.files,
        "bytes": { "scanned": told.bytes, "fetched": told.fetched },
        "issues": told.issues,
    })
}

fn line(output: &Output, told: &ImportedTimestamp) -> Result<()> {
    let (state, files, bytes) = (word(told.state), told.files, Bytes(told.bytes));
    output.line(format_args!("{}  {state:<8}  {files} files, {bytes}", told.source))?;
    for issue in &told.issues {
        output.line(format_args!("  {}: {}: {}", issue.kind, issue.item, issue.message))?;
    }
    Ok(())
}
