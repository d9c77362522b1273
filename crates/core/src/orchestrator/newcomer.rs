//! Making a new workspace: what its provisioner answers must be new.

use crate::context::OpContext;
use crate::error::{Error, ErrorKind, Result};
use crate::orchestrator::builder::Parts;
use crate::provisioner::{ProvisionRequest, Provisioned};

/// Makes the new workspace of a restore.
///
/// A provisioner may name it otherwise than the restore did, but not as the workspace that was backed up, nor as any other one
/// that the catalog knows: into those nothing is restored. What it made for this operation is discarded then, by the name
/// that was asked for, so that nothing of the workspace that it named is touched.
pub(super) async fn provision(
    parts: &Parts,
    cx: &OpContext,
    request: &ProvisionRequest,
) -> Result<Provisioned> {
    let provisioner = parts.provisioner(&request.restore.provisioner)?;
    let made = provisioner.provision(cx, request).await?;
    let (asked, answered) = (&request.restore.target, &made.workspace);
    if answered == asked {
        return Ok(made);
    }
    let is_source = *answered == request.backup.workspace;
    if !is_source && parts.catalog.workspace(answered).await?.is_none() {
        return Ok(made);
    }
    let whose = if is_source { "which was backed up" } else { "which stands already" };
    let message = format!(
        "a new workspace {asked} was asked for, and the provisioner answered {answered}, {whose}; let it answer the one that \
         it made"
    );
    Err(Error::new(ErrorKind::AlreadyExists, message).with("workspace", answered).maybe_applied())
}
