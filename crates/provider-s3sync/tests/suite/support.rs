//! The scenes: stores, sources, targets, and a host that uses them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stillpoint_core::decide::Machine;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{
    BackupId, BackupJob, BackupRequest, Component, JobKey, JobRequest, JobStatus, LocalOrchestrator,
    OpContext, OperationId, OperationStatus, Orchestrator, Provider, Request, RestoreRequest, Settings,
    SnapshotRef, Workspace,
};
use stillpoint_provider_s3sync::{
    Credentials, DirectoryProvisioner, DirectoryWorkspace, MirrorSource, Origin, Repository,
    RepositorySource, S3SyncProvider, Store, StoreSettings,
};
use stillpoint_repository::Id;
use stillpoint_testkit::s3::Server;
use tempfile::TempDir;

/// A place for everything one test makes, and the store its providers share.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    server: Option<Server>,
    mirror: bool,
    made: AtomicU32,
}

impl Scene {
    /// With a store in a local directory.
    pub(crate) fn local() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), server: None, mirror: false, made: AtomicU32::new(0) }
    }

    /// With a store on an S3 server of its own.
    pub(crate) fn remote() -> Self {
        // The server brings its own runtime, which must not start on a thread of the test's.
        let server = std::thread::spawn(Server::start).join().unwrap().unwrap();
        Self { server: Some(server), ..Self::local() }
    }

    /// The same with timestamps of plain objects instead of a repository.
    pub(crate) fn mirrored(self) -> Self {
        Self { mirror: true, ..self }
    }

    pub(crate) fn store(&self) -> Store {
        match &self.server {
            Some(server) => Store::from_url(&server.url("repo"), &StoreSettings::new(server.env())).unwrap(),
            None => Store::from_url(self.repository().to_str().unwrap(), &StoreSettings::default()).unwrap(),
        }
    }

    /// The server of a remote scene.
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Whether the store is on a server.
    pub(crate) fn is_remote(&self) -> bool {
        self.server.is_some()
    }

    /// The directory of the local store.
    pub(crate) fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    /// The provider as a process that was just started builds it.
    pub(crate) fn provider(&self) -> Arc<S3SyncProvider> {
        Arc::new(match self.mirror {
            true => S3SyncProvider::mirrored(MirrorSource::from_store(self.store())),
            false => S3SyncProvider::new(RepositorySource::from_store(self.store(), credentials())),
        })
    }

    /// Creates the repository; mirrored timestamps need none.
    pub(crate) async fn create(&self) {
        if self.mirror {
            return;
        }
        Repository::open_or_init(self.store(), &credentials(), Origin::detect()).await.unwrap();
    }

    /// A path that nothing else of this scene has.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.dir.path().join(format!("{name}-{number}"))
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials::machine_key("0123456789abcdef0123456789abcdef".to_owned()).unwrap()
}

/// A host on a scene: one catalog, and an orchestrator that can be replaced as if its process had died.
pub(crate) struct Host {
    pub(crate) catalog: Arc<MemoryCatalog>,
    pub(crate) provider: Arc<S3SyncProvider>,
    pub(crate) orchestrator: LocalOrchestrator,
    workspace: Arc<dyn Workspace>,
}

impl Host {
    pub(crate) fn new(scene: &Scene, root: &Path) -> Self {
        let workspace = DirectoryWorkspace::new(root).unwrap().with_id("ada/lab".parse().unwrap());
        Self::with(Arc::new(MemoryCatalog::new()), scene.provider(), Arc::new(workspace))
    }

    pub(crate) fn with(
        catalog: Arc<MemoryCatalog>,
        provider: Arc<S3SyncProvider>,
        workspace: Arc<dyn Workspace>,
    ) -> Self {
        let orchestrator = LocalOrchestrator::builder(catalog.clone())
            .lease_ttl(Duration::from_secs(2))
            .provider(provider.clone())
            .workspace(workspace.clone())
            .provisioner("directory", Arc::new(DirectoryProvisioner::default()))
            .build();
        Self { catalog, provider, orchestrator, workspace }
    }

    /// The same host after its process died and was started again.
    pub(crate) fn restarted(self, scene: &Scene) -> Self {
        let Self { catalog, provider, orchestrator, workspace } = self;
        drop((orchestrator, provider));
        Self::with(catalog, scene.provider(), workspace)
    }

    pub(crate) fn workspace(&self) -> Arc<dyn Workspace> {
        Arc::clone(&self.workspace)
    }

    pub(crate) async fn back_up(&self, name: &str) -> OperationStatus {
        self.run(Request::Backup(backup_request(name))).await
    }

    pub(crate) async fn restore(&self, name: &str, backup: &BackupId, into: &Path) -> OperationStatus {
        self.run(Request::Restore(restore_request(name, backup, into))).await
    }

