//! Whose lock counts, and for how long.

use super::*;
use crate::credentials::Credentials;
use crate::origin::Origin;
use crate::store::Store;
use crate::time::Timestamp;

async fn repository() -> Repository {
    let credentials = Credentials::generate().unwrap().0;
    Repository::init(Store::memory(), &credentials, Origin::detect()).await.unwrap()
}

/// Leaves an exclusive lock as another process, perhaps on another host, would have written it.
async fn leave(repository: &Repository, change: impl FnOnce(&mut LockRecord)) {
    let mut record = LockRecord::new(repository.origin(), true);
    change(&mut record);
    repository.save_file(FileKind::Lock, serde_json::to_vec(&record).unwrap()).await.unwrap();
}

async fn locks(repository: &Repository) -> usize {
    repository.list_files(FileKind::Lock).await.unwrap().len()
}

#[tokio::test]
async fn the_lock_of_a_dead_process_on_this_host_is_removed_at_once() {
    let repository = repository().await;
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    leave(&repository, |record| (record.pid, record.process_namespace) = (dead, Some(1))).await;
    let elsewhere = repository.lock(LockMode::Exclusive).await.unwrap_err();
    assert!(matches!(elsewhere.kind(), ErrorKind::Locked { .. }), "its process id is of another container");
    for (id, _) in repository.list_files(FileKind::Lock).await.unwrap() {
        repository.store().delete(&FileKind::Lock.key(&id)).await.unwrap();
    }
    leave(&repository, |record| record.pid = dead).await;
    let lock = repository.lock(LockMode::Exclusive).await.unwrap();
    assert_eq!(locks(&repository).await, 1);
    lock.release().await.unwrap();
    assert_eq!(locks(&repository).await, 0);
}

#[tokio::test]
async fn a_living_holder_is_named() {
    let repository = repository().await;
    leave(&repository, |record| record.username = "ada".to_owned()).await;
    let refused = repository.lock(LockMode::Shared).await.unwrap_err();
    let message = refused.to_string();
    assert!(
        message.contains("exclusively locked by ada, process ") && message.contains(" since 2"),
        "{message}"
    );
    assert_eq!(locks(&repository).await, 1, "the refused lock is gone, the other stays");
}

/// A repository in a directory, where a lock can be made older by the store's clock.
async fn on_disk() -> (tempfile::TempDir, Repository) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let store = Store::from_url(&url, &crate::StoreSettings::default()).unwrap();
    let credentials = Credentials::generate().unwrap().0;
    let repository = Repository::init(store, &credentials, Origin::detect()).await.unwrap();
    (folder, repository)
}

/// Makes all locks so many minutes older, as the store's clock counts.
fn age(folder: &tempfile::TempDir, minutes: u64) {
    for lock in std::fs::read_dir(folder.path().join("locks")).unwrap() {
        let file = std::fs::File::open(lock.unwrap().path()).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.set_modified(written - std::time::Duration::from_secs(minutes * 60)).unwrap();
    }
}

#[tokio::test]
async fn a_lock_of_another_host_counts_until_it_is_half_an_hour_old_by_the_stores_clock() {
    let (folder, repository) = on_disk().await;
    leave(&repository, |record| record.hostname = "elsewhere".to_owned()).await;
    age(&folder, 29);
    let refused = repository.lock(LockMode::Shared).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Locked { host, .. } if host == "elsewhere"), "{refused}");
    age(&folder, 2);
    repository.lock(LockMode::Exclusive).await.unwrap().release().await.unwrap();
    assert_eq!(locks(&repository).await, 0);
}

#[tokio::test]
async fn a_living_lock_stays_whatever_the_clocks_of_its_holder_or_of_this_machine_say() {
    for minutes in [-40, 40] {
        let repository = repository().await;
        leave(&repository, |record| {
            record.hostname = "elsewhere".to_owned();
            record.exclusive = false;
            record.time = Timestamp::new(clock::now().seconds + minutes * 60, 0);
        })
        .await;
        repository.lock(LockMode::Shared).await.unwrap().release().await.unwrap();
        let refused = repository.lock(LockMode::Exclusive).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Locked { .. }), "{refused}");
        assert_eq!(locks(&repository).await, 1, "{minutes} minutes");
    }
}

#[tokio::test]
async fn process_ids_of_other_machines_and_programs_say_nothing() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    let strangers: [fn(&mut LockRecord); 3] = [
        |restic| (restic.session, restic.process_namespace, restic.boot) = (None, None, None),
        |older| older.boot = None,
        |namesake| namesake.boot = Some("of another machine".to_owned()),
    ];
    for (number, stranger) in strangers.iter().enumerate() {
        let repository = repository().await;
        leave(&repository, |record| {
            record.pid = dead;
            stranger(record);
        })
        .await;
        let refused = repository.lock(LockMode::Shared).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Locked { .. }), "{number}: {refused}");
        assert_eq!(locks(&repository).await, 1, "{number}");
    }
}

#[tokio::test]
async fn an_exclusive_lock_of_another_program_is_left_to_whoever_knows_it_however_old_it_is() {
    let (folder, repository) = on_disk().await;
    leave(&repository, |record| record.session = None).await;
    age(&folder, 24 * 60);
    let refused = repository.lock(LockMode::Shared).await.unwrap_err();
    assert!(refused.to_string().contains("restic unlock"), "{refused}");
    assert_eq!(locks(&repository).await, 1);
}

