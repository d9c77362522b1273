//! What a run works with, resolved once: flags before environment before configuration file before defaults.

mod catalog_url;
mod config_file;
mod data_dir;
mod environment;
mod password;
mod serve;
mod server_url;
mod workspace;

use std::path::{Path, PathBuf};

use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_provider_s3sync::Space;
use stillpoint_repository::{CacheFolder, Credentials, Origin, TransferLimits};

use crate::args::{GlobalArgs, Layout};
pub(crate) use catalog_url::CatalogUrl;
pub(crate) use config_file::ConfigFile;
pub(crate) use data_dir::DataDir;
pub(crate) use environment::{home, token};
pub(crate) use password::{PasswordSource, write_new_key};
pub(crate) use serve::Serving;
pub(crate) use server_url::ServerUrl;
pub(crate) use workspace::{
    AwsAccount, ConfiguredComponent, ConfiguredWorkspace, HookLines, Kind, ManagedConfig,
};

/// Stands for the user in a store of each user.
const USER: &str = "{user}";
/// Stands for the space in a store of each space.
const SPACE: &str = "{space}";

/// Everything that flags, environment and configuration decide.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where the catalog, the key and the default store live.
    pub(crate) data_dir: DataDir,
    /// Where file snapshots live: a URL or a path, in which `{user}` and `{space}` stand for those of the space.
    pub(crate) store: String,
    /// The catalog's URL.
    pub(crate) catalog: CatalogUrl,
    /// Where the repository password comes from.
    pub(crate) password: PasswordSource,
    /// How file snapshots are laid out.
    pub(crate) layout: Layout,
    /// The user and the space that this run is about, where it is about one.
    pub(crate) space: Option<(String, String)>,
    /// The user and the space that the command line names: other spaces are of no interest to this run.
    pub(crate) only: Option<(String, String)>,
    /// What this host is called, where the same path on another one is another workspace.
    pub(crate) host: String,
    /// Where this machine remembers what it backed up; nowhere if it shall not.
    pub(crate) cache: Option<CacheFolder>,
    /// How fast bytes may travel.
    pub(crate) limits: TransferLimits,
    /// The file that this run writes its log into, where it is told one.
    pub(crate) log_file: Option<PathBuf>,
    /// The configuration file.
    pub(crate) config: ConfigFile,
}

impl Settings {
    /// Resolves the settings of this run.
    ///
    /// # Errors
    /// `InvalidConfig` for a configuration that cannot be read.
    pub(crate) fn resolve(global: &GlobalArgs) -> Result<Self> {
        let config = match &global.config {
            Some(path) => ConfigFile::read(path)?,
            None => ConfigFile::default(),
        };
        let layout = global.layout.or(config.layout).unwrap_or(Layout::Repository);
        let pair = |user: &Option<String>, space: &Option<String>| user.clone().zip(space.clone());
        let only = pair(&global.user, &global.space);
        let space = only.clone().or_else(|| pair(&config.user, &config.space));
        let data_dir = DataDir::find(global.data_dir.as_deref().or(config.data_dir.as_deref()))?;
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let store = given(&global.store).or_else(|| config.store.clone());
        let store = store.unwrap_or_else(|| data_dir.default_store().display().to_string());
        let given_catalog = global.catalog.clone().filter(|url| !url.as_str().is_empty());
        let catalog = given_catalog.or_else(|| config.catalog.clone());
        let catalog = catalog.unwrap_or_else(|| default_catalog(&data_dir));
        let host = given(&global.host).or_else(|| config.host.clone()).unwrap_or_else(this_host);
        let password = PasswordSource::find(global, &config, &data_dir);
        let cache = (!global.no_cache).then(|| CacheFolder::new(data_dir.cache()));
        let mut limits = TransferLimits::default();
        (limits.upload, limits.download) = (global.limit_upload, global.limit_download);
        Ok(Self {
            data_dir,
            store,
            catalog,
            password,
            layout,
            space,
            only,
            host,
            cache,
            limits,
            log_file: None,
            config,
        })
    }

    /// Where the file snapshots of this run's space live.
    ///
    /// # Errors
    /// `InvalidConfig` where the store is one for each space and the run is about none; `InvalidInput` where the names
    /// cannot be those of folders.
    pub(crate) fn store_url(&self) -> Result<String> {
        if !self.is_of_each_space() {
            return Ok(self.store.clone());
        }
        let Some((user, space)) = &self.space else {
            let message = format!(
                "the store {} is another one for each {USER} or {SPACE}; say whose with --user and --space",
                self.store
            );
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        };
        Space::new(user, space)?;
        Ok(self.store.replace(USER, user).replace(SPACE, space))
    }

    /// Whether the store is another one for each user or space, whatever its workspaces are called.
    pub(crate) fn is_of_each_space(&self) -> bool {
        self.store.contains(USER) || self.store.contains(SPACE)
    }

    /// The workspace of the space that the command line names.
    pub(crate) fn only_workspace(&self) -> Option<String> {
        self.only.as_ref().map(|(user, space)| format!("{user}/{space}"))
    }

    /// The repository's password, of this run's space where each has its own; `None` where the key file is not made
    /// yet.
    ///
    /// # Errors
    /// As [`PasswordSource::read`].
    pub(crate) fn read_password(&self) -> Result<Option<Credentials>> {
        self.read_password_of(&self.password)
    }

    /// A password from another source, as [`Self::read_password`] reads the repository's.
    ///
    /// # Errors
    /// As [`PasswordSource::read`].
    pub(crate) fn read_password_of(&self, source: &PasswordSource) -> Result<Option<Credentials>> {
        source.read(self.space.as_ref())
    }

    /// The defaults with everything inside `data_dir`, whatever flags and environment say.
    pub(crate) fn contained(data_dir: &Path) -> Self {
        let data_dir = DataDir::at(data_dir);
        Self {
            store: data_dir.default_store().display().to_string(),
            catalog: default_catalog(&data_dir),
            password: PasswordSource::KeyFile(data_dir.key_file()),
            layout: Layout::Repository,
            space: None,
            only: None,
            host: this_host(),
            cache: Some(CacheFolder::new(data_dir.cache())),
            limits: TransferLimits::default(),
            log_file: None,
            config: ConfigFile::default(),
            data_dir,
        }
    }
}

fn this_host() -> String {
    Origin::detect().hostname
}

fn default_catalog(data_dir: &DataDir) -> CatalogUrl {
    CatalogUrl::new(format!("sqlite:{}", data_dir.default_catalog().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_each_space_has_the_names_in_its_place_and_only_plain_ones() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::contained(dir.path());
        settings.store = "s3://backups/{user}/x-{space}".to_owned();
        assert_eq!(settings.store_url().unwrap_err().kind(), ErrorKind::InvalidConfig);
        settings.space = Some(("ada".to_owned(), "lab".to_owned()));
        assert_eq!(settings.store_url().unwrap(), "s3://backups/ada/x-lab");
        settings.space = Some(("ada/../bob".to_owned(), "lab".to_owned()));
        assert_eq!(settings.store_url().unwrap_err().kind(), ErrorKind::InvalidInput);
        settings.store = "s3://backups".to_owned();
        assert_eq!(settings.store_url().unwrap(), "s3://backups");
    }
}
