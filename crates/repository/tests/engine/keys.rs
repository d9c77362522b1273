//! Several passwords for one repository: added, changed, removed, with stock restic as the judge.

use stillpoint_repository::{CacheFolder, Credentials, ErrorKind, Id, Origin, Repository, Store};
use stillpoint_testkit::oracle;
use stillpoint_testkit::s3::{Fault, FaultRule};

use crate::remote::{settings, start_server};
use crate::support::{PASSWORD, create, local, open, save, some_files};

const OTHER: &str = "another password that is long enough for machines";
const THIRD: &str = "a third password that is long enough for machines";

fn key(password: &str) -> Credentials {
    Credentials::machine_key(password.to_owned()).unwrap()
}

async fn open_with(store: Store, password: &str) -> stillpoint_repository::Result<Repository> {
    Repository::open(store, &key(password), Origin::detect()).await
}

async fn current(repository: &Repository) -> Id {
    repository.keys().await.unwrap().iter().find(|key| key.current).unwrap().id
}

#[tokio::test]
async fn what_is_added_opens_with_stock_restic_and_what_is_removed_does_not() {
    let Some(restic) = oracle::restic() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let repository = create(local(dir.path())).await;
    save(&repository, &some_files()).await;
    let first = current(&repository).await;
    let added = repository.add_key(&key(OTHER)).await.unwrap();
    restic.repository(path, OTHER).check_read_data();
    restic.repository(path, PASSWORD).check_read_data();

    let own = repository.remove_key(&first).await.unwrap_err();
    assert_eq!(*own.kind(), ErrorKind::InvalidInput, "{own}");
    let unknown = repository.remove_key(&Id::of(b"none")).await.unwrap_err();
    assert_eq!(*unknown.kind(), ErrorKind::NotFound, "{unknown}");

    let other = open_with(local(dir.path()), OTHER).await.unwrap();
    assert_eq!(current(&other).await, added);
    other.remove_key(&first).await.unwrap();
    assert!(!restic.repository(path, PASSWORD).try_run(&["snapshots"]).status.success());
    assert_eq!(*open_with(local(dir.path()), PASSWORD).await.unwrap_err().kind(), ErrorKind::WrongPassword);
    // The first handle goes on reading; it removes nothing any more.
    assert_eq!(repository.snapshots().await.unwrap().readable.len(), 1);
    assert_eq!(*repository.remove_key(&added).await.unwrap_err().kind(), ErrorKind::WrongPassword);

    let changed = other.change_key(&key(THIRD)).await.unwrap();
    restic.repository(path, THIRD).check_read_data();
    assert!(!restic.repository(path, OTHER).try_run(&["snapshots"]).status.success());
    let third = open_with(local(dir.path()), THIRD).await.unwrap();
    let keys = third.keys().await.unwrap();
    assert_eq!((keys.len(), keys[0].id, keys[0].current), (1, changed, true));
    assert!(keys[0].created.is_some() && keys[0].damage.is_none());
    assert!(
        third.remove_key(&Id::of(b"none")).await.is_err()
            && std::fs::read_dir(dir.path().join("locks")).unwrap().count() == 0
    );
}

#[tokio::test]
async fn keys_of_stock_restic_are_listed_and_removed() {
    let Some(restic) = oracle::restic() else { return };
    let dir = tempfile::tempdir().unwrap();
    let repository = create(local(dir.path())).await;
    let file = dir.path().join("password");
    std::fs::write(&file, OTHER).unwrap();
    let theirs = restic.repository(dir.path().to_str().unwrap(), PASSWORD);
    theirs.run(&["key", "add", "--new-password-file", file.to_str().unwrap()]);
    let keys = repository.keys().await.unwrap();
    let added = keys.iter().find(|key| !key.current).unwrap();
    assert!(keys.len() == 2 && added.created.is_some() && added.username.is_some(), "{keys:?}");
    repository.remove_key(&added.id).await.unwrap();
    assert!(!restic.repository(dir.path().to_str().unwrap(), OTHER).try_run(&["snapshots"]).status.success());
}

#[tokio::test]
async fn a_removed_password_opens_nothing_that_this_machine_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let store = || local(&dir.path().join("repo")).with_cache(&CacheFolder::new(dir.path().join("cache")));
    let first = create(store()).await;
    let old = current(&first).await;
    first.add_key(&key(OTHER)).await.unwrap();
    open(store()).await;
    open_with(store(), OTHER).await.unwrap().remove_key(&old).await.unwrap();
    assert_eq!(*open_with(store(), PASSWORD).await.unwrap_err().kind(), ErrorKind::WrongPassword);
    open_with(store(), OTHER).await.unwrap();
}

#[tokio::test]
async fn a_change_that_cannot_end_leaves_both_passwords_and_says_so() {
    let server = start_server();
    let store = || Store::from_url(&server.url("keys"), &settings(&server)).unwrap();
    let repository = create(store()).await;
    // The first thing that is deleted is the old key; the lock may go.
    server.inject(FaultRule::new(Fault::AccessDenied).method("POST").key("?delete").times(1));
    let error = repository.change_key(&key(OTHER)).await.unwrap_err();
    assert!(error.to_string().contains("and the old one still does; remove the key"), "{error}");
    server.heal();
    for password in [PASSWORD, OTHER] {
        open_with(store(), password).await.unwrap();
    }
    server.inject(FaultRule::new(Fault::AccessDenied).method("PUT").key("keys/keys/"));
    assert!(repository.change_key(&key(THIRD)).await.is_err());
    server.heal();
    open_with(store(), PASSWORD).await.unwrap();
    assert!(open_with(store(), THIRD).await.is_err());
}

#[tokio::test]
async fn a_password_is_changed_also_where_there_are_as_many_keys_as_there_may_be() {
    let store = Store::memory();
    let repository = create(store.clone()).await;
    for number in 1..20 {
        repository.add_key(&key(&format!("password {number:02}, made by a machine"))).await.unwrap();
    }
    let refused = repository.add_key(&key(OTHER)).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::InvalidInput), "{refused}");
    repository.change_key(&key(OTHER)).await.unwrap();
    assert_eq!(repository.keys().await.unwrap().len(), 20);
    open_with(store.clone(), OTHER).await.unwrap();
    assert_eq!(*open_with(store, PASSWORD).await.unwrap_err().kind(), ErrorKind::WrongPassword);
}
