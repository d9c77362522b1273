//! The configuration file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use stillpoint_core::{Error, ErrorKind, Result};

use super::catalog_url::CatalogUrl;
use crate::args::Layout;

/// What the TOML file may hold. A key that nobody knows is refused, because it is most likely misspelt.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigFile {
    pub(crate) store: Option<String>,
    pub(crate) catalog: Option<CatalogUrl>,
    pub(crate) layout: Option<Layout>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) password_command: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) space: Option<String>,
    #[serde(default, rename = "workspace")]
    pub(crate) workspaces: Vec<ConfiguredWorkspace>,
}

/// One `[[workspace]]`.
#[derive(Debug, Deserialize)]
pub(crate) struct ConfiguredWorkspace {
    /// Its id.
    pub(crate) id: String,
    /// `directory`, `aws`, `azure` or `studio`.
    pub(crate) provider: String,
    /// The directory, where it is one.
    pub(crate) path: Option<PathBuf>,
    /// Patterns of what backups leave out.
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// Presets of what backups leave out.
    #[serde(default)]
    pub(crate) presets: Vec<String>,
    /// Whether backups stay on the file system of `path`; they do unless told otherwise.
    pub(crate) one_file_system: Option<bool>,
    /// Keys of providers that this program does not read itself.
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, toml::Value>,
}

impl ConfigFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `InvalidConfig` where it cannot be read or understood; the message names the line.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let refused = |message: String| Error::new(ErrorKind::InvalidConfig, message);
        let text = std::fs::read_to_string(path).map_err(|error| {
            refused(format!("the configuration {} cannot be read", path.display())).with_source(error)
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.get(..start).map_or(1, |before| before.matches('\n').count() + 1);
            refused(format!(
                "line {line} of the configuration {} is wrong: {}",
                path.display(),
                error.message()
            ))
        })?;
        for workspace in &config.workspaces {
            workspace
                .check()
                .map_err(|message| refused(format!("workspace {:?}: {message}", workspace.id)))?;
        }
        Ok(config)
    }

    /// The workspace of this id.
    pub(crate) fn workspace(&self, id: &str) -> Option<&ConfiguredWorkspace> {
        self.workspaces.iter().find(|workspace| workspace.id == id)
    }
}

impl ConfiguredWorkspace {
    fn check(&self) -> Result<(), String> {
        match (self.provider.as_str(), &self.path) {
            ("directory", None) => Err("a directory needs a path".to_owned()),
            ("directory", Some(_)) => match self.other.keys().next() {
                Some(key) => Err(format!("`{key}` is not a key of a directory")),
                None => Ok(()),
            },
            ("aws" | "azure" | "studio", _) => Ok(()),
            (other, _) => Err(format!("there is no provider `{other}`; use directory, aws, azure or studio")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ConfigFile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        ConfigFile::read(&path)
    }

    #[test]
    fn a_managed_workspace_is_understood() {
        let config = read(
            r#"
            store = "s3://backups/team"
            [[workspace]]
            id = "ml-prod"
            provider = "aws"
            account = "123456789012"
            protect_tags = { "do-not-collect" = "true" }
            components = [{ id = "db", kind = "ebs", resource = "arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1" }]
            [workspace.hooks]
            quiesce = "true"
            [[workspace]]
            id = "notes"
            provider = "directory"
            path = "/srv/notes"
            exclude = ["*.tmp"]
            presets = ["caches"]
            "#,
        )
        .unwrap();
        assert_eq!(config.store.as_deref(), Some("s3://backups/team"));
        assert_eq!(config.workspace("ml-prod").unwrap().provider, "aws");
        assert_eq!(config.workspace("notes").unwrap().exclude, ["*.tmp"]);
        assert_eq!(config.workspace("notes").unwrap().presets, ["caches"]);
    }

    #[test]
    fn what_nobody_can_have_meant_is_refused_by_name() {
        for (text, word) in [
            ("stor = \"x\"", "stor"),
            ("[[workspace]]\nid = \"a\"\nprovider = \"directory\"", "path"),
            ("[[workspace]]\nid = \"a\"\nprovider = \"gcp\"", "gcp"),
            ("[[workspace]]\nid = \"a\"\nprovider = \"directory\"\npath = \"/a\"\nexcludes = []", "excludes"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains(word), "{error} should name {word}");
        }
    }
}
