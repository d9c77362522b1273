//! Writing and reading with one implementation.

use std::collections::BTreeMap;

use stillpoint_repository::check::{CheckDepth, CheckOptions, VerifiedDepth};
use stillpoint_repository::{
    BlobKind, BlobWriter, Credentials, ErrorKind, Id, Origin, Repository, Store, WriterOptions,
};

use crate::support::{create, credentials, local, noise, open, read_back, save, some_files};

#[tokio::test]
async fn a_snapshot_reads_back_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let files = some_files();
    let id = save(&create(local(dir.path())).await, &files).await;

    let repository = open(local(dir.path())).await;
    let found = repository.find_snapshot(&id.to_hex()[..6]).await.unwrap();
    assert_eq!(found.id, id);
    let read = read_back(&repository, found.snapshot.tree).await;
    assert_eq!(
        read,
        files.iter().map(|(path, data)| ((*path).to_owned(), data.clone())).collect::<BTreeMap<_, _>>()
    );

    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.depth, report.snapshots, report.trees), (VerifiedDepth::Read, 1, 3));
    assert_eq!((report.packs, report.packs_read, report.unused_packs), (2, 2, 0));
}

#[tokio::test]
async fn the_same_content_is_stored_once() {
    let repository = create(Store::memory()).await;
    save(&repository, &some_files()).await;
    let before = repository.list_packs().await.unwrap().len();
    let again = open(repository.store().clone()).await;
    let writer = BlobWriter::new(&again, WriterOptions::default()).await.unwrap();
    for data in some_files().into_values().filter(|data| !data.is_empty()) {
        let outcome = writer.add(BlobKind::Data, Id::of(&data), data).await.unwrap();
        assert!(!outcome.new);
    }
    let twice = noise(1, 1000);
    assert!(writer.add(BlobKind::Data, Id::of(&twice), twice.clone()).await.unwrap().new);
    assert!(!writer.add(BlobKind::Data, Id::of(&twice), twice).await.unwrap().new);
    assert_eq!(writer.finish().await.unwrap().data_blobs, 1);
    assert_eq!(repository.list_packs().await.unwrap().len(), before + 1);
}

#[tokio::test]
async fn opening_tells_missing_wrong_and_unreachable_apart() {
    let dir = tempfile::tempdir().unwrap();
    let open = |store: Store, credentials: Credentials| async move {
        Repository::open(store, &credentials, Origin::detect()).await.unwrap_err().kind().clone()
    };
    assert_eq!(open(local(&dir.path().join("none")), credentials()).await, ErrorKind::NoRepository);
    create(local(dir.path())).await;
    let wrong = Credentials::machine_key("another password that is long enough".to_owned()).unwrap();
    assert_eq!(open(local(dir.path()), wrong).await, ErrorKind::WrongPassword);
    let again = Repository::init(local(dir.path()), &credentials(), Origin::detect()).await.unwrap_err();
    assert_eq!(again.kind(), &ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn an_interrupted_creation_is_taken_up_again_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    create(local(dir.path())).await;
    std::fs::remove_file(dir.path().join("config")).unwrap();
    let other = Credentials::machine_key("another password that is long enough".to_owned()).unwrap();
    let refused = Repository::init(local(dir.path()), &other, Origin::detect()).await.unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::WrongPassword);
    create(local(dir.path())).await;
    assert_eq!(std::fs::read_dir(dir.path().join("keys")).unwrap().count(), 1);
    open(local(dir.path())).await;
}

#[tokio::test]
async fn a_lost_configuration_is_not_papered_over() {
    let dir = tempfile::tempdir().unwrap();
    save(&create(local(dir.path())).await, &some_files()).await;
    std::fs::remove_file(dir.path().join("config")).unwrap();
    let refused = Repository::init(local(dir.path()), &credentials(), Origin::detect()).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Corrupt { object } if object == "config"));
}

#[tokio::test]
async fn a_checkpoint_saves_full_packs_for_a_later_run() {
    let dir = tempfile::tempdir().unwrap();
    let repository = create(local(dir.path())).await;
    let options = WriterOptions::default().with_pack_sizes(4 << 20, 1 << 20);
    let writer = BlobWriter::new(&repository, options).await.unwrap();
    let blobs: Vec<_> = (0..9).map(|seed| noise(seed, 1 << 20)).collect();
    for blob in &blobs {
        writer.add(BlobKind::Data, Id::of(blob), blob.clone()).await.unwrap();
    }
    writer.checkpoint().await.unwrap();
    drop(writer);

    let index = open(local(dir.path())).await.index().await.unwrap();
    let known = blobs.iter().filter(|blob| index.contains(BlobKind::Data, &Id::of(blob))).count();
    assert_eq!(known, 6, "two packs of three blobs are durable, the third was still open");
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound());
}

