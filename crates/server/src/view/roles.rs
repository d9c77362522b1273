//! What a backup recorded of roles, beside what a workspace has.

use serde::Deserialize;
use stillpoint_core::{ErrorKind, Result, WorkspaceId, WorkspaceRecord};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::document::RolesDocument;
use crate::plane::ControlPlane;

/// What to compare the roles of a backup with.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct RolesFilter {
    /// The workspace whose roles count as there already; without it none do.
    #[param(value_type = Option<String>)]
    pub(crate) against: Option<WorkspaceId>,
}

impl ControlPlane {
    /// The roles of a backup beside those that a workspace had when it was last seen. A workspace that `caller` knows nothing
    /// of has none.
    ///
    /// # Errors
    /// `NotFound` where there is no such backup that `caller` may see; whatever reading can meet.
    pub(crate) async fn roles(
        &self,
        caller: &Caller,
        backup: &str,
        filter: &RolesFilter,
    ) -> Result<RolesDocument> {
        let backup = self.backup(caller, backup).await?;
        let known = match &filter.against {
            None => None,
            Some(id) => match self.known_workspace(caller, id).await {
                Ok(known) => Some(known).filter(WorkspaceRecord::was_seen),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
        };
        let present = known.as_ref().map(|known| (known.definition.roles.as_slice(), known.seen_at));
        Ok(RolesDocument::new(&backup, filter.against.as_ref(), present))
    }
}
