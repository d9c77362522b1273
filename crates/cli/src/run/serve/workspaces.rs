//! What the server can work with: every configured workspace, and every provider that it may need.

use std::sync::Arc;

use stillpoint_core::{Catalog, LocalOrchestrator, OpContext, Provider, Result, Workspace, WorkspaceRecord};

use crate::managed::Clouds;
use crate::run::configured::directories;
use crate::session::{Files, Needs, Session};

/// The orchestrator of a server. It knows every configured workspace, and those that were backed up before from the
/// catalog.
///
/// # Errors
/// As [`Session::orchestrator`].
pub(super) async fn orchestrator(session: &Session, catalog: &Arc<dyn Catalog>) -> Result<LocalOrchestrator> {
    let workspaces = directories(session, catalog.as_ref()).await?;
    for workspace in &workspaces {
        remember(session, catalog.as_ref(), workspace.as_ref(), None).await?;
    }
    // What can only be restored into is listed once something was.
    for config in session.settings.config.all_managed().filter(|config| config.can_be_captured()) {
        let workspace = session.managed_workspace(config, &Clouds::default())?;
        let environment = config.environment.as_deref();
        remember(session, catalog.as_ref(), workspace.as_ref(), environment).await?;
    }
    session.orchestrator(catalog, &needs(session), Files::MadeWhenMissing, workspaces).await
}

/// The providers of a server.
///
/// # Errors
/// As [`Session::providers`].
pub(super) async fn providers(session: &Session) -> Result<Vec<Arc<dyn Provider>>> {
    let providers = session.providers(&needs(session), Files::MadeWhenMissing).await?;
    Ok(providers.into_values().collect())
}

fn needs(session: &Session) -> Needs {
    let managed = session.settings.config.all_managed().map(Needs::of_managed);
    managed.fold(Needs::files(), Needs::and)
}

/// Notes a configured workspace that nobody has looked at yet, so that it is listed before its first backup, and one that is in
/// another environment by now. One that cannot be read now is listed once it can.
async fn remember(
    session: &Session,
    catalog: &dyn Catalog,
    workspace: &dyn Workspace,
    environment: Option<&str>,
) -> Result<()> {
    let cx = OpContext::background();
    let known = catalog.workspace(workspace.id()).await?;
    let same = |known: &WorkspaceRecord| known.definition.environment.as_deref() == environment;
    if known.is_some_and(|known| known.was_seen() && same(&known)) {
        return Ok(());
    }
    let seen = match workspace.definition(&cx).await {
        Ok(definition) => workspace.inventory(&cx).await.map(|components| (definition, components)),
        Err(error) => Err(error),
    };
    match seen {
        Ok((definition, components)) => {
            catalog.put_workspace(&WorkspaceRecord::new(definition, components, cx.clock().now())).await
        }
        Err(error) => {
            session
                .output
                .note(format_args!("warning: workspace {} cannot be read: {error}", workspace.id()));
            Ok(())
        }
    }
}
