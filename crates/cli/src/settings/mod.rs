//! What a run works with, resolved once: flags before environment before configuration file before defaults.

mod catalog_url;
mod config_file;
mod data_dir;
mod environment;
mod password;

use std::path::Path;

use stillpoint_core::Result;
use stillpoint_repository::CacheFolder;

use crate::args::{GlobalArgs, Layout};
pub(crate) use catalog_url::CatalogUrl;
pub(crate) use config_file::ConfigFile;
pub(crate) use data_dir::DataDir;
pub(crate) use environment::home;
pub(crate) use password::{PasswordSource, write_new_key};

/// Everything that flags, environment and configuration decide.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where the catalog, the key and the default store live.
    pub(crate) data_dir: DataDir,
    /// Where file snapshots live: a URL or a path.
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
    /// Where this machine remembers what it backed up; nowhere if it shall not.
    pub(crate) cache: Option<CacheFolder>,
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
        let password = PasswordSource::find(global, &config, &data_dir);
        let cache = (!global.no_cache).then(|| CacheFolder::new(data_dir.cache()));
        Ok(Self { data_dir, store, catalog, password, layout, space, only, cache, config })
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
            cache: Some(CacheFolder::new(data_dir.cache())),
            config: ConfigFile::default(),
            data_dir,
        }
    }
}

fn default_catalog(data_dir: &DataDir) -> CatalogUrl {
    CatalogUrl::new(format!("sqlite:{}", data_dir.default_catalog().display()))
}
