//! The mirrored layout and the import from the command line.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Place, assert_keys, keys};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::tree::Edits;

const SPACE: [&str; 4] = ["--user", "ada", "--space", "lab"];

/// A place whose runs use the mirrored layout in a store of its own.
fn mirrored(seed: u64) -> Place {
    let mut place = Place::with_tree(seed);
    let store = place.path("mirror");
    place.env("STILLPOINT_LAYOUT", "mirror");
    place.env("STILLPOINT_STORE", store.to_str().unwrap());
    place
}

fn line<'a>(words: &[&'a str], path: Option<&'a Path>) -> Vec<&'a OsStr> {
    let words = words.iter().map(|word| OsStr::new(*word));
    words.chain(path.map(Path::as_os_str)).chain(SPACE.map(OsStr::new)).collect()
}

/// A timestamp as the sample script writes it.
fn script_timestamp(store: &Path, name: &str, complete: bool) -> PathBuf {
    let folder = store.join("ada/lab").join(name);
    fs::create_dir_all(folder.join("project")).unwrap();
    fs::write(folder.join("notes.txt"), "old notes").unwrap();
    fs::write(folder.join("project/main.py"), "print()").unwrap();
    if complete {
        fs::write(folder.join(format!("{name}_BACKUP_COMPLETE")), "done\n").unwrap();
    }
    folder
}

#[test]
fn every_command_works_on_mirrored_timestamps() {
    let place = mirrored(61);
    let first = place.json(line(&["backup"], Some(&place.source())));
    assert_eq!((first["workspace"].as_str(), first["state"].as_str()), (Some("ada/lab"), Some("completed")));
    assert_eq!(first["bytes"]["added"], first["bytes"]["scanned"]);
    Edits::few(62).apply(&place.source()).unwrap();
    let second = place.json(line(&["backup"], Some(&place.source())));
    assert!(second["bytes"]["added"].as_u64() < first["bytes"]["added"].as_u64(), "{second}");
    let id = second["backup_id"].as_str().unwrap();

    let snapshot = second["components"][0]["snapshot_id"].as_str().unwrap();
    assert!(place.path("mirror").join(snapshot).is_dir(), "{snapshot} is a folder of plain files");
    let list = place.json(line(&["list"], None));
    assert_eq!(list["backups"].as_array().unwrap().len(), 2);
    let shown = place.json(line(&["show", id], None));
    assert_eq!(shown["components"][0]["provider"], "mirror");
    let files = place.json(line(&["files", id], None));
    assert!(files["entries"].as_array().unwrap().len() > 100);
    let verified = place.json(line(&["verify", id], None));
    assert_eq!(
        (verified["depth"].as_str(), verified["problems"].as_array().unwrap().len()),
        (Some("decrypted"), 0)
    );
    let target = place.path("target");
    let mut restore = line(&["restore", "latest", "--privileged", "--into"], Some(&target));
    let restored = place.json(restore.clone());
    assert_eq!(restored["state"], "completed", "{restored}");
    assert_same(&place.source(), &target);
    restore.clear();

    fs::remove_file(place.data().join("catalog.sqlite")).unwrap();
    let rebuilt = place.json(line(&["rebuild"], None));
    assert_eq!(rebuilt["added"].as_array().unwrap().len(), 2, "{rebuilt}");
    place.json(line(&["delete", first["backup_id"].as_str().unwrap()], None));
    assert_eq!(place.json(line(&["list"], None))["backups"].as_array().unwrap().len(), 1);
    assert_eq!(place.json(line(&["rebuild"], None))["same"], 1);
    let refused = place.run(line(&["check"], None));
    assert_eq!(refused.code, Some(1), "{refused:?}");
}

#[test]
fn a_timestamp_of_the_sample_script_is_restored_by_either_form_of_its_time() {
    let place = mirrored(63);
    let folder = script_timestamp(&place.path("mirror"), "2024-03-28-10-11-12", true);
    script_timestamp(&place.path("mirror"), "2024-03-29-10-11-12", false);
    for (number, time) in
        ["2024-03-28-10-11-12", "2024-03-28T10:11:12Z", "ada/lab@2024-03-28-10-11-12"].into_iter().enumerate()
    {
        let target = place.path(&format!("target-{number}"));
        let restored = place.json(line(&["restore", time, "--into"], Some(&target)));
        assert_eq!(restored["state"], "completed", "{restored}");
        assert_eq!(fs::read(target.join("notes.txt")).unwrap(), fs::read(folder.join("notes.txt")).unwrap());
        assert_eq!(fs::read_dir(&target).unwrap().count(), 2, "the script's mark is no file of the user's");
    }
    let unfinished =
        place.run(line(&["restore", "2024-03-29-10-11-12", "--into"], Some(&place.path("none"))));
    assert_eq!(unfinished.code, Some(1), "{unfinished:?}");
    assert_eq!(place.json(line(&["list"], None))["backups"].as_array().unwrap().len(), 1);
}

#[test]
fn an_import_of_what_was_imported_in_part_stays_a_partial_one() {
    let place = mirrored(65);
    let store = place.path("mirror");
    place.json(line(&["backup"], Some(&place.source())));
    let mut folders = fs::read_dir(store.join("ada/lab")).unwrap().map(|entry| entry.unwrap().path());
    let folder = folders.find(|path| path.file_name() != Some(OsStr::new(".stillpoint"))).unwrap();
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    fs::remove_file(entries.find(|path| path.is_file()).unwrap()).unwrap();
    let repository = Place::new();
    let import = ["import", "--from", store.to_str().unwrap()];
    assert_eq!(repository.json_ending(3, import)["partial"], 1);
    let again = repository.json_ending(3, import);
    assert_eq!((&again["known"], &again["partial"]), (&1.into(), &0.into()), "{again}");
}

#[test]
fn an_import_reports_each_timestamp_and_again_adds_nothing() {
    let place = mirrored(64);
    let store = place.path("mirror");
    script_timestamp(&store, "2024-03-28-10-11-12", true);
    place.json(line(&["backup"], Some(&place.source())));
    let from = store.to_str().unwrap();
    let repository = Place::new();

    let first = repository.json(["import", "--from", from]);
    assert_keys(&first, &["from", "timestamps", "imported", "known", "partial", "failed"]);
    assert_eq!((first["imported"].as_u64(), first["failed"].as_u64()), (Some(2), Some(0)), "{first}");
    let item = &first["timestamps"][0];
    assert_eq!(
        keys(item),
        ["backup_id", "bytes", "created_at", "files", "issues", "source", "state", "warnings", "workspace"]
    );
    assert_eq!(item["created_at"], "2024-03-28T10:11:12.000Z");
    let again = repository.json(line(&["import", "--from", from], None));
    assert_eq!((again["imported"].as_u64(), again["known"].as_u64()), (Some(0), Some(2)), "{again}");
    assert_eq!(repository.json(["list"])["backups"].as_array().unwrap().len(), 2);
    // Nothing to import is no success: the address may be wrong.
    let nobody = repository.run(["import", "--from", from, "--user", "eve", "--space", "lab"]);
    nobody.assert_refused(1, &["no finished timestamp"]);

    let target = repository.path("target");
    let words = [
        OsStr::new("restore"),
        OsStr::new("ada/lab@latest"),
        OsStr::new("--privileged"),
        OsStr::new("--into"),
    ];
    let restored = repository.json(words.into_iter().chain([target.as_os_str()]));
    assert_eq!(restored["state"], "completed", "{restored}");
    assert_same(&place.source(), &target);
    assert_eq!(repository.json(["check", "--read-data"])["problems"].as_array().unwrap().len(), 0);
}
