//! A reference repository of about 64 KiB with objects of every kind, kept as plain bytes by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use stillpoint_repository::store::object_store::from_object_store;
use stillpoint_repository::{BlobKind, BlobWriter, Id, LockMode, Store, WriterOptions};

use crate::support::{create, noise, read_back, save_after};

/// Objects by name.
pub(super) type Objects = BTreeMap<String, Bytes>;

/// The reference repository.
pub(super) struct Specimen {
    pub(super) objects: Objects,
    /// Objects that were once there under these names: a snapshot that was removed, a record before it was replaced.
    pub(super) older: Objects,
    /// Each snapshot, oldest first, with the content of its files.
    pub(super) snapshots: Vec<(Id, BTreeMap<String, Vec<u8>>)>,
}

/// The kind of an object, by its name.
pub(super) fn kind(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// Files of a few kilobytes, each of which becomes a pack of its own.
fn files(round: u64) -> BTreeMap<String, Vec<u8>> {
    let text = "all quiet on the western front ".repeat(80);
    let mut files = BTreeMap::from([
        ("empty".to_owned(), Vec::new()),
        ("notes.txt".to_owned(), format!("mind the gap, round {round}\n{text}").into_bytes()),
        ("sub/zero".to_owned(), vec![0; 10_000]),
        ("weights".to_owned(), noise(200 + round, 2_600)),
    ]);
    files.extend((0..20).map(|number| (format!("sub/noise-{number}"), noise(number, 2_400))));
    files
}

impl Specimen {
    /// Writes the repository: four snapshots in a line, the third of which is removed, records and locks.
    pub(super) async fn make() -> Self {
        let backend = Arc::new(InMemory::new());
        let repository = create(store(&backend)).await;
        let mut older = Objects::new();
        let mut snapshots = Vec::new();
        let mut parent = None;
        for round in 0..4 {
            // The one that is removed holds nothing of its own, so that every object is needed by one that stays.
            let files = files(if round == 2 { 1 } else { round });
            for data in files.values().filter(|data| !data.is_empty()) {
                let writer = BlobWriter::new(&repository, WriterOptions::default()).await.unwrap();
                writer.add(BlobKind::Data, Id::of(data), data.clone()).await.unwrap();
                writer.finish().await.unwrap();
            }
            let files = files.iter().map(|(path, data)| (path.as_str(), data.clone())).collect();
            let id = save_after(&repository, &files, parent).await;
            let tree = repository.load_snapshot(&id).await.unwrap().tree;
            snapshots.push((id, read_back(&repository, tree).await));
            parent = (round != 2).then_some(id).or(parent);
        }
        repository.create_record("backups", "one", b"{\"before\":1}").await.unwrap();
        repository.create_record("backups", "two", b"{}").await.unwrap();
        older.extend(all(&backend).await.into_iter().filter(|(name, _)| name.ends_with("/one")));
        repository.replace_record("backups", "one", b"{\"after\":2}").await.unwrap();
        let (removed, _) = snapshots.remove(2);
        let name = format!("snapshots/{removed}");
        older.insert(name.clone(), all(&backend).await.remove(&name).unwrap());
        repository.delete_snapshot(&removed).await.unwrap();
        for _ in 0..2 {
            // A lock whose holder is gone; dropping it instead would let it be refreshed and released.
            std::mem::forget(repository.lock(LockMode::Shared).await.unwrap());
        }
        let objects = all(&backend).await;
        for wanted in ["config", "keys", "index", "snapshots", "data", "locks", "stillpoint"] {
            assert!(objects.keys().any(|name| kind(name) == wanted), "{wanted}");
        }
        let specimen = Self { objects, older, snapshots };
        let bytes = specimen.bytes();
        assert!((64 << 10..96 << 10).contains(&bytes), "{bytes} bytes");
        specimen
    }

    /// Length of all objects together.
    pub(super) fn bytes(&self) -> usize {
        self.objects.values().map(Bytes::len).sum()
    }
}

/// The backend as the engine sees it.
pub(super) fn store(backend: &Arc<InMemory>) -> Store {
    from_object_store(Arc::clone(backend) as Arc<dyn ObjectStore>, "", "memory:")
}

/// Everything that a backend holds.
pub(super) async fn all(backend: &InMemory) -> Objects {
    let listed: Vec<_> = backend.list(None).try_collect().await.unwrap();
    let mut objects = Objects::new();
    for object in listed {
        let bytes = backend.get(&object.location).await.unwrap().bytes().await.unwrap();
        objects.insert(object.location.to_string(), bytes);
    }
    objects
}

/// Puts an object into a backend, or takes it out.
pub(super) async fn set(backend: &InMemory, name: &str, bytes: Option<Bytes>) {
    let path = Path::parse(name).unwrap();
    match bytes {
        Some(bytes) => drop(backend.put(&path, bytes.into()).await.unwrap()),
        None => backend.delete(&path).await.unwrap(),
    }
}
