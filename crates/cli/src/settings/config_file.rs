//! The configuration file.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use stillpoint_core::{Error, ErrorKind, HistoryKept, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, ValueDeserializer};

use super::catalog_url::CatalogUrl;
use super::serve::ServeConfig;
use super::workspace::{AwsAccount, ConfiguredDirectory, ConfiguredWorkspace, ManagedConfig};
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
    pub(crate) host: Option<String>,
    /// How much is under way at a time in one process.
    #[serde(default)]
    pub(crate) limits: WorkLimits,
    /// Which ended operations the catalog keeps.
    #[serde(default)]
    pub(crate) history: HistoryConfig,
    /// How the catalog is served.
    #[serde(default)]
    pub(crate) serve: ServeConfig,
    /// Other accounts of AWS.
    #[serde(default)]
    pub(crate) aws_account: Vec<AwsAccount>,
    /// Read table by table, each as its provider has it.
    #[serde(skip)]
    workspaces: Vec<ConfiguredWorkspace>,
}

/// How much one process has under way at a time; what is absent is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkLimits {
    /// Operations.
    pub(crate) operations: Option<NonZeroUsize>,
    /// Operations with jobs at one provider.
    pub(crate) operations_per_provider: Option<NonZeroUsize>,
    /// Calls of each provider at once.
    pub(crate) calls_at_once: Option<NonZeroUsize>,
    /// Calls of each provider a second.
    pub(crate) calls_per_second: Option<NonZeroU32>,
    /// The least time from one run of a schedule or of an agent to the next.
    #[serde(default, deserialize_with = "super::serve::span")]
    pub(crate) interval_min: Option<Duration>,
}

/// The table `[history]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HistoryConfig {
    #[serde(deserialize_with = "super::serve::span")]
    kept_for: Option<Duration>,
    newest: Option<usize>,
}

impl HistoryConfig {
    /// What it says, with the defaults for what it leaves out.
    pub(crate) fn kept(self) -> HistoryKept {
        let usual = HistoryKept::default();
        HistoryKept::new(self.kept_for.unwrap_or(usual.kept_for), self.newest.unwrap_or(usual.newest))
    }
}

/// What is wrong with a configuration, and where in its text.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: Range<usize>,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

impl From<toml::de::Error> for Wrong {
    fn from(error: toml::de::Error) -> Self {
        Self::new(error.span().unwrap_or(0..0), error.message())
    }
}

impl ConfigFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `InvalidConfig` where it cannot be read or understood; the message names the line, and the workspace where it is
    /// about one.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let refused = |message: String| Error::new(ErrorKind::InvalidConfig, message);
        let text = std::fs::read_to_string(path).map_err(|error| {
            refused(format!("the configuration {} cannot be read", path.display())).with_source(error)
        })?;
        Self::parse(&text).map_err(|wrong| {
            let line = text.get(..wrong.at.start).map_or(1, |before| before.matches('\n').count() + 1);
            refused(format!(
                "line {line} of the configuration {} is wrong: {}",
                path.display(),
                wrong.message
            ))
        })
    }

    fn parse(text: &str) -> Result<Self, Wrong> {
        let root = DeTable::parse(text)?;
        let (at, mut table) = (root.span(), root.into_inner());
        let tables = table.remove("workspace");
        let mut config = Self::deserialize(Deserializer::from(Spanned::new(at, table)))?;
        let Some(tables) = tables else { return Ok(config) };
        let at = tables.span();
        let DeValue::Array(tables) = tables.into_inner() else {
            return Err(Wrong::new(at, "workspaces are written as [[workspace]]"));
        };
        for table in tables {
            let at = table.span();
            let id =
                text_of(&table, "id").ok_or_else(|| Wrong::new(at.clone(), "a workspace needs an id"))?;
            let named = |wrong: Wrong| Wrong::new(wrong.at, format!("workspace {id:?}: {}", wrong.message));
            if config.workspace(&id).is_some() {
                return Err(Wrong::new(at, format!("workspace {id:?} is there twice")));
            }
            let workspace = workspace(table, &id).map_err(named)?;
            config.workspaces.push(workspace);
        }
        Ok(config)
    }

    /// All workspaces.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ConfiguredWorkspace> {
        self.workspaces.iter()
    }

    /// The workspace of this id.
    pub(crate) fn workspace(&self, id: &str) -> Option<&ConfiguredWorkspace> {
        self.workspaces.iter().find(|workspace| workspace.id() == id)
    }

    /// The managed workspace of this id.
    pub(crate) fn managed(&self, id: &str) -> Option<&ManagedConfig> {
        match self.workspace(id) {
            Some(ConfiguredWorkspace::Managed(managed)) => Some(managed),
            _ => None,
        }
    }

    /// All managed workspaces.
    pub(crate) fn all_managed(&self) -> impl Iterator<Item = &ManagedConfig> {
        self.workspaces.iter().filter_map(|workspace| match workspace {
            ConfiguredWorkspace::Managed(managed) => Some(managed.as_ref()),
            _ => None,
        })
    }
}

