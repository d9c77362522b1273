//! Verifying backups.

use serde::Deserialize;
use stillpoint_core::{Depth, OperationId, OperationStatus, Request, Result, VerifyRequest};
use utoipa::ToSchema;

use crate::access::{Caller, Role};
use crate::plane::ControlPlane;

/// What a verification is asked for with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VerifyOrder {
    /// How deep: `listed`, `sized`, `decrypted` or `restored`; without it every byte is read and compared.
    #[schema(value_type = Option<DepthWord>)]
    pub(crate) depth: Option<Depth>,
}

/// How deep a verification goes.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes the words of `Depth`, which is not ours to describe")]
pub(crate) enum DepthWord {
    Listed,
    Sized,
    Decrypted,
    Restored,
}

impl ControlPlane {
    /// Begins a verification, or answers the operation of the same id.
    ///
    /// # Errors
    /// `PermissionDenied` below an operator; `NotFound` where the caller may not see the backup; whatever submitting can
    /// meet.
    pub(crate) async fn verify(
        &self,
        caller: &Caller,
        id: OperationId,
        backup: &str,
        order: &VerifyOrder,
    ) -> Result<OperationStatus> {
        let done = async {
            caller.require(Role::Operator)?;
            let depth = order.depth.unwrap_or(Depth::Decrypted);
            if let Some(Request::Verify(mut request)) = self.repeated(caller, &id, backup).await? {
                request.depth = depth;
                return self.submit(Request::Verify(request)).await;
            }
            let found = self.backup(caller, backup).await?;
            let mut request = VerifyRequest::new(id.clone(), found.id, found.workspace, depth);
            request.creator = Some(caller.name.clone());
            self.submit(Request::Verify(request)).await
        };
        let done = done.await;
        self.noted(caller, "verify", backup, Some(&id), done).await
    }
}
