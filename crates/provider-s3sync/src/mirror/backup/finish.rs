//! The end of a backup: the timestamp becomes whole, then what does not belong goes, then abandoned ones go.

use stillpoint_core::{CaptureWindow, Error, ErrorKind, Result, Timestamp};
use stillpoint_localfs::{RuleOrigin, RuleReport, Selection};
use stillpoint_repository::ErrorKind as Stored;

use super::begin::Open;
use super::totals::Totals;
use crate::error::from_repository;
use crate::mirror::record::{CLAIM, COMPLETION, Claim, Completion, LeftOut, Part};
use crate::mirror::{MirrorSource, delete, framed};
use crate::workspace::left_out;

/// What was captured.
pub(super) struct End<'a> {
    pub(super) parts: Vec<Part>,
    pub(super) selection: &'a Selection,
    pub(super) totals: &'a Totals,
    pub(super) to: Timestamp,
}

/// Completes the timestamp. When it returns, everything is durable.
///
/// Jobs that meet here each write before they look at what the other did, so at least one of them sees the other and
/// yields. Of another operation, as where two catalogs let jobs work on one space at once: a timestamp that is cleared
/// away is never complete, and a complete one is never cleared away. Of an earlier attempt, which was frozen and wakes:
/// it completes nothing that is complete, and what it completes in the place of the job that holds the claim is no
/// success of its own and is written over by that one.
///
/// # Errors
/// `Busy` where another job took this timestamp over or gave it up meanwhile.
pub(super) async fn run(source: &MirrorSource, open: &Open, end: End<'_>) -> Result<Completion> {
    source.store().settle().await.map_err(from_repository)?;
    let completion = completion(open, end);
    still_ours(source, open).await?;
    let object = framed::seal_record(COMPLETION, &completion)?;
    let key = open.place.completion();
    match source.store().create_object(&key, object.clone()).await {
        Ok(()) => {}
        Err(error) if *error.kind() == Stored::AlreadyExists => {
            if let Some(found) = source.completion(&open.place).await?
                && found.claim.job == open.claim.job
            {
                return Ok(found);
            }
            still_ours(source, open).await?;
            source.store().replace_object(&key, object).await.map_err(from_repository)?;
        }
        Err(error) => return Err(from_repository(error)),
    }
    if let Err(error) = still_ours(source, open).await {
        if is_given_up(source, open).await? {
            source.store().delete_objects(&[key]).await.map_err(from_repository)?;
        }
        return Err(error);
    }
    remove_leftovers(source, open).await;
    for (place, claim) in &open.abandoned {
        // What stays is accounted for by its claim, and the next backup tries again.
        if let Err(error) = clear_away(source, place, claim).await {
            tracing::warn!(timestamp = place.folder(), %error, "an unfinished timestamp stays");
        }
    }
    Ok(completion)
}

/// Removes what earlier runs stored and the manifest does not name. Where a store lets nothing be deleted it stays: the
/// manifest alone says what belongs to the backup, and deleting the backup removes it too.
async fn remove_leftovers(source: &MirrorSource, open: &Open) {
    let ours = open.leftovers.keys().filter(|key| source.store().accepts_key(key));
    let leftovers: Vec<String> = ours.cloned().collect();
    if let Err(error) = source.store().delete_objects(&leftovers).await {
        tracing::warn!(timestamp = open.place.folder(), %error, "objects that the backup does not name stay");
    }
}

/// Fails unless the job of `open` is the last one that took the timestamp over.
pub(super) async fn still_ours(source: &MirrorSource, open: &Open) -> Result<()> {
    match source.claim(&open.place).await? {
        Some(claim) if !claim.abandoned && claim.job == open.claim.job => Ok(()),
        _ => {
            let message = format!("another backup took {} over or gave it up meanwhile", open.place.folder());
            Err(Error::new(ErrorKind::Busy, message))
        }
    }
}

/// Whether another operation gave the timestamp up, or it was deleted.
async fn is_given_up(source: &MirrorSource, open: &Open) -> Result<bool> {
    let claim = source.claim(&open.place).await?;
    Ok(claim.is_none_or(|claim| claim.abandoned || claim.operation != open.claim.operation))
}

async fn clear_away(source: &MirrorSource, place: &crate::mirror::place::Place, claim: &Claim) -> Result<()> {
    let marked = Claim { abandoned: true, ..claim.clone() };
    let object = framed::seal_record(CLAIM, &marked)?;
    source.store().replace_object(&place.claim(), object).await.map_err(from_repository)?;
    if source.completed(place).await?.is_some() {
        // Its job completed it at the last moment.
        let object = framed::seal_record(CLAIM, claim)?;
        return source.store().replace_object(&place.claim(), object).await.map_err(from_repository);
    }
    delete::clear(source, place).await.map(drop)
}

fn completion(open: &Open, end: End<'_>) -> Completion {
    let (files, bytes) = end.totals.captured();
    let report = end.selection.report();
    let parent = open.bases.iter().map(|base| &base.place).find(|place| **place != open.place);
    Completion {
        claim: open.claim.clone(),
        captured: CaptureWindow::new(open.claim.started_at, end.to),
        parent: parent.map(crate::mirror::place::Place::folder),
        base_lost: open.base_lost.clone(),
        parts: end.parts,
        files,
        bytes,
        counts: end.totals.counts(),
        issues: end.totals.take_issues(),
        warnings: report.iter().filter_map(left_out).chain(end.totals.take_remarks()).collect(),
        left_out: report.iter().filter(|rule| rule.files + rule.directories > 0).map(rule).collect(),
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn rule(report: &RuleReport) -> LeftOut {
    let pattern = match &report.origin {
        RuleOrigin::File { path, line } => format!("{} ({}:{line})", report.pattern, path.display()),
        _ => report.pattern.clone(),
    };
    LeftOut { pattern, files: report.files, directories: report.directories, bytes: report.bytes }
}
