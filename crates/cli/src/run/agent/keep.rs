//! What stands in a directory, backed up before a restore replaces it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use stillpoint_core::{Error, ErrorKind, Issue, WorkspaceId};

use crate::args::BackupArgs;
use crate::exit::Failure;
use crate::run::backup;
use crate::run::drive::Driven;
use crate::session::Session;

/// How long what stood is kept at the least.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// How the issue begins that only says what such a backup is for.
const NOT_WHAT_WAS_ASKED_FOR: &str = "unrestored";
/// An entry that changed each time it was read.
const TORN: &str = "torn";
/// Entries that an error names.
pub(super) const NAMED_MAX: usize = 5;

/// Backs the directory up before a restore of `point` replaces what differs in it: all of it, because the restore may replace
/// what the agent's own backups leave out, too, and what lies on other file systems below it. The backup is a partial one, so that nobody takes it for the state that was
/// asked for. A run that is killed before its restore began has replaced nothing; the next one keeps what stands by then
/// beside it, because people may have worked meanwhile.
///
/// # Errors
/// `NeedsAttention` where an entry could not be kept; nothing is to be replaced then.
pub(super) async fn keep_what_stands(session: &Session, point: &str, home: &Path) -> Result<(), Failure> {
    let is_empty = fs::read_dir(home).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    let args = BackupArgs {
        directory: Some(home.to_path_buf()),
        name: Some(format!("before the restore of {point}")),
        no_one_file_system: true,
        may_be_empty: true,
        // Whatever the retention says: a partial backup is the first to go otherwise, and this one has what no other has.
        retain: Some(KEPT_FOR),
        lacks: Some(format!("this is what stood before {point} was restored over it")),
        ..BackupArgs::default()
    };
    let driven = once(session, home, &args).await?;
    let operation = &driven.status.operation;
    let lost: Vec<_> = operation.issues.iter().filter(|issue| issue.kind != NOT_WHAT_WAS_ASKED_FOR).collect();
    match &operation.backup {
        Some(kept) if lost.is_empty() && !driven.resumed => {
            session.output.note(format_args!("what stands there is kept as backup {kept}"));
            Ok(())
        }
        _ => Err(not_kept(&lost).into()),
    }
}

/// Makes the backup. What it is made by is for this once: what was known of the workspace before holds again afterwards, for
/// whatever backs it up by what the catalog remembers.
async fn once(session: &Session, home: &Path, args: &BackupArgs) -> Result<Driven, Failure> {
    let catalog = session.catalog().await?;
    let known = catalog.workspace(&WorkspaceId::new(session.workspace_of(home))?).await?;
    let mut driven = backup::back_up(session, args).await;
    if driven.as_ref().is_ok_and(|driven| driven.resumed) {
        // An earlier run began that one: of what stood then, and with what it left out.
        driven = backup::back_up(session, args).await;
    }
    if let Some(known) = known {
        catalog.put_workspace(&known).await?;
    }
    driven
}

/// Why nothing is replaced, and what is to be done about it.
fn not_kept(lost: &[&Issue]) -> Error {
    let mut named: Vec<_> =
        lost.iter().take(NAMED_MAX).map(|issue| format!("{} ({})", issue.item, issue.message)).collect();
    if lost.len() > NAMED_MAX {
        named.push(format!("and {} more", lost.len() - NAMED_MAX));
    }
    let message = format!(
        "what stands in the directory cannot be kept whole, so nothing is replaced: {}; make it readable, or move it out of \
         the directory",
        named.join(", ")
    );
    let error = Error::new(ErrorKind::NeedsAttention, message);
    // A file that is written to now may be at rest by the next try.
    let passes = lost.iter().all(|issue| issue.kind == TORN);
    if passes { error.retry_after(Duration::ZERO) } else { error }
}

#[cfg(test)]
mod tests {
    use stillpoint_core::Retry;

    use super::*;

    #[test]
    fn what_could_not_be_kept_is_named_and_tried_again_only_where_it_may_come_to_rest() {
        let torn = Issue::new("torn", "log.txt", "it changed each time");
        let shut = Issue::new("skipped", "shut", "permission denied");
        let error = not_kept(&[&torn]);
        assert_eq!(error.kind(), ErrorKind::NeedsAttention);
        assert!(matches!(error.retry(), Retry::After { .. }));
        let error = not_kept(&[&torn, &shut]);
        assert_eq!(error.retry(), Retry::Never);
        for word in ["log.txt", "shut", "permission denied", "nothing is replaced"] {
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(not_kept(&[&shut; 7]).to_string().contains("and 2 more"));
    }
}
