//! The example provider under the conformance suite: a harness, and one line.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use stillpoint_conformance::provider::{Content, Harness, Occupied};
use stillpoint_core::{Component, Error, ErrorKind, Provider, RestoredResource, Result, Settings};
use stillpoint_examples::copy_vault::CopyVault;

struct VaultHarness {
    folder: tempfile::TempDir,
    made: AtomicU32,
}

impl VaultHarness {
    fn new() -> std::io::Result<Self> {
        Ok(Self { folder: tempfile::tempdir()?, made: AtomicU32::new(0) })
    }

    fn place(&self, kind: &str, name: &str) -> PathBuf {
        self.folder.path().join(format!("{kind}-{name}-{}", self.made.fetch_add(1, Ordering::Relaxed)))
    }

    fn component(&self, name: &str, path: &Path) -> Result<Component> {
        Ok(Component::new(name.parse()?, "directory", "vault".parse()?, path.to_string_lossy()))
    }
}

fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
    let place = root.join(path);
    let folder = place.parent().unwrap_or(root).to_owned();
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(place, content)).map_err(failed)
}

fn failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the test's own files failed").with_source(error)
}

fn read(root: &Path, name: &str, content: &mut Content) -> Result<()> {
    if !root.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(root).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = format!("{name}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read(&entry.path(), &format!("{path}/"), content)?;
        } else {
            content.insert(path, std::fs::read(entry.path()).map_err(failed)?);
        }
    }
    Ok(())
}

#[async_trait]
impl Harness for VaultHarness {
    async fn provider(&self) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(CopyVault::new("vault".parse()?, self.folder.path().join("vault"))))
    }

    async fn source(&self, name: &str, seed: u64) -> Result<Component> {
        let place = self.place("source", name);
        write(&place, "notes.txt", format!("notes {seed}"))?;
        write(&place, "project/train.py", format!("print({seed})"))?;
        write(&place, "project/model.bin", seed.to_le_bytes().repeat(64))?;
        self.component(name, &place)
    }

    async fn change(&self, source: &Component, seed: u64) -> Result<()> {
        write(Path::new(&source.resource), "notes.txt", format!("changed {seed}"))?;
        write(Path::new(&source.resource), "project/new.bin", seed.to_be_bytes())
    }

    fn missing(&self) -> Component {
        let place = self.folder.path().join("nobody-made-this");
        #[expect(clippy::expect_used, reason = "the name is a constant")]
        self.component("missing", &place).expect("a well-formed id")
    }

    async fn source_content(&self, source: &Component) -> Result<Content> {
        let mut content = Content::new();
        read(Path::new(&source.resource), "", &mut content)?;
        Ok(content)
    }

    async fn restored_content(&self, resource: &RestoredResource) -> Result<Content> {
        let mut content = Content::new();
        read(Path::new(&resource.resource), "", &mut content)?;
        Ok(content)
    }

    async fn destination(&self, name: &str) -> Result<Settings> {
        let place = self.place("restored", name);
        Ok([("path".to_owned(), place.to_string_lossy().into_owned().into())].into())
    }

    async fn occupied(&self, name: &str) -> Result<Option<Occupied>> {
        let place = self.place("taken", name);
        write(&place, "somebody's.txt", "keep me")?;
        let path = place.to_string_lossy().into_owned();
        let resource = RestoredResource::new("vault".parse()?, name.parse()?, path.clone());
        Ok(Some(Occupied::new([("path".to_owned(), path.into())].into(), resource)))
    }
}

stillpoint_conformance::provider_suite! { #[tokio::test] VaultHarness::new()? }
