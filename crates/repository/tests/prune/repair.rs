//! Repairs of the index.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{Id, PruneOptions, RepairOptions};

use crate::interrupted::forget_locks;
use crate::mortal::Mortal;
use crate::support::{House, PASSWORD, backup, files_in};

/// More changes than any repair or backup here makes.
const LONG: i64 = 1_000;

fn index_files(house: &House) -> Vec<PathBuf> {
    let folder = house.folder.path().join("repository/index");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

async fn furnished() -> House {
    let house = House::on_disk().await;
    for seed in 0..3 {
        house.write("file", seed, 50_000);
        house.backup().await;
    }
    house
}

#[tokio::test]
async fn a_lost_index_is_rebuilt_from_the_packs() {
    let house = furnished().await;
    for file in index_files(&house) {
        std::fs::remove_file(file).unwrap();
    }
    let preview = house.repository.repair_index(&RepairOptions::dry_run()).await.unwrap();
    assert_eq!(preview.indexed_packs.len(), 6);
    assert!(index_files(&house).is_empty(), "a trial run writes nothing");
    let report = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert_eq!(report, preview);
    house.assert_sound(3).await;
    let again = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert!(again.is_sound(), "{again:?}");
    if let Some(restic) = stillpoint_testkit::oracle::restic() {
        restic.repository(house.location(), PASSWORD).check_read_data();
    }
}

#[tokio::test]
async fn a_damaged_index_file_is_put_aside_and_kept() {
    let house = furnished().await;
    let damaged = index_files(&house).remove(0);
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&damaged, &bytes).unwrap();
    let report = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert_eq!((report.replaced.len(), report.indexed_packs.len()), (1, 2));
    house.assert_sound(3).await;
    let name = format!("index-{}", damaged.file_name().unwrap().to_str().unwrap());
    let aside = house.folder.path().join("repository/stillpoint/quarantine").join(name);
    assert_eq!(std::fs::read(aside).unwrap(), bytes, "nothing is deleted");
    if let Some(restic) = stillpoint_testkit::oracle::restic() {
        restic.repository(house.location(), PASSWORD).check_read_data();
    }
}

#[tokio::test]
async fn a_pack_that_is_gone_leaves_the_index_and_is_named() {
    let house = furnished().await;
    let pack = house.repository.list_packs().await.unwrap()[0].0;
    let hex = pack.to_string();
    let path = house.folder.path().join(format!("repository/data/{}/{hex}", &hex[..2]));
    std::fs::remove_file(path).unwrap();
    let report = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert_eq!((report.missing_packs, report.replaced.len()), (vec![pack], 1));
    let checked = house.repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(!checked.is_sound(), "what the pack held stays lost");
    let pruned = house.repository.prune(&PruneOptions::with_grace(Duration::ZERO)).await.unwrap_err();
    assert!(pruned.to_string().contains("nothing is deleted"), "{pruned}");
}

/// The longest pack, which holds content, and where it lies.
async fn longest_pack(house: &House) -> (Id, PathBuf) {
    let packs = house.repository.list_packs().await.unwrap();
    let id = packs.into_iter().max_by_key(|(_, size)| *size).unwrap().0;
    let hex = id.to_string();
    (id, house.folder.path().join(format!("repository/data/{}/{hex}", &hex[..2])))
}

#[tokio::test]
async fn a_pack_that_is_cut_short_is_left_where_it_is() {
    let house = furnished().await;
    let (pack, path) = longest_pack(&house).await;
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let report = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert_eq!((report.unreadable_packs, report.replaced.len(), report.salvaged_blobs), (vec![pack], 1, 0));
    assert!(path.exists());
}

/// Everything is whole but for a pack that no index names.
async fn assert_readable(house: &House) {
    let repository = house.repository.with_fresh_index();
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(house.content(&repository.snapshots().await.unwrap().readable[0].id).await.len(), 10);
}