#[tokio::test]
async fn a_writer_whose_blob_was_given_up_finishes_with_an_error() {
    let repository = create(Store::memory()).await;
    let writer = BlobWriter::new(&repository, WriterOptions::default()).await.unwrap();
    let prepared = writer.prepare(BlobKind::Data, Id::of(b"x"), b"x").unwrap();
    assert!(prepared.is_some());
    drop(prepared);
    assert_eq!(writer.finish().await.unwrap_err().kind(), &ErrorKind::Cancelled);
}

#[tokio::test]
async fn many_tasks_may_write_at_once() {
    let repository = create(Store::memory()).await;
    let options = WriterOptions::default().with_pack_sizes(4 << 20, 1 << 20).with_packs_in_flight(1);
    let writer = BlobWriter::new(&repository, options).await.unwrap();
    let tasks = (0..8).map(|task| {
        let writer = writer.clone();
        tokio::spawn(async move {
            for seed in 0..40 {
                let blob = noise(seed + task % 4 * 20, 100_000);
                writer.add(BlobKind::Data, Id::of(&blob), blob).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let summary = writer.finish().await.unwrap();
    assert_eq!(summary.data_blobs, 100);
    assert_eq!(summary.packs, 3);
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound());
}

#[tokio::test]
async fn short_identifiers_are_found_or_explained() {
    let repository = create(Store::memory()).await;
    let kind = |error: stillpoint_repository::Error| error.kind().clone();
    assert_eq!(kind(repository.find_snapshot("ab").await.unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(repository.find_snapshot("latest").await.unwrap_err()), ErrorKind::InvalidInput);
    let mut ids = Vec::new();
    for _ in 0..17 {
        ids.push(save(&repository, &some_files()).await);
    }
    ids.sort_unstable();
    let twins = ids.windows(2).find(|pair| pair[0].to_hex()[..1] == pair[1].to_hex()[..1]).unwrap();
    match kind(repository.find_snapshot(&twins[0].to_hex()[..1]).await.unwrap_err()) {
        ErrorKind::Ambiguous { candidates } => assert!(candidates.contains(&twins[1].to_hex())),
        other => panic!("{other:?}"),
    }
    repository.delete_snapshot(&ids[0]).await.unwrap();
    repository.delete_snapshot(&ids[0]).await.unwrap();
    assert_eq!(repository.snapshots().await.unwrap().readable.len(), 16);
}

#[tokio::test]
async fn records_are_kept_apart_and_bound_to_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let repository = create(local(dir.path())).await;
    repository.create_record("backup", "one", b"{\"a\":1}").await.unwrap();
    repository.create_record("backup", "one", b"{\"a\":1}").await.unwrap();
    let taken = repository.create_record("backup", "one", b"{}").await.unwrap_err();
    assert_eq!(taken.kind(), &ErrorKind::AlreadyExists);
    repository.replace_record("backup", "two", b"{}").await.unwrap();
    assert_eq!(repository.list_records("backup").await.unwrap(), ["one", "two"]);
    assert_eq!(repository.read_record("backup", "one").await.unwrap(), b"{\"a\":1}");
    for (kind, name) in
        [("backup", "../config"), ("", "x"), ("tmp", "x"), ("backup", ".hidden"), ("a/b", "x")]
    {
        let refused = repository.create_record(kind, name, b"").await.unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::InvalidInput);
    }
    let folder = dir.path().join("stillpoint/backup");
    std::fs::copy(folder.join("one"), folder.join("two")).unwrap();
    let moved = repository.read_record("backup", "two").await.unwrap_err();
    assert!(matches!(moved.kind(), ErrorKind::Corrupt { .. }));
    repository.delete_record("backup", "one").await.unwrap();
    assert_eq!(repository.list_records("backup").await.unwrap(), ["two"]);
}

#[tokio::test]
async fn two_processes_that_create_at_once_share_one_repository_with_one_key() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let (credentials, origin) = (credentials(), Origin::detect());
        let start = || Repository::open_or_init(local(dir.path()), &credentials, origin.clone());
        let (one, two) = tokio::join!(start(), start());
        assert_eq!(one.unwrap().id(), two.unwrap().id());
        assert_eq!(std::fs::read_dir(dir.path().join("keys")).unwrap().count(), 1);
    }
}
