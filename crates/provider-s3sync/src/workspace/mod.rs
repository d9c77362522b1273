//! The workspace that is one directory.

mod hook;
pub(crate) mod mounted;
mod report;
mod rules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use stillpoint_core::{
    Component, Consistency, Definition, Error, ErrorKind, HoldInfo, OpContext, ProviderId, QuiesceId,
    QuiesceOptions, Result, Settings, Workspace, WorkspaceId, WorkspaceRecord,
};

pub use hook::QuiesceHook;
pub use mounted::{expects_mount, is_mount_point};
pub(crate) use report::{compile_around, inside, left_out};
pub use rules::{CaptureRules, pattern_of};

use crate::error::from_io;

/// The kind of the one component.
pub(crate) const DIRECTORY: &str = "directory";
const COMPONENT: &str = "files";
const PROVIDER: &str = "s3sync";
/// The setting of a component of another kind that says where this machine sees its files.
const MOUNT: &str = "mount";

/// Where the files of a component are: its mount where it has one, because its resource is then a server's name of it
/// (`nfs.example.com:/export`); else its resource.
pub(crate) fn root_of(component: &Component) -> &str {
    mount_of(component).unwrap_or(&component.resource)
}

/// Where a component of another kind than a directory is mounted.
pub(crate) fn mount_of(component: &Component) -> Option<&str> {
    component.settings.get(MOUNT).filter(|_| component.kind != DIRECTORY)?.as_str()
}

/// A directory as a workspace.
///
/// Its one component is `files`, of kind `directory`; the resource is the canonical path. The definition holds
/// everything needed to make the same workspace again in another process ([`Self::from_definition`]), except for a
/// hook, which is the host's code.
///
/// Nothing is stopped while it is captured unless a [`QuiesceHook`] is given, so its consistency is
/// [`Consistency::Fuzzy`].
#[derive(Clone, Debug)]
pub struct DirectoryWorkspace {
    definition: Definition,
    provider: ProviderId,
    root: PathBuf,
    rules: CaptureRules,
    host: Option<String>,
    hook: Option<Arc<dyn QuiesceHook>>,
}

