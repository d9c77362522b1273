//! What the tests share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{
    BackupOptions, BackupSource, Cancellation, Credentials, Id, NoProgress, Origin, PruneOptions,
    PruneReport, Repository, RestoreOptions, Store, StoreSettings,
};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse battery staple, all lower case";

/// A repository and a source directory.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) repository: Repository,
}

impl House {
    /// A repository in memory.
    pub(crate) async fn in_memory() -> Self {
        Self::on(Store::memory()).await
    }

    /// A repository in a directory, which other programs can open.
    pub(crate) async fn on_disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = open(store_at(&folder.path().join("repository"))).await;
        Self::furnish(folder, repository)
    }

    pub(crate) async fn on(store: Store) -> Self {
        Self::furnish(tempfile::tempdir().unwrap(), open(store).await)
    }

    fn furnish(folder: TempDir, repository: Repository) -> Self {
        std::fs::create_dir(folder.path().join("source")).unwrap();
        Self { folder, repository }
    }

    pub(crate) fn location(&self) -> String {
        self.folder.path().join("repository").to_str().unwrap().to_owned()
    }

    pub(crate) fn source(&self) -> std::path::PathBuf {
        self.folder.path().join("source")
    }

    /// Replaces a file of the source by noise.
    pub(crate) fn write(&self, name: &str, seed: u64, length: usize) {
        std::fs::write(self.source().join(name), noise(seed, length)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.source().join(name)).unwrap();
    }

    pub(crate) async fn backup(&self) -> Id {
        backup(&self.repository, &self.source()).await
    }

    /// Restores a snapshot and answers what is in it.
    pub(crate) async fn content(&self, snapshot: &Id) -> BTreeMap<String, Vec<u8>> {
        let target = tempfile::tempdir().unwrap();
        let options = RestoreOptions::new("op");
        let into = target.path().join("out");
        let summary = self
            .repository
            .with_fresh_index()
            .restore(snapshot, &into, options, Arc::new(NoProgress), &Cancellation::new())
            .await
            .unwrap();
        drop(summary);
        files_in(&into)
    }

    pub(crate) async fn prune(&self, grace: Duration) -> PruneReport {
        self.repository.prune(&PruneOptions::with_grace(grace)).await.unwrap()
    }

    /// Everything is whole, and exactly `snapshots` snapshots and no unused packs are there.
    pub(crate) async fn assert_sound(&self, snapshots: u64) {
        let report =
            self.repository.with_fresh_index().check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
        assert!(report.is_sound() && report.snapshots == snapshots && report.unused_packs == 0, "{report:?}");
    }
}

/// Copies all objects of a store into another, as any tool does that knows nothing of repositories; answers how many.
pub(crate) async fn copied(from: &Store, to: &Store) -> usize {
    let objects: Vec<_> = from.list_objects("").try_collect().await.unwrap();
    for object in &objects {
        let content = from.get_object(&object.key, object.size).await.unwrap();
        to.put_object(&object.key, content).await.unwrap();
    }
    objects.len()
}

pub(crate) fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            files.insert(entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
        }
    }
    files
}

pub(crate) async fn backup(repository: &Repository, source: &Path) -> Id {
    let source = BackupSource::new(source.to_path_buf());
    let made = repository
        .backup(&source, BackupOptions::default(), Arc::new(NoProgress), &Cancellation::new())
        .await
        .unwrap();
    made.snapshot
}

pub(crate) fn store_at(folder: &Path) -> Store {
    Store::from_url(folder.to_str().unwrap(), &StoreSettings::default()).unwrap()
}

pub(crate) async fn open(store: Store) -> Repository {
    let credentials = Credentials::machine_key(PASSWORD.to_owned()).unwrap();
    Repository::open_or_init(store, &credentials, Origin::detect()).await.unwrap()
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}
