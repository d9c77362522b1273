//! Where a server's restores go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stillpoint_core::{BackupRecord, Error, ErrorKind, Result, Settings as Values, WorkspaceId};
use stillpoint_server::{RestoreRoute, Routed};

use crate::engine;
use crate::managed::{self, ENVIRONMENT};
use crate::settings::{ManagedConfig, Settings};

/// The longest name of a folder, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// Managed workspaces are made by the hooks of the configuration, directories as folders of one place. Callers name
/// workspaces; no path that a caller wrote is ever used.
#[derive(Debug)]
pub(super) struct Routes {
    /// The environment of each managed workspace, by its id.
    managed: BTreeMap<String, Option<String>>,
    root: Option<PathBuf>,
}

impl Routes {
    /// The routes of these settings, with the place for directories.
    ///
    /// # Errors
    /// `InvalidConfig` where the place is not there.
    pub(super) fn new(settings: &Settings, root: Option<&Path>) -> Result<Self> {
        let root = root.map(|root| {
            root.canonicalize().map_err(|error| {
                let message = format!("the place for restores {} is not there", root.display());
                Error::new(ErrorKind::InvalidConfig, message).with_source(error)
            })
        });
        let of = |config: &ManagedConfig| (config.id.to_string(), config.environment.clone());
        let managed = settings.config.all_managed().map(of).collect();
        Ok(Self { managed, root: root.transpose()? })
    }
}

impl RestoreRoute for Routes {
    fn route(
        &self,
        backup: &BackupRecord,
        target: &WorkspaceId,
        environment: Option<&str>,
    ) -> Result<Routed> {
        let kept_by_files = backup.components.iter().filter_map(|component| component.snapshot.as_ref());
        let of_directory = kept_by_files.into_iter().all(|snapshot| engine::keeps_files(&snapshot.provider));
        let is_managed = [&backup.workspace, target].iter().any(|id| self.managed.contains_key(id.as_str()));
        if is_managed || !of_directory {
            let settings =
                environment.map(|name| (ENVIRONMENT.to_owned(), name.into())).into_iter().collect();
            let routed = Routed::new(target.clone(), managed::PROVISIONER, settings);
            return Ok(match self.managed.get(target.as_str()) {
                Some(own) => routed.to_known(own.clone()),
                None => routed,
            });
        }
        let Some(root) = &self.root else {
            let message = "this server restores no directories; start it with --restore-root DIR";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let path = root.join(folder(target)?);
        let path = path.into_os_string().into_string().map_err(|path| {
            Error::new(ErrorKind::InvalidConfig, format!("the path {} is not UTF-8", path.display()))
        })?;
        let settings = Values::from([("path".to_owned(), path.as_str().into())]);
        Ok(Routed::new(WorkspaceId::new(path)?, engine::PROVISIONER, settings))
    }
}

/// The folder of a new workspace: a plain name, which cannot lead out of its place.
fn folder(target: &WorkspaceId) -> Result<&str> {
    let name = target.as_str();
    let plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    if name.len() <= NAME_BYTES_MAX && name.chars().all(plain) && !name.starts_with('.') {
        return Ok(name);
    }
    let message =
        "a new workspace of this server has a plain name: letters, digits, `-`, `_`, and `.` not first";
    Err(Error::new(ErrorKind::InvalidInput, message))
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{Definition, Timestamp};

    use super::*;

    #[test]
    fn a_managed_workspace_is_known_with_its_environment_and_a_new_one_is_not() {
        let managed = BTreeMap::from([("ml-prod".to_owned(), Some("prod".to_owned()))]);
        let routes = Routes { managed, root: None };
        let definition = Definition::new("ml-prod".parse().unwrap());
        let made = Timestamp::from_millis(0);
        let backup = BackupRecord::new("b-1".parse().unwrap(), "op".parse().unwrap(), definition, made);
        let routed = |target: &str| routes.route(&backup, &target.parse().unwrap(), None).unwrap();
        let (own, new) = (routed("ml-prod"), routed("ml-staging"));
        assert_eq!((own.known, own.environment.as_deref()), (true, Some("prod")));
        assert_eq!((new.known, new.environment), (false, None));
    }

    #[test]
    fn no_name_leads_out_of_the_place_for_restores() {
        for bad in ["..", "../x", "a/b", "/etc", ".ssh", "a b"] {
            assert!(folder(&bad.parse().unwrap()).is_err(), "{bad:?} must be refused");
        }
        assert_eq!(folder(&"ada-2.new".parse().unwrap()).unwrap(), "ada-2.new");
    }
}
