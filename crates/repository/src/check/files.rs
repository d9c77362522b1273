//! Keys, locks and records: small objects outside packs.

use std::collections::BTreeSet;

use super::report::is_damage;
use super::{CheckReport, ProblemKind};
use crate::error::{ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::repair::QUARANTINE;
use crate::repository::{CONFIG, Repository};

/// Opens the configuration as a new process would.
pub(super) async fn check_config(repository: &Repository, report: &mut CheckReport) -> Result<()> {
    match repository.stored_config().await {
        Ok(Some(stored)) if stored.id == repository.id() => {}
        Ok(Some(_)) => report.add(ProblemKind::Config, CONFIG, "it is another repository's"),
        Ok(None) => report.add(ProblemKind::Config, CONFIG, "it is missing, so that no other machine can open the repository; `stillpoint repair index` stores it again from what this machine remembers"),
        Err(error) if is_damage(&error) => report.add_error(ProblemKind::Config, &error),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Compares keys with their names, and opens locks.
pub(super) async fn check_names(repository: &Repository, report: &mut CheckReport) -> Result<()> {
    for (id, _) in repository.list_files(FileKind::Key).await? {
        let object = FileKind::Key.key(&id);
        match repository.store().get(&object, FileKind::Key.max_length()).await {
            Ok(bytes) if Id::of(&bytes) == id => {}
            Ok(_) => report.add(ProblemKind::Key, object, "its bytes do not match its name"),
            Err(error) if *error.kind() == ErrorKind::NotFound => {}
            Err(error) if is_damage(&error) => report.add_error(ProblemKind::Key, &error),
            Err(error) => return Err(error),
        }
    }
    for (id, _) in repository.list_files(FileKind::Lock).await? {
        match repository.load_file(FileKind::Lock, id).await {
            Err(error) if *error.kind() == ErrorKind::NotFound => {}
            Err(error) if is_damage(&error) => report.add_error(ProblemKind::Lock, &error),
            result => drop(result?),
        }
    }
    Ok(())
}

/// Opens every record of ours.
pub(super) async fn check_records(repository: &Repository, report: &mut CheckReport) -> Result<()> {
    let listed = repository.store().list("stillpoint").await?;
    let kinds: BTreeSet<&str> = listed.iter().filter_map(|object| object.key.split('/').nth(1)).collect();
    // What a repair put aside is damaged by its nature.
    for kind in kinds.into_iter().filter(|kind| *kind != QUARANTINE) {
        for name in repository.list_records(kind).await? {
            match repository.read_record(kind, &name).await {
                Err(error) if *error.kind() == ErrorKind::NotFound => {}
                Err(error) if is_damage(&error) => report.add_error(ProblemKind::Record, &error),
                result => drop(result?),
            }
        }
    }
    Ok(())
}
