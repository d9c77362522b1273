//! Looking into snapshots without restoring them.

use std::fs;
use std::path::Path;

use stillpoint_repository::{Change, ErrorKind};

use crate::support::House;

async fn listed(
    house: &House,
    snapshot: &stillpoint_repository::Id,
    path: &str,
    recursive: bool,
) -> Vec<String> {
    let mut paths = Vec::new();
    let visit = |entry: stillpoint_repository::SnapshotEntry| {
        paths.push(entry.path.display().to_string());
        true
    };
    house.repository.visit_entries(snapshot, Path::new(path), recursive, visit).await.unwrap();
    paths
}

fn write(house: &House, path: &str, content: &str) {
    let path = house.source().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn entries_are_listed_in_order_whole_or_below_a_path() {
    let house = House::new().await;
    for path in ["b/two", "b/one", "a", "c/d/e"] {
        write(&house, path, path);
    }
    let id = house.backup().await.snapshot;
    assert_eq!(listed(&house, &id, "", true).await, ["a", "b", "b/one", "b/two", "c", "c/d", "c/d/e"]);
    assert_eq!(listed(&house, &id, "", false).await, ["a", "b", "c"]);
    assert_eq!(listed(&house, &id, "c", true).await, ["c/d", "c/d/e"]);
    assert_eq!(listed(&house, &id, "b/one", true).await, ["b/one"]);
    let missing =
        house.repository.visit_entries(&id, Path::new("b/three"), true, |_| true).await.unwrap_err();
    assert_eq!(missing.kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn differences_are_told_by_kind() {
    let house = House::new().await;
    for path in ["same/file", "gone/inner", "changed", "touched"] {
        write(&house, path, path);
    }
    let before = house.backup().await.snapshot;
    fs::remove_dir_all(house.source().join("gone")).unwrap();
    write(&house, "new/inner", "new");
    write(&house, "changed", "otherwise");
    let touched = fs::File::options().write(true).open(house.source().join("touched")).unwrap();
    touched.set_modified(std::time::UNIX_EPOCH).unwrap();
    let after = house.backup().await.snapshot;
    let mut found = Vec::new();
    let visit = |difference: stillpoint_repository::Difference| {
        found.push((difference.path.display().to_string(), difference.change));
        true
    };
    house.repository.diff(&before, &after, visit).await.unwrap();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("changed", Change::Modified),
        ("gone", Change::Removed),
        ("gone/inner", Change::Removed),
        ("new", Change::Added),
        ("new/inner", Change::Added),
        ("touched", Change::Metadata),
    ];
    assert_eq!(found, expected.map(|(path, change)| (path.to_owned(), change)));
    let mut none = 0;
    let count = |_| {
        none += 1;
        true
    };
    house.repository.diff(&after, &after, count).await.unwrap();
    assert_eq!(none, 0);
}
