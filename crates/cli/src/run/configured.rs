//! The directories of the configuration, as workspaces that an orchestrator knows.

use std::sync::Arc;

use stillpoint_core::{Catalog, Result, Workspace};

use super::backup::directory_workspace;
use crate::args::BackupArgs;
use crate::session::Session;
use crate::settings::ConfiguredWorkspace;

/// Every configured directory, with the rules that the configuration has for it now. One that is not there is told of and
/// left out: its backups fail, and those of the others do not.
///
/// # Errors
/// `InvalidConfig` or `InvalidInput` where the configuration of one cannot be used.
pub(super) async fn directories(session: &Session, catalog: &dyn Catalog) -> Result<Vec<Arc<dyn Workspace>>> {
    let mut workspaces: Vec<Arc<dyn Workspace>> = Vec::new();
    for configured in session.settings.config.all() {
        let ConfiguredWorkspace::Directory(directory) = configured else { continue };
        let wanted = BackupArgs { workspace: Some(directory.id.clone()), ..BackupArgs::default() };
        match directory_workspace(session, catalog, &wanted, None).await {
            Ok(workspace) => workspaces.push(Arc::new(workspace)),
            Err(error) if !directory.path.is_dir() => {
                session.output.note(format_args!("warning: workspace {}: {error}", directory.id));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(workspaces)
}
