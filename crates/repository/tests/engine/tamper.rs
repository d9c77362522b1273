//! Damage anywhere in a repository is noticed and never turns into wrong bytes or a panic.

use std::fs;
use std::path::{Path, PathBuf};

use stillpoint_repository::check::{CheckDepth, CheckOptions, ProblemKind};
use stillpoint_repository::{LockMode, Origin, Repository};

use crate::support::{create, credentials, local, save, some_files};

fn objects(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(objects(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A repository with an object of every kind, and those objects.
async fn specimen(dir: &Path) -> Vec<PathBuf> {
    let repository = create(local(dir)).await;
    let mut files = some_files();
    files.retain(|_, data| data.len() < 1000);
    save(&repository, &files).await;
    repository.create_record("backup", "one", b"{}").await.unwrap();
    let found = objects(dir);
    let kinds = ["config", "/keys/", "/index/", "/snapshots/", "/data/", "/stillpoint/"];
    for kind in kinds {
        assert!(found.iter().any(|path| path.to_str().unwrap().contains(kind)), "{kind}");
    }
    found
}

/// True if opening or a full check complains.
async fn is_noticed(dir: &Path) -> bool {
    let Ok(repository) = Repository::open(local(dir), &credentials(), Origin::detect()).await else {
        return true;
    };
    !repository.check(&CheckOptions::new(CheckDepth::ReadAll).without_lock()).await.unwrap().is_sound()
}

#[tokio::test]
async fn flipped_bits_everywhere_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let objects = specimen(dir.path()).await;
    assert!(!is_noticed(dir.path()).await);
    let mut flips = 0;
    for path in &objects {
        let bytes = fs::read(path).unwrap();
        for at in (0..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at / 3 % 8);
            fs::write(path, changed).unwrap();
            assert!(is_noticed(dir.path()).await, "byte {at} of {}", path.display());
            flips += 1;
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(flips > 500, "{flips}");
    assert!(!is_noticed(dir.path()).await);
}

#[tokio::test]
async fn every_truncation_deletion_and_swap_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let objects = specimen(dir.path()).await;
    for path in &objects {
        let bytes = fs::read(path).unwrap();
        for length in (0..bytes.len()).step_by(13) {
            fs::write(path, &bytes[..length]).unwrap();
            assert!(is_noticed(dir.path()).await, "{} at {length}", path.display());
        }
        for other in objects.iter().filter(|other| *other != path) {
            fs::copy(other, path).unwrap();
            assert!(is_noticed(dir.path()).await, "{} as {}", other.display(), path.display());
        }
        fs::write(path, bytes).unwrap();
    }
}

#[tokio::test]
async fn a_missing_or_cut_pack_is_found_without_reading_any() {
    let dir = tempfile::tempdir().unwrap();
    let objects = specimen(dir.path()).await;
    let packs: Vec<_> = objects.iter().filter(|path| path.to_str().unwrap().contains("/data/")).collect();
    for pack in packs {
        let bytes = fs::read(pack).unwrap();
        fs::write(pack, &bytes[1..]).unwrap();
        assert_eq!(structural_problem(dir.path()).await, ProblemKind::Pack);
        fs::remove_file(pack).unwrap();
        assert_eq!(structural_problem(dir.path()).await, ProblemKind::Pack);
        fs::write(pack, bytes).unwrap();
    }
    let index = objects.iter().find(|path| path.to_str().unwrap().contains("/index/")).unwrap();
    fs::remove_file(index).unwrap();
    assert_eq!(structural_problem(dir.path()).await, ProblemKind::Tree);
}

async fn structural_problem(dir: &Path) -> ProblemKind {
    let repository = Repository::open(local(dir), &credentials(), Origin::detect()).await.unwrap();
    let report = repository.check(&CheckOptions::new(CheckDepth::Structure)).await.unwrap();
    assert_eq!(report.packs_read, 0);
    report.problems[0].kind
}

#[tokio::test]
async fn a_damaged_lock_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let repository = create(local(dir.path())).await;
    let lock = repository.lock(LockMode::Shared).await.unwrap();
    let path = &objects(&dir.path().join("locks"))[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[20] ^= 4;
    fs::write(path, bytes).unwrap();
    assert!(is_noticed(dir.path()).await);
    lock.release().await.unwrap();
}

#[tokio::test]
async fn leftovers_of_killed_writers_disturb_nobody() {
    let dir = tempfile::tempdir().unwrap();
    specimen(dir.path()).await;
    let scratch = dir.path().join("stillpoint/tmp");
    fs::write(scratch.join("half"), b"half a pack").unwrap();
    assert!(!is_noticed(dir.path()).await);
    let Some(restic) = stillpoint_testkit::oracle::restic() else { return };
    restic.repository(dir.path().to_str().unwrap(), crate::support::PASSWORD).check_read_data();
    let repository = Repository::open(local(dir.path()), &credentials(), Origin::detect()).await.unwrap();
    repository.lock(LockMode::Shared).await.unwrap().release().await.unwrap();
    assert!(objects(&scratch).is_empty());
}
