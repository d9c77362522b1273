//! Repairs of the index.

use std::path::PathBuf;
use std::time::Duration;

use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{PruneOptions, RepairOptions};

use crate::support::{House, PASSWORD};

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

#[tokio::test]
async fn a_pack_that_is_cut_short_is_left_where_it_is() {
    let house = furnished().await;
    let (pack, size) = house.repository.list_packs().await.unwrap()[0];
    let hex = pack.to_string();
    let path = house.folder.path().join(format!("repository/data/{}/{hex}", &hex[..2]));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..usize::try_from(size / 2).unwrap()]).unwrap();
    let report = house.repository.repair_index(&RepairOptions::default()).await.unwrap();
    assert_eq!((report.unreadable_packs, report.replaced.len()), (vec![pack], 1));
    assert!(path.exists());
}
