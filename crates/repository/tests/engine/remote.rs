//! The engine on an S3 server that fails in many ways.

use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::aws::AmazonS3Builder;
use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::store::object_store::from_object_store;
use stillpoint_repository::{ErrorKind, Origin, Repository, Store, StoreSettings};
use stillpoint_testkit::s3::{Fault, FaultRule, Server};

use crate::support::{create, credentials, save, some_files};

pub(crate) fn settings(server: &Server) -> StoreSettings {
    StoreSettings::new(server.env())
}

/// The server brings its own runtime, which must not start on a thread of the test's.
pub(crate) fn start_server() -> Server {
    std::thread::spawn(Server::start).join().unwrap().unwrap()
}

fn store(server: &Server) -> Store {
    Store::from_url(&server.url("repo"), &settings(server)).unwrap()
}

#[tokio::test]
async fn lost_answers_and_throttling_are_ridden_out() {
    let server = start_server();
    for fault in [Fault::DropAnswer, Fault::SlowDown, Fault::InternalError, Fault::Drop] {
        server.inject(FaultRule::new(fault).method("PUT").every(5));
    }
    server.inject(FaultRule::new(Fault::SlowDown).method("GET").every(7));
    let repository = create(store(&server)).await;
    save(&repository, &some_files()).await;
    save(&repository, &some_files()).await;
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound() && report.snapshots == 2, "{report:?}");
    assert!(server.requests().faults > 3);
}

#[tokio::test]
async fn a_repository_that_is_never_answered_for_is_created_all_the_same() {
    let server = start_server();
    server.inject(FaultRule::new(Fault::DropAnswer).method("PUT").key("config").times(1));
    create(store(&server)).await;
}

/// The same server through a client that soon gives up a connection on which nothing comes.
fn impatient(server: &Server) -> Store {
    let (key, secret) = server.keys();
    let patience = ClientOptions::new().with_allow_http(true).with_read_timeout(Duration::from_millis(500));
    let client = AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_bucket_name(server.bucket())
        .with_region("us-east-1")
        .with_access_key_id(key)
        .with_secret_access_key(secret)
        .with_client_options(patience);
    from_object_store(Arc::new(client.build().unwrap()), "repo", "the server")
}

#[tokio::test]
async fn a_write_that_is_never_answered_is_looked_for_and_sent_again() {
    for fault in [Fault::Hang, Fault::HangAnswer] {
        let server = start_server();
        for part in ["config", "/data/", "/snapshots/"] {
            server.inject(FaultRule::new(fault).method("PUT").key(part).times(1));
        }
        let repository = create(impatient(&server)).await;
        save(&repository, &some_files()).await;
        let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
        assert!(report.is_sound() && report.snapshots == 1, "{report:?}");
        assert!(server.requests().faults >= 3, "{fault:?}");
    }
}

#[tokio::test]
async fn a_store_that_never_answers_a_write_is_given_up_and_called_unreachable() {
    let server = start_server();
    server.inject(FaultRule::new(Fault::Hang).method("PUT").key("config"));
    let failed = Repository::init(impatient(&server), &credentials(), Origin::detect()).await.unwrap_err();
    assert_eq!(failed.kind(), &ErrorKind::Unavailable, "{failed:?}");
    assert_eq!(server.requests().faults, 3);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let server = start_server();
    let open = |store: Store| async move {
        Repository::open(store, &credentials(), Origin::detect()).await.unwrap_err().kind().clone()
    };
    assert_eq!(open(store(&server)).await, ErrorKind::NoRepository);
    server.inject(FaultRule::new(Fault::AccessDenied));
    assert_eq!(open(store(&server)).await, ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn an_unreachable_store_is_called_so() {
    let server = start_server();
    let store = store(&server);
    drop(server);
    let failed = Repository::open(store, &credentials(), Origin::detect()).await.unwrap_err();
    assert_eq!(failed.kind(), &ErrorKind::Unavailable);
    assert!(failed.to_string().contains("cannot be reached"), "{failed}");
    assert!(!format!("{failed:?}").contains("test/secret"));
}

#[tokio::test]
async fn a_full_store_and_a_missing_bucket_are_called_so() {
    let server = start_server();
    let repository = create(store(&server)).await;
    server.inject(FaultRule::new(Fault::Full).method("PUT"));
    let full = repository.create_record("backup", "one", b"{}").await.unwrap_err();
    assert_eq!(full.kind(), &ErrorKind::NoSpace, "{full:?}");
    let missing = Store::from_url("s3://elsewhere/repo", &settings(&server)).unwrap();
    let failed = Repository::open(missing, &credentials(), Origin::detect()).await.unwrap_err();
    assert_eq!(failed.kind(), &ErrorKind::NotFound, "{failed:?}");
    assert!(failed.to_string().contains("no such bucket"), "{failed}");
}

#[tokio::test]
async fn a_pack_that_was_cut_short_on_a_server_is_damage_and_not_a_failing_store() {
    let server = start_server();
    let repository = create(store(&server)).await;
    save(&repository, &some_files()).await;
    let folders = std::fs::read_dir(server.root().join("bucket/repo/data")).unwrap();
    let packs = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let mut cut = 0;
    for pack in packs.map(|pack| pack.unwrap().path()).filter(|pack| pack.is_file()) {
        std::fs::write(pack, b"x").unwrap();
        cut += 1;
    }
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    let named = report.problems.iter().filter(|problem| problem.object.starts_with("data/")).count();
    assert!(cut > 0 && named == cut, "{report:?}");
}
