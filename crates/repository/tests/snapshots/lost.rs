//! Backups after the store has lost something: nothing that is remembered stands in for what is gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{
    Cancellation, Id, NoProgress, RepairOptions, RestoreOptions, Store, StoreSettings,
};

use crate::remembered::{Den, settle};

/// A den whose store is a directory.
fn den() -> Den {
    let den = Den::new();
    let url = format!("file://{}", den.folder.path().join("store").display());
    Den { store: Store::from_url(&url, &StoreSettings::default()).unwrap(), ..den }
}

fn write(den: &Den, name: &str, seed: u8) {
    let mut state = u32::from(seed) + 1;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    fs::write(den.source().join(name), bytes.take(60_000).collect::<Vec<_>>()).unwrap();
}

/// Where the longest pack lies, which holds content.
async fn pack(den: &Den) -> PathBuf {
    let packs = den.open_plain().await.list_packs().await.unwrap();
    let id = packs.into_iter().max_by_key(|(_, size)| *size).unwrap().0.to_hex();
    den.folder.path().join(format!("store/data/{}/{id}", &id[..2]))
}

async fn assert_whole(den: &Den, snapshot: &Id) {
    let repository = den.open_plain().await;
    let checked = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(checked.is_sound(), "{checked:?}");
    assert_restores(den, snapshot, "restored").await;
}

