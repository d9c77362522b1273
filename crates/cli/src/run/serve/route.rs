//! Where a server's restores go.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use stillpoint_core::{BackupRecord, Error, ErrorKind, Result, Settings as Values, WorkspaceId};
use stillpoint_server::{RestoreRoute, Routed};

use crate::engine;
use crate::managed::{self, ENVIRONMENT};
use crate::settings::Settings;

/// The longest name of a folder, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// Managed workspaces are made by the hooks of the configuration, directories as folders of one place. Callers name
/// workspaces; no path that a caller wrote is ever used.
#[derive(Debug)]
pub(super) struct Routes {
    managed: BTreeSet<String>,
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
        let managed = settings.config.all_managed().map(|config| config.id.to_string()).collect();
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
        let is_managed = [&backup.workspace, target].iter().any(|id| self.managed.contains(id.as_str()));
        if is_managed || !of_directory {
            let settings =
                environment.map(|name| (ENVIRONMENT.to_owned(), name.into())).into_iter().collect();
            return Ok(Routed::new(target.clone(), managed::PROVISIONER, settings));
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
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_place_for_restores() {
        for bad in ["..", "../x", "a/b", "/etc", ".ssh", "a b"] {
            assert!(folder(&bad.parse().unwrap()).is_err(), "{bad:?} must be refused");
        }
        assert_eq!(folder(&"ada-2.new".parse().unwrap()).unwrap(), "ada-2.new");
    }
}
