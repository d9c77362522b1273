//! Operations that read a backup, which is therefore not deleted.

use crate::catalog::{Catalog, OperationQuery};
use crate::error::{Error, ErrorKind, Result};
use crate::id::BackupId;
use crate::operation::{OperationRecord, Request};
use crate::orchestrator::local::BUSY_PAUSE;

/// The restore or copy of `backup` that has something left to do, where there is one. A verification only looks, and sees
/// what it sees.
pub(super) async fn reader(catalog: &dyn Catalog, backup: &BackupId) -> Result<Option<OperationRecord>> {
    let mut query = OperationQuery::unfinished();
    loop {
        let page = catalog.operations(&query).await?;
        page.warn_of_damage("operation");
        let mut operations = page.items.into_iter().map(|stored| stored.operation);
        if let Some(reader) = operations.find(|operation| reads(&operation.request) == Some(backup)) {
            return Ok(Some(reader));
        }
        let Some(next) = page.next else { return Ok(None) };
        query.after = Some(next);
    }
}

fn reads(request: &Request) -> Option<&BackupId> {
    match request {
        Request::Restore(restore) => Some(&restore.backup),
        Request::Copy(copy) => Some(&copy.backup),
        Request::Backup(_) | Request::Delete(_) | Request::Verify(_) => None,
    }
}

/// Why a backup that `reader` reads is not deleted.
pub(super) fn refusal(reader: &OperationRecord) -> Error {
    let OperationRecord { id, workspace, request, .. } = reader;
    let kind = request.kind();
    let message = format!(
        "{kind} {id} of workspace {workspace} reads the backup; delete it when that has ended, or cancel that"
    );
    Error::new(ErrorKind::Busy, message).with("operation", id).retry_after(BUSY_PAUSE)
}