async fn assert_restores(den: &Den, snapshot: &Id, into: &str) {
    let repository = den.open_plain().await;
    let (target, options) = (den.folder.path().join(into), RestoreOptions::new("op"));
    let cancellation = Cancellation::new();
    let restored =
        repository.restore(snapshot, &target, options, Arc::new(NoProgress), &cancellation).await.unwrap();
    assert!(restored.issues.is_empty(), "{restored:?}");
    for file in ["one", "two"] {
        assert_eq!(fs::read(target.join(file)).unwrap(), fs::read(den.source().join(file)).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_repair_dropped_from_the_index_is_stored_by_the_next_backup() {
    let den = den();
    ["one", "two"].into_iter().zip(0..).for_each(|(name, seed)| write(&den, name, seed));
    settle().await;
    den.backup().await;
    assert!(den.backup().await.same_as_parent);
    fs::remove_file(pack(&den).await).unwrap();
    den.open_plain().await.repair_index(&RepairOptions::default()).await.unwrap();
    let next = den.backup().await;
    assert_eq!((next.bytes_read, next.written.data_blobs), (120_000, 2), "{next:?}");
    assert_whole(&den, &next.snapshot).await;
    let last = den.backup().await;
    assert_eq!(
        (last.bytes_read, last.same_as_parent, last.packs_seen),
        (0, true, true),
        "it is remembered again"
    );
}

/// Ways in which a store loses a pack.
const LOSSES: [fn(&Path); 3] = [
    |pack| fs::remove_file(pack).unwrap(),
    |pack| fs::OpenOptions::new().write(true).open(pack).unwrap().set_len(100).unwrap(),
    |pack| {
        let mut bytes = fs::read(pack).unwrap();
        bytes.iter_mut().step_by(30_000).for_each(|byte| *byte ^= 1);
        fs::write(pack, bytes).unwrap();
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_two_packs_is_restored_from_the_one_that_is_whole() {
    let den = den();
    ["one", "two"].into_iter().zip(0..).for_each(|(name, seed)| write(&den, name, seed));
    settle().await;
    den.backup().await;
    let first = pack(&den).await;
    let beside = den.folder.path().join("beside");
    fs::rename(&first, &beside).unwrap();
    write(&den, "three", 3);
    let next = den.backup().await;
    assert_eq!(next.written.data_blobs, 3, "{next:?}");
    let second = pack(&den).await;
    assert_ne!(first, second);
    // The index names both packs for two of the blobs, and either may be the first that it finds.
    for (number, lose) in LOSSES.iter().enumerate() {
        fs::copy(&beside, &first).unwrap();
        lose(&first);
        assert_restores(&den, &next.snapshot, &format!("from the second {number}")).await;
    }
    fs::rename(&beside, &first).unwrap();
    let whole = fs::read(&second).unwrap();
    for (number, lose) in LOSSES.iter().enumerate() {
        fs::write(&second, &whole).unwrap();
        lose(&second);
        let (repository, target) =
            (den.open_plain().await, den.folder.path().join(format!("from the first {number}")));
        let (options, cancellation) = (RestoreOptions::new("op"), Cancellation::new());
        let restored = repository
            .restore(&next.snapshot, &target, options, Arc::new(NoProgress), &cancellation)
            .await
            .unwrap();
        let lost: Vec<_> = restored.issues.items().iter().map(|issue| issue.path.clone()).collect();
        assert_eq!(lost, [PathBuf::from("three")], "{number}: {restored:?}");
        for file in ["one", "two"] {
            assert_eq!(fs::read(target.join(file)).unwrap(), fs::read(den.source().join(file)).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_that_lie_in_two_packs_are_read_from_the_one_that_is_whole() {
    let den = den();
    ["one", "two"].into_iter().zip(0..).for_each(|(name, seed)| write(&den, name, seed));
    fs::create_dir(den.source().join("deep")).unwrap();
    write(&den, "deep/three", 3);
    settle().await;
    let before = den.backup().await.snapshot;
    let listings = async || {
        let packs = den.open_plain().await.list_packs().await.unwrap();
        let packs = packs.into_iter().filter(|(_, size)| *size < 60_000).map(|(id, _)| id.to_hex());
        packs.map(|id| den.folder.path().join(format!("store/data/{}/{id}", &id[..2]))).collect::<Vec<_>>()
    };
    let [first] = <[_; 1]>::try_from(listings().await).unwrap();
    let beside = den.folder.path().join("beside");
    fs::rename(&first, &beside).unwrap();
    fs::write(den.source().join("four"), "").unwrap();
    settle().await;
    let after = den.backup().await.snapshot;
    let [second] = <[_; 1]>::try_from(listings().await).unwrap();
    let (whole, kept) = (fs::read(&second).unwrap(), fs::read(&beside).unwrap());
    // The listing of `deep` lies in both packs, that of each snapshot's top in one.
    for (number, lose) in LOSSES.iter().enumerate() {
        for (snapshot, lost, name) in [(&after, &first, "after"), (&before, &second, "before")] {
            fs::write(&first, &kept).unwrap();
            fs::write(&second, &whole).unwrap();
            lose(lost);
            let target = format!("{name} {number}");
            assert_restores(&den, snapshot, &target).await;
            let restored = fs::read(den.folder.path().join(target).join("deep/three")).unwrap();
            assert_eq!(restored, fs::read(den.source().join("deep/three")).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn index_files_that_are_gone_are_made_anew_from_the_packs_before_anything_counts_as_stored() {
    let den = den();
    write(&den, "one", 0);
    settle().await;
    den.backup().await;
    for file in fs::read_dir(den.folder.path().join("store/index")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    write(&den, "two", 1);
    settle().await;
    let next = den.backup().await;
    assert_eq!(next.bytes_read, 60_000, "{next:?}");
    assert_whole(&den, &next.snapshot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_without_changes_says_whether_all_packs_were_there() {
    let den = den();
    write(&den, "one", 0);
    settle().await;
    assert!(!den.backup().await.packs_seen, "nobody looked at them");
    assert!(den.backup().await.packs_seen);
    let pack = pack(&den).await;
    let whole = fs::read(&pack).unwrap();
    let beside = den.folder.path().join("beside");
    fs::rename(&pack, &beside).unwrap();
    assert!(!den.backup().await.packs_seen);
    fs::write(&pack, &whole[1..]).unwrap();
    assert!(!den.backup().await.packs_seen, "it is too short");
    fs::remove_file(&pack).unwrap();
    fs::rename(&beside, &pack).unwrap();
    assert!(den.backup().await.packs_seen);
}
