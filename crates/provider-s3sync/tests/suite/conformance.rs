//! The suites of the contract.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_conformance::provider::{Content, Harness, Occupied};
use stillpoint_core::{
    BackupId, BackupRecord, Component, ComponentRecord, ComponentState, Definition, OperationId, Provider,
    ProvisionRequest, Provisioner, RestoreRequest, RestoredResource, Result, Settings, SnapshotRef,
    Timestamp, Workspace, WorkspaceId,
};
use stillpoint_provider_s3sync::{DirectoryProvisioner, DirectoryWorkspace};

use crate::support::{Scene, component, content};

async fn scene(scene: Scene) -> Scene {
    scene.create().await;
    scene
}

mod on_a_local_store {
    use super::*;
    stillpoint_conformance::provider_suite! { #[tokio::test] scene(Scene::local()).await }
}

mod on_an_s3_server {
    use super::*;
    stillpoint_conformance::provider_suite! { #[tokio::test] scene(Scene::remote()).await }
}

mod mirrored_to_a_local_store {
    use super::*;
    stillpoint_conformance::provider_suite! { #[tokio::test] scene(Scene::local().mirrored()).await }
}

mod mirrored_to_an_s3_server {
    use super::*;
    stillpoint_conformance::provider_suite! { #[tokio::test] scene(Scene::remote().mirrored()).await }
}

mod of_workspaces {
    use super::*;
    stillpoint_conformance::workspace_suite! { #[tokio::test] Scene::local() }
}

mod of_provisioners {
    use super::*;
    stillpoint_conformance::provisioner_suite! { #[tokio::test] Scene::local() }
}

fn settings(path: &Path) -> Settings {
    [("path".to_owned(), path.to_str().unwrap().into())].into()
}

/// Bytes that follow from a seed and differ between seeds in length and content.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length + usize::try_from(seed % 97).unwrap()).map(|_| step()).collect()
}

#[async_trait]
impl Harness for Scene {
    async fn provider(&self) -> Result<Arc<dyn Provider>> {
        Ok(self.provider())
    }

    async fn source(&self, name: &str, seed: u64) -> Result<Component> {
        let root = self.path(&format!("source-{name}"));
        fs::create_dir_all(root.join("folder/deep")).unwrap();
        fs::write(root.join("a.txt"), bytes(seed, 1_000)).unwrap();
        fs::write(root.join("folder/b.bin"), bytes(seed + 1, 100_000)).unwrap();
        fs::write(root.join("folder/deep/c"), bytes(seed + 2, 10)).unwrap();
        fs::write(root.join("folder/empty"), b"").unwrap();
        Ok(component(&root))
    }

    async fn change(&self, source: &Component, seed: u64) -> Result<()> {
        let root = PathBuf::from(&source.resource);
        fs::write(root.join("a.txt"), bytes(seed, 2_000)).unwrap();
        fs::write(root.join(format!("new-{seed}")), bytes(seed + 1, 500)).unwrap();
        Ok(())
    }

    fn missing(&self) -> Component {
        component(&self.path("absent"))
    }

    async fn source_content(&self, source: &Component) -> Result<Content> {
        Ok(content(Path::new(&source.resource)))
    }

    async fn restored_content(&self, resource: &RestoredResource) -> Result<Content> {
        Ok(content(Path::new(&resource.resource)))
    }

    async fn destination(&self, name: &str) -> Result<Settings> {
        Ok(settings(&self.path(&format!("target-{name}"))))
    }

    async fn occupied(&self, name: &str) -> Result<Option<Occupied>> {
        let path = self.path(&format!("occupied-{name}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("precious"), "x").unwrap();
        let resource =
            RestoredResource::new("s3sync".parse()?, "files".parse()?, path.to_str().unwrap().to_owned());
        Ok(Some(Occupied::new(settings(&path), resource)))
    }
}

#[async_trait]
impl stillpoint_conformance::workspace::Harness for Scene {
    async fn workspace(&self) -> Result<Arc<dyn Workspace>> {
        Ok(Arc::new(DirectoryWorkspace::new(self.dir.path())?))
    }

    async fn is_held(&self) -> Option<bool> {
        None
    }
}

#[async_trait]
impl stillpoint_conformance::provisioner::Harness for Scene {
    async fn provisioner(&self) -> Result<Arc<dyn Provisioner>> {
        Ok(Arc::new(DirectoryProvisioner::default()))
    }

    fn request(&self, name: &str) -> ProvisionRequest {
        let operation = OperationId::new(format!("backup-for-{name}")).unwrap();
        let id = BackupId::of(&operation);
        let definition = Definition::new("ada".parse().unwrap());
        let mut backup = BackupRecord::new(id.clone(), operation, definition, Timestamp::from_millis(0));
        let mut record = ComponentRecord::new(component(self.dir.path()), ComponentState::Completed);
        record.snapshot = Some(SnapshotRef::new("s3sync".parse().unwrap(), "0a".repeat(32).parse().unwrap()));
        backup.components.push(record);
        let restore = OperationId::new(format!("restore-for-{name}")).unwrap();
        let settings = settings(&self.dir.path().join(name));
        let restore = RestoreRequest::new(restore, id, name.parse().unwrap(), "directory", settings);
        ProvisionRequest::new(restore, backup)
    }

    async fn exists(&self, _workspace: &WorkspaceId) -> Option<bool> {
        // The provisioner only names the directory; the provider makes it.
        None
    }
}