fn text_of(table: &Spanned<DeValue<'_>>, key: &str) -> Option<String> {
    Some(table.as_ref().as_table()?.get(key)?.as_ref().as_str()?.to_owned())
}

/// One `[[workspace]]`, read as its provider has it.
fn workspace(table: Spanned<DeValue<'_>>, id: &str) -> Result<ConfiguredWorkspace, Wrong> {
    let at = table.span();
    let provider = text_of(&table, "provider")
        .ok_or_else(|| Wrong::new(at.clone(), "it needs a provider: directory, aws, azure or studio"))?;
    match provider.as_str() {
        "directory" => {
            let directory = ConfiguredDirectory::deserialize(ValueDeserializer::from(table))?;
            Ok(ConfiguredWorkspace::Directory(directory))
        }
        "aws" | "azure" => {
            let managed = ManagedConfig::deserialize(ValueDeserializer::from(table))?;
            managed.check(&at)?;
            Ok(ConfiguredWorkspace::Managed(Box::new(managed)))
        }
        "studio" => Ok(ConfiguredWorkspace::Unread { id: id.to_owned(), provider }),
        other => {
            let message = format!("there is no provider `{other}`; use directory, aws, azure or studio");
            Err(Wrong::new(at, message))
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
    fn a_directory_and_a_workspace_of_another_kind_stand_beside_each_other() {
        let config = read(
            r#"
            store = "s3://backups/team"
            [[workspace]]
            id = "later"
            provider = "studio"
            metadata = "1"
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
        assert_eq!(config.workspace("later").unwrap().provider(), "studio");
        let Some(ConfiguredWorkspace::Directory(notes)) = config.workspace("notes") else {
            panic!("{config:?}")
        };
        assert_eq!(
            (&notes.exclude[..], &notes.presets[..]),
            (&["*.tmp".to_owned()][..], &["caches".to_owned()][..])
        );
    }

    #[test]
    fn what_nobody_can_have_meant_is_refused_by_name_and_line() {
        for (text, line, word) in [
            ("stor = \"x\"", 1, "stor"),
            ("[limits]\noperations = 4\ncalls = 1", 3, "calls"),
            ("[limits]\noperations = 0", 2, "zero"),
            ("[history]\nkept_for = \"long\"", 2, "long"),
            ("[history]\nkeep = 7", 2, "keep"),
            ("[serve]\nlisten = \"everywhere\"", 2, "socket address"),
            ("[serve]\nlissen = \"127.0.0.1:1\"", 2, "lissen"),
            ("[[aws_account]]\naccount = \"12\"\nprofile = \"p\"", 2, "twelve digits"),
            ("[[workspace]]\nid = \"a\"\nprovider = \"directory\"", 1, "path"),
            ("[[workspace]]\nid = \"a\"\nprovider = \"gcp\"", 1, "gcp"),
            (
                "[[workspace]]\nid = \"a\"\nprovider = \"directory\"\npath = \"/a\"\nexcludes = []",
                5,
                "excludes",
            ),
            ("\n[[workspace]]\nprovider = \"aws\"", 2, "id"),
            (
                "[[workspace]]\nid = \"a\"\nprovider = \"studio\"\n[[workspace]]\nid = \"a\"\nprovider = \"studio\"",
                4,
                "twice",
            ),
            ("[workspace]\nid = \"a\"", 1, "[[workspace]]"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains(word), "{error} should name {word}");
            assert!(
                error.to_string().starts_with(&format!("line {line} ")),
                "{error} should name line {line}"
            );
        }
    }
}