#[tokio::test]
async fn a_lock_that_somebody_removed_does_not_stand() {
    let repository = repository().await;
    let lock = repository.lock(LockMode::Shared).await.unwrap();
    let id = lock.watch().id().unwrap();
    lock.watch().ensure_stands(&repository, &[id]).await.unwrap();
    lock.watch().ensure_stands(&repository, &[]).await.unwrap();
    repository.store().delete(&FileKind::Lock.key(&id)).await.unwrap();
    let gone = lock.watch().ensure_stands(&repository, &[]).await.unwrap_err();
    assert_eq!(*gone.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_damaged_lock_stops_us_with_its_name() {
    let repository = repository().await;
    let object = FileKind::Lock.key(&Id::of(b"half"));
    repository.store().put_new(&object, "half a".into()).await.unwrap();
    let refused = repository.lock(LockMode::Shared).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Corrupt { object: named } if *named == object));
}

#[tokio::test]
async fn a_lock_whose_time_ran_out_is_not_held_before_the_refresher_has_looked() {
    for (minutes, held) in [(0, true), (21, true), (23, false), (31, false)] {
        let time = Timestamp::new(clock::now().seconds - minutes * 60, 0);
        let since = Refreshed::new(time, clock::steady());
        let (stop, _stopped) = watch::channel(false);
        let (_refresher, state) = watch::channel(LockState::Held { since, id: Id::of(b"lock") });
        let asked = Lock { stop, state, task: None }.ensure_held();
        assert_eq!(asked.is_ok(), held, "{minutes} minutes");
        assert!(asked.is_ok() || asked.is_err_and(|error| *error.kind() == ErrorKind::Unavailable));
    }
}

#[tokio::test]
async fn a_stale_lock_that_may_not_be_removed_is_passed_over() {
    use stillpoint_testkit::s3::{Fault, FaultRule, Server};
    let server = std::thread::spawn(Server::start).join().unwrap().unwrap();
    let store = Store::from_url(&server.url("repo"), &crate::StoreSettings::new(server.env())).unwrap();
    let credentials = Credentials::generate().unwrap().0;
    let repository = Repository::init(store, &credentials, Origin::detect()).await.unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    leave(&repository, |record| record.pid = dead).await;
    // Some clients delete by a POST that names several objects.
    for verb in ["DELETE", "POST"] {
        server.inject(FaultRule::new(Fault::AccessDenied).method(verb));
    }
    let lock = repository.lock(LockMode::Exclusive).await.unwrap();
    assert_eq!(locks(&repository).await, 2, "the stale one stays");
    server.heal();
    lock.release().await.unwrap();
    assert_eq!(locks(&repository).await, 1);
}

#[tokio::test]
async fn a_dropped_lock_is_removed_without_waiting() {
    let repository = repository().await;
    drop(repository.lock(LockMode::Shared).await.unwrap());
    while locks(&repository).await > 0 {
        tokio::task::yield_now().await;
    }
}

/// A lock object of which only the beginning was written, under the name it was to have.
fn tear(folder: &tempfile::TempDir) {
    let name = Id::of(b"torn").to_hex();
    std::fs::write(folder.path().join("locks").join(name), b"the first bytes of a lock").unwrap();
}

#[tokio::test]
async fn a_lock_that_cannot_be_read_counts_until_it_is_half_an_hour_old_by_the_stores_clock() {
    let (folder, repository) = on_disk().await;
    tear(&folder);
    age(&folder, 29);
    let refused = repository.lock(LockMode::Shared).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Corrupt { .. }), "{refused}");
    age(&folder, 2);
    repository.lock(LockMode::Exclusive).await.unwrap().release().await.unwrap();
    assert_eq!(locks(&repository).await, 0);
}

#[tokio::test]
async fn a_check_begins_beside_a_lock_that_cannot_be_read() {
    let (folder, repository) = on_disk().await;
    tear(&folder);
    let checked =
        repository.check(&crate::check::CheckOptions::new(crate::check::CheckDepth::ReadAll)).await.unwrap();
    assert!(checked.is_sound(), "{checked:?}");
    assert_eq!(locks(&repository).await, 1, "it stays for whoever may be writing it");
}

#[tokio::test]
async fn on_request_abandoned_locks_go_and_living_ones_only_where_all_are_to() {
    let (folder, repository) = on_disk().await;
    // Another program's exclusive lock, which nothing else removes however old it is.
    leave(&repository, |record| (record.hostname, record.session) = ("restic".to_owned(), None)).await;
    age(&folder, 31);
    leave(&repository, |record| record.hostname = "elsewhere".to_owned()).await;
    tear(&folder);
    let mut found = repository.unlock(false).await.unwrap();
    found.sort_by_key(|lock| (lock.removed, lock.holder.is_some()));
    let removed: Vec<_> = found.iter().map(|lock| lock.removed).collect();
    assert_eq!((removed, locks(&repository).await), (vec![false, false, true], 2), "{found:?}");
    assert_eq!((&found[0].holder, found[0].exclusive), (&None, None));
    assert!(found[1].holder.as_ref().unwrap().contains("on elsewhere since 2"), "{found:?}");
    assert!(found[2].holder.as_ref().unwrap().contains("on restic since 2"), "{found:?}");
    let found = repository.unlock(true).await.unwrap();
    assert!(found.len() == 2 && found.iter().all(|lock| lock.removed), "{found:?}");
    assert_eq!((locks(&repository).await, repository.unlock(false).await.unwrap()), (0, Vec::new()));
    repository.lock(LockMode::Exclusive).await.unwrap().release().await.unwrap();
}
