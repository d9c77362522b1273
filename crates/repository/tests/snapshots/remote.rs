//! Backup and restore through an S3 server, and what they cost there.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{
    BackupOptions, BackupSource, Cancellation, Credentials, ErrorKind, LockMode, NoProgress, Origin,
    PruneOptions, RepairOptions, Repository, RestoreOptions, Store, StoreSettings, WriterOptions,
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
async fn a_restore_by_a_new_process_reads_five_objects_beside_the_packs_at_most() {
    let server = start_server();
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    TreeSpec::sized(42, 600, 24_000_000).plain().generate(&source).unwrap();
    let small_packs = WriterOptions::default().with_pack_sizes(4 << 20, 1 << 20);
    let options = crate::support::options(|options| options.writer = small_packs);
    let (repository, named, cancellation) =
        (open(&server).await, BackupSource::new(&source), Cancellation::new());
    let backup = repository.backup(&named, options, Arc::new(NoProgress), &cancellation);
    let snapshot = backup.await.unwrap().snapshot;
    let packs = repository.list_packs().await.unwrap().len() as u64;

    server.reset_requests();
    let (options, progress) = (RestoreOptions::new("op"), Arc::new(NoProgress));
    open(&server).await.restore(&snapshot, &target, options, progress, &cancellation).await.unwrap();
    let requests = server.requests();
    assert!(packs > 2 && requests.of("GET") <= packs + 5, "{requests:?} for {packs} packs");
    // Two looks around, and the lock, which is put and taken away.
    assert!(requests.total() <= packs + 8, "{requests:?} for {packs} packs");
    assert_same(&source, &target);
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

/// A server whose repository has one snapshot of a file; the file's directory.
async fn with_a_snapshot() -> (Server, tempfile::TempDir) {
    let (server, folder) = (start_server(), tempfile::tempdir().unwrap());
    let root = folder.path().join("source");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("file"), "content").unwrap();
    let (source, run) = (BackupSource::new(&root), open(&server).await);
    run.backup(&source, BackupOptions::default(), Arc::new(NoProgress), &Cancellation::new()).await.unwrap();
    (server, folder)
}

/// Restores the only snapshot and compares it with its source.
async fn comes_back(server: &Server, folder: &tempfile::TempDir) {
    let repository = open(server).await;
    let newest = repository.snapshots().await.unwrap().readable.pop().unwrap();
    let (target, options) = (folder.path().join("target"), RestoreOptions::new("op"));
    let cancellation = Cancellation::new();
    let restore = repository.restore(&newest.id, &target, options, Arc::new(NoProgress), &cancellation);
    assert!(restore.await.unwrap().issues.is_empty());
    assert_same(&folder.path().join("source"), &target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_gives_back_what_it_has_and_lets_it_go() {
    let (server, folder) = with_a_snapshot().await;
    server.inject(FaultRule::new(Fault::Full).method("PUT"));
    comes_back(&server, &folder).await;
    let repository = open(&server).await;
    let newest = repository.snapshots().await.unwrap().readable.pop().unwrap();
    repository.delete_snapshot(&newest.id).await.unwrap();
    assert!(open(&server).await.snapshots().await.unwrap().readable.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_cannot_be_read_keeps_no_restore_from_running() {
    let (server, folder) = with_a_snapshot().await;
    let lock = server.object_path("repo/locks").join("0b".repeat(32));
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, [7; 150]).unwrap();
    let refused = open(&server).await.lock(LockMode::Shared).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Corrupt { .. }), "whoever writes is refused: {refused}");
    comes_back(&server, &folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_cannot_be_removed_costs_no_report() {
    let (server, _folder) = with_a_snapshot().await;
    for (method, part) in [("DELETE", "locks"), ("POST", "delete")] {
        server.inject(FaultRule::new(Fault::AccessDenied).method(method).key(part));
    }
    let report = open(&server).await.check(&CheckOptions::new(CheckDepth::Structure)).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    // As a dry run it takes a shared lock, which the one that stays does not exclude.
    open(&server).await.repair_index(&RepairOptions::dry_run()).await.unwrap();
    assert!(server.requests().faults > 1, "it tried");
}