    pub(crate) async fn run(&self, request: Request) -> OperationStatus {
        let id = request.id().clone();
        self.orchestrator.submit(request).await.unwrap();
        self.orchestrator.wait(&id).await.unwrap()
    }
}

/// A scene for each layout.
pub(crate) fn layouts() -> [Scene; 2] {
    [Scene::local(), Scene::local().mirrored()]
}

/// Writes a file, and the directories above it.
pub(crate) fn write(path: PathBuf, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(crate) fn operation(name: &str) -> OperationId {
    OperationId::new(name).unwrap()
}

pub(crate) fn backup_request(name: &str) -> BackupRequest {
    BackupRequest::new(operation(name), "ada/lab".parse().unwrap())
}

pub(crate) fn restore_request(name: &str, backup: &BackupId, into: &Path) -> RestoreRequest {
    RestoreRequest::new(
        operation(name),
        backup.clone(),
        "ada/new".parse().unwrap(),
        "directory",
        into_place(into),
    )
}

/// The settings of a restore that brings everything back, set-id bits too.
pub(crate) fn into_place(path: &Path) -> Settings {
    [("path".to_owned(), path.to_str().unwrap().into()), ("privileged".to_owned(), true.into())].into()
}

/// The counts of the only component.
pub(crate) fn counts(status: &OperationStatus) -> BTreeMap<String, u64> {
    status.backup.as_ref().unwrap().components[0].counts.clone()
}

/// How the only job of a restore ended.
pub(crate) fn end_of_restore(status: &OperationStatus) -> &JobStatus {
    let Machine::Restore(machine) = &status.operation.machine else { unreachable!("not a restore") };
    machine.members[0].run.status.as_ref().unwrap()
}

pub(crate) fn component(root: &Path) -> Component {
    let root = root.to_str().unwrap();
    Component::new("files".parse().unwrap(), "directory", "s3sync".parse().unwrap(), root)
}

/// What a directory holds: per path below it, kind, mode, time and content.
pub(crate) fn content(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let mut told =
                format!("{:o} {} {}:", metadata.mode(), metadata.mtime(), metadata.mtime_nsec()).into_bytes();
            if metadata.is_file() {
                told.extend(fs::read(&path).unwrap());
            } else {
                waiting.push(path.clone());
            }
            found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), told);
        }
    }
    found
}

/// The job by which a host captures a directory as the workspace `ada/lab`.
pub(crate) fn backup_job(name: &str, root: &Path) -> JobRequest {
    let key = JobKey::new(operation(name), "files".parse().unwrap(), 1);
    let (workspace, backup) = ("ada/lab".parse().unwrap(), BackupId::of(&operation(name)));
    let now = OpContext::background().clock().now();
    JobRequest::Backup(BackupJob::new(key, workspace, backup, component(root), now))
}

/// Starts a job and follows it to its end.
pub(crate) async fn run_job(provider: &S3SyncProvider, cx: &OpContext, request: &JobRequest) -> JobStatus {
    let job = provider.start(cx, request).await.unwrap();
    loop {
        let status = provider.poll(cx, &job, Duration::from_secs(5)).await.unwrap();
        if status.state.is_terminal() {
            return status;
        }
    }
}

/// Puts other lines into the manifest of a mirrored timestamp in a local store, checksums and all.
pub(crate) fn replace_manifest(scene: &Scene, snapshot: &SnapshotRef, lines: &str) {
    let (space, name) = snapshot.id.as_str().rsplit_once('/').unwrap();
    let control = scene.repository().join(space).join(".stillpoint").join(name);
    replace_record(&control.join("complete"), "completion", |record| {
        let part = framed("manifest", &zstd::bulk::compress(lines.as_bytes(), 1).unwrap());
        record["parts"][0]["sha256"] = Id::of(&part).to_string().into();
        record["parts"][0]["entries"] = lines.lines().count().into();
        fs::write(control.join(record["parts"][0]["name"].as_str().unwrap()), part).unwrap();
    });
}

/// Changes a record beside a mirrored timestamp, checksum and all.
pub(crate) fn replace_record(path: &Path, what: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let bytes = fs::read(path).unwrap();
    let start = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut record: serde_json::Value = serde_json::from_slice(&bytes[start..]).unwrap();
    change(&mut record);
    fs::write(path, framed(what, record.to_string().as_bytes())).unwrap();
}

fn framed(what: &str, content: &[u8]) -> Vec<u8> {
    let sha256 = Id::of(content);
    let mut bytes =
        format!("{{\"stillpoint\":\"{what}\",\"format\":1,\"sha256\":\"{sha256}\"}}\n").into_bytes();
    bytes.extend_from_slice(content);
    bytes
}
