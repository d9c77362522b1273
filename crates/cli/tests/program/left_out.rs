//! What a backup or a restore leaves out, and says so.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::{Place, line};

#[test]
fn set_id_bits_are_left_out_and_said_unless_they_are_asked_for() {
    let place = Place::new();
    fs::create_dir(place.source()).unwrap();
    let tool = place.source().join("tool");
    fs::write(&tool, "#!/bin/sh").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o4755)).unwrap();
    place.back_up();
    let mode =
        |target: &std::path::Path| fs::metadata(target.join("tool")).unwrap().permissions().mode() & 0o7777;
    let (plain, full) = (place.path("plain"), place.path("full"));
    let restore = place.json(line(&["restore", "latest", "--into"], &plain));
    assert_eq!(mode(&plain), 0o755);
    assert!(restore["warnings"].to_string().contains("tool"), "{restore}");
    place.json(line(&["restore", "latest", "--privileged", "--into"], &full));
    assert_eq!(mode(&full), 0o4755);
}

#[test]
fn what_is_excluded_is_left_out_and_said() {
    let place = Place::new();
    fs::create_dir_all(place.source().join("cache")).unwrap();
    for name in ["keep.txt", "drop.tmp", "cache/big", "also.bak"] {
        fs::write(place.source().join(name), name).unwrap();
    }
    let patterns = place.path("patterns");
    fs::write(&patterns, "/cache/\n*.bak\n").unwrap();
    let file = patterns.to_str().unwrap();
    let backup = place.json(line(&["backup", "--exclude", "*.tmp", "--exclude-file", file], &place.source()));
    assert_eq!(backup["state"].as_str(), Some("completed"), "{backup}");
    for (rule, bytes) in [("*.tmp", "8 bytes"), ("/cache/", "9 bytes"), ("*.bak", "8 bytes")] {
        let said = backup["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap());
        assert!(said.into_iter().any(|said| said.contains(rule) && said.contains(bytes)), "{rule}: {backup}");
    }
    let files = place.json(["files", "latest"]);
    let paths: Vec<_> =
        files["entries"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"keep.txt"), "{paths:?}");
    assert!(
        !paths.iter().any(|path| path.contains("drop") || path.contains("cache") || path.contains("bak"))
    );
}

#[test]
fn a_data_directory_inside_the_source_is_left_out() {
    let mut place = Place::new();
    fs::create_dir(place.source()).unwrap();
    fs::write(place.source().join("notes"), "n").unwrap();
    let data = place.source().join(".stillpoint data");
    place.flag("--data-dir", data.to_str().unwrap());
    for _ in 0..3 {
        let backup = place.json(line(&["backup"], &place.source()));
        assert_eq!(backup["state"].as_str(), Some("completed"), "{backup}");
    }
    let files = place.json(["files", "latest"]).to_string();
    assert!(
        files.contains("notes") && !files.contains("catalog.sqlite") && !files.contains("/key\""),
        "{files}"
    );
}
