//! Backup and restore through an S3 server, and what they cost there.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{
    BackupOptions, BackupSource, Cancellation, Credentials, ErrorKind, NoProgress, Origin, PruneOptions,
    Repository, RestoreOptions, Store, StoreSettings,
};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::s3::{Fault, FaultRule, Server};
use stillpoint_testkit::tree::TreeSpec;

use crate::support::PASSWORD;

/// The server brings its own runtime, which must not start on a thread of the test's.
fn start_server() -> Server {
    std::thread::spawn(Server::start).join().unwrap().unwrap()
}

async fn open(server: &Server) -> Repository {
    let store = Store::from_url(&server.url("repo"), &StoreSettings::new(server.env())).unwrap();
    let credentials = Credentials::machine_key(PASSWORD.to_owned()).unwrap();
    Repository::open_or_init(store, &credentials, Origin::detect()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_follow_the_packs_and_not_the_files() {
    let server = start_server();
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    let made = TreeSpec::sized(41, 600, 4_000_000).plain().generate(&source).unwrap();
    let (named, cancellation) = (BackupSource::new(&source), Cancellation::new());
    let repository = open(&server).await;
    let mut counts = Vec::new();
    for _ in 0..2 {
        server.reset_requests();
        let run = repository.backup(&named, BackupOptions::default(), Arc::new(NoProgress), &cancellation);
        let summary = run.await.unwrap();
        counts.push(server.requests().total());
        assert_eq!(summary.files_new + summary.files_unmodified, made.files as u64);
    }
    assert!(counts[0] < 30 && counts[1] < 30, "{counts:?} requests for {} files", made.files);

    let fresh = open(&server).await;
    server.inject(FaultRule::new(Fault::InternalError).method("GET").every(4));
    let newest = fresh.snapshots().await.unwrap().readable.pop().unwrap();
    let options = RestoreOptions::new("op");
    let summary =
        fresh.restore(&newest.id, &target, options, Arc::new(NoProgress), &cancellation).await.unwrap();
    assert!(summary.issues.is_empty(), "{:?}", summary.issues);
    assert!(server.requests().faults > 0);
    assert_same(&source, &target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_may_only_be_read_is_checked_without_a_lock() {
    let server = start_server();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "content").unwrap();
    let (source, cancellation) = (BackupSource::new(folder.path()), Cancellation::new());
    let run = open(&server).await;
    run.backup(&source, BackupOptions::default(), Arc::new(NoProgress), &cancellation).await.unwrap();
    for verb in ["PUT", "POST", "DELETE"] {
        server.inject(FaultRule::new(Fault::AccessDenied).method(verb));
    }
    let report = open(&server).await.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound() && report.snapshots == 1, "{report:?}");
    assert!(server.requests().faults > 0, "it tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_document_passes_for_no_listing_and_nothing_is_deleted_for_it() {
    let server = start_server();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "content").unwrap();
    let (source, cancellation) = (BackupSource::new(folder.path()), Cancellation::new());
    let repository = open(&server).await;
    let run = repository.backup(&source, BackupOptions::default(), Arc::new(NoProgress), &cancellation);
    run.await.unwrap();
    server.inject(FaultRule::new(Fault::Page).key("list-type=2").key("snapshots"));
    let refused = repository.prune(&PruneOptions::with_grace(Duration::ZERO)).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Unavailable, "{refused}");
    assert!(repository.snapshots().await.is_err());
    assert!(server.requests().faults > 0);
    server.heal();
    let report = open(&server).await.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound() && report.snapshots == 1, "{report:?}");
}
