//! `stillpoint import`.

use serde_json::{Value, json};
use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_provider_s3sync::{
    Import, ImportState, ImportedTimestamp, MirrorSource, Store, StoreSettings,
};
use stillpoint_server::text::Bytes;

use crate::args::{ImportArgs, Layout};
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::output::backup::about;
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
    /// Those among the known that an earlier run imported in part.
    lacking: u64,
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
        true => Some(ListDocument::begin(&session.output, &[("from", json!(args.from))], "timestamps")),
        false => None,
    };
    let mut tally = Tally::default();
    let mut interrupts = Interrupts::listen();
    let told = async |told: ImportedTimestamp| {
        if let Some(backup) = &told.backup {
            stillpoint_core::rebuild(catalog.as_ref(), std::slice::from_ref(backup), None).await?;
        }
        tally.count(&told);
        match &mut document {
            Some(document) => document.push(&item(&told)),
            None => line(&session.output, &told),
        }
    };
    let run = Box::pin(import.run(told));
    let ended = tokio::select! {
        ended = run => ended.and_then(|()| tally.anything(&args.from)).map_err(Failure::from),
        () = interrupts.next() => Err(interrupted()),
    };
    match document {
        Some(document) => {
            let exit = document.end_as(ended, &tally.document())?;
            Ok(if exit == Exit::Done { tally.exit() } else { exit })
        }
        None => {
            ended?;
            session.output.line(format_args!(
                "{} timestamps imported, {} were there already, {} are partial, {} could not be read",
                tally.imported, tally.known, tally.partial, tally.failed
            ))?;
            if tally.lacking > 0 {
                let lacking = tally.lacking;
                session.output.line(format_args!(
                    "{lacking} of those that were there already lack what could not be imported"
                ))?;
            }
            Ok(tally.exit())
        }
    }
}

/// What is imported by now is known the next time.
fn interrupted() -> Failure {
    let message = "interrupted; the same command again goes on from here";
    Failure::from(Error::new(ErrorKind::Cancelled, message)).with_exit(Exit::Interrupted)
}

impl Tally {
    fn count(&mut self, told: &ImportedTimestamp) {
        self.lacking += u64::from(told.state == ImportState::Known && !told.issues.is_empty());
        match told.state {
            ImportState::Imported => self.imported += 1,
            ImportState::Known => self.known += 1,
            ImportState::Partial => self.partial += 1,
            _ => self.failed += 1,
        }
    }

    /// Fails where there was nothing to import: a wrong address must not look as if all were done.
    fn anything(&self, from: &str) -> Result<()> {
        if self.imported + self.known + self.partial + self.failed > 0 {
            return Ok(());
        }
        let message =
            format!("there is no finished timestamp at {from}; look at the address, the user and the space");
        Err(Error::new(ErrorKind::NotFound, message))
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
        if self.partial + self.failed + self.lacking > 0 { Exit::Partial } else { Exit::Done }
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
        "warnings": told.warnings,
    })
}

fn line(output: &Output, told: &ImportedTimestamp) -> Result<()> {
    let (state, files, bytes) = (word(told.state), told.files, Bytes(told.bytes));
    output.line(format_args!("{}  {state:<8}  {files} files, {bytes}", told.source))?;
    for issue in &told.issues {
        output.line(format_args!("  {}: {}: {}", issue.kind, about(issue), issue.message))?;
    }
    for warning in &told.warnings {
        output.line(format_args!("  {warning}"))?;
    }
    Ok(())
}