/// Ten pieces in one pack, of which the next repair cannot read the header.
async fn in_one_pack() -> (House, Id, PathBuf) {
    let house = House::on_disk().await;
    (0..10).for_each(|seed| house.write(&format!("file-{seed}"), seed, 30_000));
    house.backup().await;
    let (pack, path) = longest_pack(&house).await;
    (house, pack, path)
}

#[tokio::test]
async fn what_is_whole_in_a_damaged_pack_can_be_read_after_a_repair_as_before() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage, u64); 3] = [
        ("the end is cut off", |bytes| bytes.truncate(bytes.len() - 10), 10),
        ("something is appended", |bytes| bytes.extend_from_slice(b"more"), 10),
        ("a third is gone", |bytes| bytes.truncate(bytes.len() - 100_000), 6),
    ];
    for (what, damage, whole) in damages {
        let (house, pack, path) = in_one_pack().await;
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let preview = house.repository.repair_index(&RepairOptions::dry_run()).await.unwrap();
        let report = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
        assert_eq!((&report.unreadable_packs, report.salvaged_blobs), (&vec![pack], whole), "{what}");
        assert_eq!(preview, report, "{what}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}: nothing is changed in place");
        if whole == 10 {
            assert_readable(&house).await;
            if let Some(restic) = stillpoint_testkit::oracle::restic() {
                restic.repository(house.location(), PASSWORD).check_read_data();
            }
        }
    }
}

#[tokio::test]
async fn what_an_earlier_repair_put_aside_still_places_the_pieces_of_a_damaged_pack() {
    let (house, _, path) = in_one_pack().await;
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    let aside = house.folder.path().join("repository/stillpoint/quarantine");
    std::fs::create_dir_all(&aside).unwrap();
    for file in index_files(&house) {
        let name = format!("index-{}", file.file_name().unwrap().to_str().unwrap());
        std::fs::rename(file, aside.join(name)).unwrap();
    }
    let report = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert_eq!((report.salvaged_blobs, report.indexed_packs.len()), (10, 1));
    assert_readable(&house).await;
}

#[tokio::test]
async fn a_repair_counts_on_no_pack_that_is_gone() {
    let house = House::on_disk().await;
    for seed in 0..4 {
        house.write(&format!("file {seed}"), seed, 50_000);
    }
    let data_pack = async || {
        let packs = house.repository.list_packs().await.unwrap();
        let id = packs.into_iter().max_by_key(|(_, size)| *size).unwrap().0.to_hex();
        house.folder.path().join(format!("repository/data/{}/{id}", &id[..2]))
    };
    // The index names some packs that are gone, one of them first for the blobs of the last, in nearly every order.
    for _ in 0..6 {
        house.backup().await;
        std::fs::remove_file(data_pack().await).unwrap();
    }
    let snapshot = house.backup().await;
    let last = data_pack().await;
    let length = std::fs::metadata(&last).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&last).unwrap().set_len(length - 10).unwrap();
    let report = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert_eq!((report.missing_packs.len(), report.salvaged_blobs), (6, 4), "{report:?}");
    assert_eq!(house.content(&snapshot).await, files_in(&house.source()));
}

/// A backup of three files, with one bit of one of them turned over in its pack.
async fn on_disk_with_a_damaged_piece() -> (House, Id, PathBuf) {
    let house = House::on_disk().await;
    for name in ["one", "two", "three"] {
        house.write(name, u64::from(name.as_bytes()[1]), 60_000);
    }
    house.backup().await;
    let (pack, path) = longest_pack(&house).await;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[300] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    (house, pack, path)
}

