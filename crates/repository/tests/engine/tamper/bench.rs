//! One tampered copy after the other: is the change noticed, and what is read back from it?

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::memory::InMemory;
use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::tree::Tree;
use stillpoint_repository::{
    BlobKind, Cancellation, Error, ErrorKind, Id, NoProgress, Origin, Repository, RestoreOptions,
};

use super::specimen::{Specimen, kind, set, store};
use crate::support::{credentials, open};

/// A copy of the specimen that is tampered with, and a repository that was opened before that.
pub(super) struct Bench<'a> {
    specimen: &'a Specimen,
    backend: Arc<InMemory>,
    opened: Repository,
}

/// What became of one change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Opening or checking complained.
    Noticed,
    /// Nothing complained.
    Missed,
}

/// Objects to replace, or to take away, by name.
pub(super) type Change<'a> = [(&'a str, Option<Bytes>)];

impl<'a> Bench<'a> {
    pub(super) async fn new(specimen: &'a Specimen) -> Self {
        let backend = Arc::new(InMemory::new());
        for (name, bytes) in &specimen.objects {
            set(&backend, name, Some(bytes.clone())).await;
        }
        let opened = open(store(&backend)).await;
        let bench = Self { specimen, backend, opened };
        assert_eq!(bench.judge(&[]).await, Verdict::Missed, "the specimen itself must be sound");
        bench
    }

    /// Applies a change, has the repository checked and read back, and undoes it.
    ///
    /// Panics if a file comes back with other content than it had, or if something inside panicked.
    pub(super) async fn judge(&self, change: &Change<'_>) -> Verdict {
        self.apply(change).await;
        let verdict = match self.repository(change).await {
            Ok(repository) => {
                self.read_everything(&repository).await;
                checked(&repository).await
            }
            Err(error) => {
                assert_orderly(&error);
                Verdict::Noticed
            }
        };
        self.undo(change).await;
        verdict
    }

    /// The changed objects that a check of everything does not name. If `read`, files are read back as well.
    pub(super) async fn unnamed(&self, change: &Change<'_>, read: bool) -> Vec<String> {
        self.apply(change).await;
        let repository = self.opened.with_fresh_index();
        if read {
            self.read_everything(&repository).await;
        }
        let options = CheckOptions::new(CheckDepth::ReadAll).without_lock();
        let report = repository.check(&options).await.unwrap();
        self.undo(change).await;
        let named: HashSet<&str> = report.problems.iter().map(|problem| problem.object.as_str()).collect();
        change.iter().map(|(name, _)| *name).filter(|name| !named.contains(name)).map(str::to_owned).collect()
    }

    /// As [`Self::judge`], with a restore of every snapshot to disk instead of the check.
    pub(super) async fn restore(&self, change: &Change<'_>) {
        self.apply(change).await;
        if let Ok(repository) = self.repository(change).await {
            for (id, files) in &self.specimen.snapshots {
                let target = tempfile::tempdir().unwrap();
                let (options, progress) = (RestoreOptions::new("op"), Arc::new(NoProgress));
                let cancellation = Cancellation::new();
                let restored = repository.restore(id, target.path(), options, progress, &cancellation);
                if let Err(error) = restored.await {
                    assert_orderly(&error);
                }
                assert_nothing_wrong(target.path(), target.path(), files);
            }
        }
        self.undo(change).await;
    }

    async fn apply(&self, change: &Change<'_>) {
        for (name, bytes) in change {
            set(&self.backend, name, bytes.clone()).await;
        }
    }

    async fn undo(&self, change: &Change<'_>) {
        for (name, _) in change {
            set(&self.backend, name, self.specimen.objects.get(*name).cloned()).await;
        }
    }

    /// The repository as a new process would see it. Only keys and configuration are read while opening, so for other
    /// changes the key that is known already is used again.
    async fn repository(&self, change: &Change<'_>) -> Result<Repository, Error> {
        if change.iter().any(|(name, _)| ["config", "keys"].contains(&kind(name))) {
            return Repository::open(store(&self.backend), &credentials(), Origin::detect()).await;
        }
        Ok(self.opened.with_fresh_index())
    }

    /// Every file of every snapshot comes back as it was or not at all.
    async fn read_everything(&self, repository: &Repository) {
        let mut seen = HashSet::new();
        for (id, files) in &self.specimen.snapshots {
            match repository.load_snapshot(id).await {
                Ok(snapshot) => read_files(repository, snapshot.tree, files, &mut seen).await,
                Err(error) => assert_orderly(&error),
            }
        }
    }
}

/// Reads what lies below a listing, but nothing twice that stands in `seen` under the same path.
async fn read_files(
    repository: &Repository,
    root: Id,
    files: &BTreeMap<String, Vec<u8>>,
    seen: &mut HashSet<(String, Vec<Id>)>,
) {
    let mut waiting = vec![(String::new(), root)];
    while let Some((prefix, id)) = waiting.pop() {
        if !seen.insert((prefix.clone(), vec![id])) {
            continue;
        }
        let tree = repository.load_blob(BlobKind::Tree, &id).await.and_then(|json| Tree::decode(&id, &json));
        let tree = match tree {
            Ok(tree) => tree,
            Err(error) => {
                assert_orderly(&error);
                continue;
            }
        };
        for node in tree.into_nodes() {
            let path = format!("{prefix}{}", node.name.escape_ascii());
            if let Some(subtree) = node.subtree {
                waiting.push((path + "/", subtree));
            } else if let Some(content) =
                node.content.filter(|content| seen.insert((path.clone(), content.clone())))
            {
                match repository.load_blobs(BlobKind::Data, &content).await {
                    Ok(blobs) => assert!(files.get(&path) == Some(&blobs.concat()), "{path} is wrong"),
                    Err(error) => assert_orderly(&error),
                }
            }
        }
    }
}

async fn checked(repository: &Repository) -> Verdict {
    let options = CheckOptions::new(CheckDepth::ReadAll).without_lock();
    match repository.check(&options).await {
        Ok(report) if report.is_sound() && report.warnings.is_empty() => Verdict::Missed,
        Ok(_) => Verdict::Noticed,
        Err(error) => {
            assert_orderly(&error);
            Verdict::Noticed
        }
    }
}

/// Work that panics on another thread is seen here as a cancelled operation.
fn assert_orderly(error: &Error) {
    assert!(*error.kind() != ErrorKind::Cancelled, "something panicked: {error:?}");
}

/// Every file below `dir` is one of `files`, with the content it must have.
fn assert_nothing_wrong(root: &Path, dir: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if name.starts_with(".stillpoint-restore-") {
            continue;
        }
        if path.is_dir() {
            assert_nothing_wrong(root, &path, files);
        } else {
            assert!(files.get(&name) == Some(&std::fs::read(&path).unwrap()), "{name} was restored wrong");
        }
    }
}
