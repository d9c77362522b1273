//! Locks that this process takes.

use stillpoint_repository::{ErrorKind, LockMode, Origin};

use crate::support::{create, local};

fn lock_count(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir.join("locks")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn shared_locks_coexist_and_exclude_an_exclusive_one() {
    let dir = tempfile::tempdir().unwrap();
    let repository = create(local(dir.path())).await;
    let first = repository.lock(LockMode::Shared).await.unwrap();
    let second = repository.lock(LockMode::Shared).await.unwrap();
    let refused = repository.lock(LockMode::Exclusive).await.unwrap_err();
    match refused.kind() {
        ErrorKind::Locked { by, host, .. } => {
            assert!(by.contains(&format!("process {}", std::process::id())), "{by}");
            assert_eq!(*host, Origin::detect().hostname);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lock_count(dir.path()), 2, "a refused lock leaves nothing behind");
    first.ensure_held().unwrap();
    first.release().await.unwrap();
    second.release().await.unwrap();
    assert_eq!(lock_count(dir.path()), 0);
    let exclusive = repository.lock(LockMode::Exclusive).await.unwrap();
    let refused = repository.lock(LockMode::Shared).await.unwrap_err();
    assert!(refused.to_string().contains("exclusively locked"));
    exclusive.release().await.unwrap();
}