/// One byte of content that turned over is nothing that the index could know of.
#[tokio::test]
async fn a_pack_with_a_damaged_piece_is_given_up_and_the_next_backup_stores_the_piece_anew() {
    let (house, pack, path) = on_disk_with_a_damaged_piece().await;
    let bytes = std::fs::read(&path).unwrap();
    let checked = house.repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(!checked.is_sound());
    let blind = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert!(blind.is_sound(), "the index alone shows nothing: {blind:?}");

    let options = RepairOptions::default().reading_data();
    let preview = house.repository.repair_index(&RepairOptions::dry_run().reading_data()).await.unwrap();
    assert_eq!((preview.damaged_packs.as_slice(), preview.salvaged_blobs), ([pack].as_slice(), 3));
    let report = house.repository.repair_index(&options).await.unwrap();
    assert_eq!((report.damaged_packs, report.salvaged_blobs, report.replaced.len()), (vec![pack], 2, 1));
    let aside = house.folder.path().join(format!("repository/stillpoint/quarantine/pack-{pack}"));
    assert!(std::fs::read(aside).unwrap() == bytes && !path.exists(), "it is put aside as it is");

    let second = backup(&house.repository.with_fresh_index(), &house.source()).await;
    let (stored, there) = (house.content(&second).await, files_in(&house.source()));
    let same: Vec<_> = there.iter().map(|(name, bytes)| (name, stored.get(name) == Some(bytes))).collect();
    assert!(same.iter().all(|(_, same)| *same), "what was lost is stored anew: {same:?}");
    let checked = house.repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(checked.is_sound(), "{checked:?}");
    let again = house.repository.repair_index(&options).await.unwrap();
    assert!(again.is_sound(), "{again:?}");
    if let Some(restic) = stillpoint_testkit::oracle::restic() {
        restic.repository(house.location(), PASSWORD).check_read_data();
    }
}

/// The header is whole, and who relies on it stores the damaged piece never again.
#[tokio::test]
async fn no_pack_is_indexed_by_its_header_alone() {
    let (house, pack, _) = on_disk_with_a_damaged_piece().await;
    // As a backup leaves its packs that was killed before it stored its index.
    index_files(&house).iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let report = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert_eq!((report.damaged_packs, report.salvaged_blobs), (vec![pack], 2));
    let second = backup(&house.repository.with_fresh_index(), &house.source()).await;
    assert!(house.content(&second).await == files_in(&house.source()), "the damaged piece is stored anew");
}

/// Three pieces in a pack in which one byte turned over.
async fn with_a_damaged_piece() -> (Arc<InMemory>, House) {
    let objects = Arc::new(InMemory::new());
    let house = House::on(Mortal::store(&objects, LONG, true)).await;
    (1..4).for_each(|seed| house.write(&format!("file-{seed}"), seed, 60_000));
    house.backup().await;
    let packs = house.repository.list_packs().await.unwrap();
    let hex = packs.into_iter().max_by_key(|(_, size)| *size).unwrap().0.to_string();
    let path = object_store::path::Path::from(format!("data/{}/{hex}", &hex[..2]));
    let mut bytes = objects.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
    bytes[300] ^= 1;
    objects.put(&path, bytes.into()).await.unwrap();
    (objects, house)
}

/// Between the deaths somebody backs up, who may take up what the repair had left.
#[tokio::test]
async fn a_repair_that_dies_at_any_of_its_changes_is_finished_by_the_next_one() {
    let options = RepairOptions::default().reading_data();
    let mut deaths = 0;
    for changes in 0.. {
        let mut survived = false;
        for last_arrives in [false, true] {
            let (objects, house) = with_a_damaged_piece().await;
            let doomed = house.repository.on_copy(Mortal::store(&objects, changes, last_arrives));
            survived |= doomed.repair_index(&options).await.is_ok();
            forget_locks(&objects).await;
            backup(&house.repository.with_fresh_index(), &house.source()).await;
            house.repository.with_fresh_index().repair_index(&options).await.unwrap();
            let last = backup(&house.repository.with_fresh_index(), &house.source()).await;
            let context = format!("died after {changes} changes, the last one arrived: {last_arrives}");
            assert!(house.content(&last).await == files_in(&house.source()), "{context}");
            let check = CheckOptions::new(CheckDepth::ReadAll);
            let report = house.repository.with_fresh_index().check(&check).await.unwrap();
            assert!(report.is_sound(), "{context}: {report:?}");
            deaths += u32::from(!survived);
        }
        if survived {
            break;
        }
    }
    assert!(deaths > 12, "{deaths}");
}