impl DirectoryWorkspace {
    /// The directory at `root`, named by its canonical path.
    ///
    /// # Errors
    /// `NotFound` where it does not exist, `InvalidInput` where it is no directory or its path is not UTF-8.
    pub fn new(root: impl AsRef<Path>) -> Result<Self> {
        let given = root.as_ref();
        let root = given.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, format!("the directory {given:?} does not exist"))
                    .with_source(error)
            }
            _ => from_io(error, "open", given),
        })?;
        if !root.is_dir() {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{given:?} is not a directory")));
        }
        Self::at(WorkspaceId::new(text_of(&root)?)?, root)
    }

    fn at(id: WorkspaceId, root: PathBuf) -> Result<Self> {
        let (definition, provider) = (Definition::new(id), ProviderId::new(PROVIDER)?);
        Ok(Self { definition, provider, root, rules: CaptureRules::default(), host: None, hook: None })
    }

    /// The same directory under another id.
    #[must_use]
    pub fn with_id(mut self, id: WorkspaceId) -> Self {
        self.definition.id = id;
        self
    }

    /// The same directory as the space `space` of `user`; its id is `USER/SPACE`.
    ///
    /// # Errors
    /// `InvalidInput` where a name is empty or holds a slash.
    pub fn of_space(mut self, user: &str, space: &str) -> Result<Self> {
        if [user, space].iter().any(|name| name.is_empty() || name.contains('/')) {
            let message = format!("user {user:?} and space {space:?} must be names without a slash");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        self.definition.id = WorkspaceId::new(format!("{user}/{space}"))?;
        self.definition.settings.insert("user".into(), user.into());
        self.definition.settings.insert("space".into(), space.into());
        Ok(self)
    }

    /// The same directory, protected by the provider of this name.
    #[must_use]
    pub fn with_provider(mut self, provider: ProviderId) -> Self {
        self.provider = provider;
        self
    }

    /// The same directory with these rules of what is captured. The path of an exclude file is made absolute, so
    /// that a process in another directory finds it.
    #[must_use]
    pub fn with_rules(mut self, mut rules: CaptureRules) -> Self {
        let absolute = rules.exclude_file.as_ref().and_then(|file| std::path::absolute(file).ok());
        if let Some(file) = absolute.and_then(|file| file.into_os_string().into_string().ok()) {
            rules.exclude_file = Some(file);
        }
        self.rules = rules;
        self
    }

    /// The same directory on `host`, which its definition names where the id is nothing but the path: the same path on
    /// another host is another directory. An id that somebody chose means one workspace wherever it is.
    #[must_use]
    pub fn on_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// The same directory, held still by `hook`.
    #[must_use]
    pub fn with_hook(mut self, hook: Arc<dyn QuiesceHook>) -> Self {
        self.hook = Some(hook);
        self
    }

    /// The workspace that a catalog remembers, as a process that did not submit its operation needs it.
    ///
    /// # Errors
    /// As [`Self::from_definition`].
    pub fn from_record(record: &WorkspaceRecord) -> Result<Self> {
        Self::from_definition(&record.definition)
    }

    /// The workspace that a definition describes. The directory need not exist any more.
    ///
    /// # Errors
    /// `InvalidInput` where the definition is not that of a directory.
    pub fn from_definition(definition: &Definition) -> Result<Self> {
        let text = |name: &str| definition.settings.get(name).and_then(Value::as_str);
        let root = text("root").ok_or_else(|| {
            let message = format!("the definition of workspace {} names no directory", definition.id);
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        let rules = CaptureRules::from_settings(&definition.settings)?;
        let mut made = Self::at(definition.id.clone(), root.into())?.with_rules(rules);
        if let Some(provider) = text("provider") {
            made.provider = ProviderId::new(provider)?;
        }
        made.definition = definition.clone();
        Ok(made)
    }

    /// What is captured of it.
    pub fn rules(&self) -> &CaptureRules {
        &self.rules
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn is_known_by_its_path(&self) -> bool {
        self.root.to_str() == Some(self.definition.id.as_str())
    }

    fn settings(&self) -> Result<Settings> {
        let mut settings = self.definition.settings.clone();
        settings.insert("root".into(), text_of(&self.root)?.into());
        settings.insert("provider".into(), self.provider.as_str().into());
        self.rules.write_to(&mut settings);
        Ok(settings)
    }
}

fn text_of(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        let message =
            format!("the path {path:?} is not UTF-8; give the directory another name, or reach it by a link");
        Error::new(ErrorKind::InvalidInput, message)
    })
}

#[async_trait]
impl Workspace for DirectoryWorkspace {
    fn id(&self) -> &WorkspaceId {
        &self.definition.id
    }

    fn is_of_one_host(&self) -> bool {
        self.host.is_some() && self.is_known_by_its_path()
    }

    async fn definition(&self, _cx: &OpContext) -> Result<Definition> {
        let mut definition = self.definition.clone();
        definition.settings = self.settings()?;
        if let Some(host) = &self.host {
            definition.host = self.is_known_by_its_path().then(|| host.clone());
        }
        Ok(definition)
    }

    async fn inventory(&self, _cx: &OpContext) -> Result<Vec<Component>> {
        let resource = text_of(&self.root)?;
        let mut files = Component::new(COMPONENT.parse()?, DIRECTORY, self.provider.clone(), resource);
        self.rules.write_to(&mut files.settings);
        Ok(vec![files])
    }

    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency> {
        match &self.hook {
            Some(hook) => hook.quiesce(cx, id, options).await,
            None => Ok(Consistency::Fuzzy),
        }
    }

    async fn resume(&self, cx: &OpContext, id: &QuiesceId) -> Result<()> {
        match &self.hook {
            Some(hook) => hook.resume(cx, id).await,
            None => Ok(()),
        }
    }

    async fn hold(&self, cx: &OpContext) -> Result<Option<HoldInfo>> {
        match &self.hook {
            Some(hook) => hook.hold(cx).await,
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_workspace_is_made_again_from_its_definition() {
        let dir = tempfile::tempdir().unwrap();
        let rules = CaptureRules {
            excludes: vec!["*.tmp".into()],
            one_file_system: false,
            may_be_empty: true,
            ..CaptureRules::default()
        };
        let made = DirectoryWorkspace::new(dir.path()).unwrap();
        let made =
            made.of_space("ada", "lab").unwrap().with_provider("store".parse().unwrap()).with_rules(rules);
        let cx = OpContext::background();
        let definition = made.definition(&cx).await.unwrap();
        assert_eq!(definition.id.as_str(), "ada/lab");
        let again = DirectoryWorkspace::from_definition(&definition).unwrap();
        assert_eq!(again.definition(&cx).await.unwrap(), definition);
        assert_eq!(again.inventory(&cx).await.unwrap(), made.inventory(&cx).await.unwrap());
        assert_eq!(again.root(), dir.path().canonicalize().unwrap());
    }

    #[test]
    fn a_missing_directory_and_bad_names_are_refused() {
        let missing = DirectoryWorkspace::new("/no/such/place").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.to_string().contains("does not exist"), "{missing}");
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(DirectoryWorkspace::new(file.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
        let dir = tempfile::tempdir().unwrap();
        assert!(DirectoryWorkspace::new(dir.path()).unwrap().of_space("a/b", "c").is_err());
        assert!(DirectoryWorkspace::from_definition(&Definition::new("x".parse().unwrap())).is_err());
    }

    #[tokio::test]
    async fn a_directory_that_is_known_by_its_path_tells_its_host_and_a_named_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let cx = OpContext::background();
        let by_path = DirectoryWorkspace::new(dir.path()).unwrap().on_host("m1");
        let definition = by_path.definition(&cx).await.unwrap();
        assert_eq!(definition.host.as_deref(), Some("m1"));
        let moved = DirectoryWorkspace::from_definition(&definition).unwrap();
        assert_eq!(moved.definition(&cx).await.unwrap().host.as_deref(), Some("m1"));
        let here = moved.clone().on_host("m2").definition(&cx).await.unwrap();
        assert_eq!(here.host.as_deref(), Some("m2"));
        assert!(moved.clone().on_host("m2").is_of_one_host());
        assert!(!moved.clone().on_host("m2").with_id("home".parse().unwrap()).is_of_one_host());
        let named = moved.with_id("home".parse().unwrap()).on_host("m2").definition(&cx).await.unwrap();
        assert_eq!(named.host, None);
    }
}
