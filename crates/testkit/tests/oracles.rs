//! The two oracles agree with each other, so that a disagreement with ours is ours.
#![expect(clippy::unwrap_used, reason = "a failed assumption ends the test")]

use std::fs;
use std::path::PathBuf;

use stillpoint_testkit::compare::Comparison;
use stillpoint_testkit::oracle;
use stillpoint_testkit::tree::TreeSpec;

#[test]
fn rustic_checks_and_restores_what_restic_wrote() {
    let (Some(restic), Some(rustic)) = (oracle::restic(), oracle::rustic()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (source, store, target) =
        (dir.path().join("source"), dir.path().join("store"), dir.path().join("target"));
    TreeSpec::small(31).restic_safe().generate(&source).unwrap();
    let repository = restic.repository(store.to_str().unwrap(), "word");
    repository.run(&["init"]);
    repository.run(&["backup", source.to_str().unwrap()]);
    rustic.check_read_data(&store, "word");
    rustic.restore(&store, "word", &format!("latest:{}", source.display()), &target);
    Comparison::new().ignoring_root().assert_same(&source, &target);
}

#[test]
fn restic_checks_and_restores_what_rustic_wrote() {
    let (Some(restic), Some(rustic)) = (oracle::restic(), oracle::rustic()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (source, store, target) =
        (dir.path().join("source"), dir.path().join("store"), dir.path().join("target"));
    TreeSpec::small(32).restic_safe().generate(&source).unwrap();
    rustic.init(&store, "word");
    rustic.backup(&store, "word", &source);
    let repository = restic.repository(store.to_str().unwrap(), "word");
    repository.check_read_data();
    repository.restore("latest", &target);
    Comparison::new().ignoring_root().assert_same(&source, &target.join(source.strip_prefix("/").unwrap()));
}

#[test]
fn both_complain_about_a_damaged_pack() {
    let (Some(restic), Some(rustic)) = (oracle::restic(), oracle::rustic()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (source, store) = (dir.path().join("source"), dir.path().join("store"));
    TreeSpec::small(33).plain().generate(&source).unwrap();
    let repository = restic.repository(store.to_str().unwrap(), "word");
    repository.run(&["init"]);
    repository.run(&["backup", source.to_str().unwrap()]);
    let pack = packs(&store.join("data")).into_iter().next().unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    bytes[40] ^= 1;
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();
    assert!(!repository.try_run(&["check", "--read-data"]).status.success());
    assert!(!rustic.try_run("check", &store, "word", &[]).status.success());
}

fn packs(dir: &std::path::Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    folders.flat_map(|dir| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path())).collect()
}
