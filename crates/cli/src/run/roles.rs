//! `stillpoint show BACKUP --roles`.

use stillpoint_core::{BackupRecord, Catalog, Clock, RoleGrant, SystemClock, WorkspaceId, WorkspaceRecord};
use stillpoint_server::document::RolesDocument;

use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::session::Session;

/// Shows the roles of a backup beside those of a workspace: what the configuration says of it now, or what the catalog
/// remembers.
pub(super) async fn run(
    session: &Session,
    catalog: &dyn Catalog,
    backup: &BackupRecord,
    against: Option<&str>,
) -> Outcome {
    let against = against.map(WorkspaceId::new).transpose()?;
    let mut present = None;
    if let Some(id) = &against {
        present = match session.settings.config.managed(id.as_str()) {
            Some(config) => Some((config.roles.clone(), SystemClock::default().now())),
            None => {
                let known = catalog.workspace(id).await?.filter(WorkspaceRecord::was_seen);
                known.map(|known| (known.definition.roles, known.seen_at))
            }
        };
    }
    let present = present.as_ref().map(|(roles, seen_at)| (roles.as_slice(), *seen_at));
    tell(&session.output, &RolesDocument::new(backup, against.as_ref(), present))
}

/// Shows what may be granted by hand.
pub(crate) fn tell(output: &Output, document: &RolesDocument) -> Outcome {
    if output.is_json() {
        output.document(document)?;
        return Ok(Exit::Done);
    }
    let RolesDocument { backup_id, workspace, against, seen_at, .. } = document;
    output.line(format_args!("roles in backup {backup_id} of workspace {workspace}"))?;
    match (against, seen_at) {
        (Some(against), Some(seen_at)) => {
            output.line(format_args!("beside those of workspace {against}, seen at {seen_at}"))?;
        }
        (Some(against), None) => {
            output
                .line(format_args!("workspace {against} was not looked at yet, so none counts as granted"))?;
        }
        (None, _) => output.line("beside no workspace, so none counts as granted")?,
    }
    section(output, "+", "to grant by hand", &document.to_grant)?;
    section(output, "=", "already there", &document.already_there)?;
    section(output, "-", "only in the new one", &document.only_in_the_new_one)?;
    Ok(Exit::Done)
}

fn section(output: &Output, mark: &str, what: &str, grants: &[RoleGrant]) -> stillpoint_core::Result<()> {
    output.line(format_args!("{what}: {}", grants.len()))?;
    grants
        .iter()
        .try_for_each(|grant| output.line(format_args!("  {mark} {}: {}", grant.principal, grant.role)))
}
