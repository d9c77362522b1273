//! Holding backups.

use stillpoint_core::{BackupRecord, OpContext, Result, hold};

use crate::access::{Caller, Role};
use crate::plane::ControlPlane;

impl ControlPlane {
    /// Holds a backup, so that nothing deletes it, or lets it go again.
    ///
    /// # Errors
    /// `PermissionDenied` below an operator, and below an administrator where it is to be let go; `NotFound` where the
    /// caller may not see it; whatever its providers refuse.
    pub(crate) async fn hold(&self, caller: &Caller, backup: &str, held: bool) -> Result<BackupRecord> {
        let done = async {
            caller.require(if held { Role::Operator } else { Role::Administrator })?;
            let found = self.backup(caller, backup).await?;
            let cx = OpContext::new(self.shared_clock());
            let mut done = hold(&cx, self.catalog().as_ref(), self.providers(), &found.id, held).await?;
            done.restored_from = found.restored_from;
            Ok(done)
        };
        let done = done.await;
        self.noted(caller, if held { "hold" } else { "let-go" }, backup, None, done).await
    }
}
