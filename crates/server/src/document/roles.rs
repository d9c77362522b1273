//! What roles are to be granted by hand after a restore, as a document.

use serde::{Deserialize, Serialize};
use stillpoint_core::{BackupId, BackupRecord, RoleDiff, RoleGrant, Timestamp, WorkspaceId, compare_roles};
use utoipa::ToSchema;

/// The roles that a backup recorded, beside those of a workspace. Nothing is granted by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct RolesDocument {
    /// The backup.
    #[schema(value_type = String)]
    pub backup_id: BackupId,
    /// The workspace it is of.
    #[schema(value_type = String)]
    pub workspace: WorkspaceId,
    /// The workspace that its roles are compared with; `None` for none.
    #[schema(value_type = Option<String>)]
    pub against: Option<WorkspaceId>,
    /// When the roles of that one were last seen; `None` where nobody has seen any yet, so that it counts as without roles.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub seen_at: Option<Timestamp>,
    /// Recorded, and not there.
    #[schema(value_type = Vec<Object>)]
    pub to_grant: Vec<RoleGrant>,
    /// Recorded, and there.
    #[schema(value_type = Vec<Object>)]
    pub already_there: Vec<RoleGrant>,
    /// There, and not recorded.
    #[schema(value_type = Vec<Object>)]
    pub only_in_the_new_one: Vec<RoleGrant>,
}

impl RolesDocument {
    /// The roles of `backup` beside those that workspace `against` was seen to have, with the time of that.
    pub fn new(
        backup: &BackupRecord,
        against: Option<&WorkspaceId>,
        present: Option<(&[RoleGrant], Timestamp)>,
    ) -> Self {
        let diff = compare_roles(&backup.definition.roles, present.map_or(&[], |(roles, _)| roles));
        let RoleDiff { to_grant, already_there, only_in_the_new_one, .. } = diff;
        Self {
            backup_id: backup.id.clone(),
            workspace: backup.workspace.clone(),
            against: against.cloned(),
            seen_at: present.map(|(_, seen_at)| seen_at),
            to_grant,
            already_there,
            only_in_the_new_one,
        }
    }
}
