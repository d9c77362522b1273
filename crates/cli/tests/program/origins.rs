//! Where a restored workspace comes from is catalogued, listed and shown.

use std::ffi::OsStr;

use serde_json::json;

use crate::common::Place;

#[test]
fn a_restored_directory_is_known_by_its_origin_also_after_its_own_backups() {
    let place = Place::with_tree(91);
    let backup = place.back_up();
    let target = place.path("restored");
    let words = ["restore", &backup, "--into"].map(OsStr::new);
    let restored = place.json(words.into_iter().chain([target.as_os_str()]));
    let name = restored["target"].as_str().unwrap();
    place.run(["backup", "--workspace", name]).assert_refused(1, &["not known", "name its directory"]);

    for _ in 0..2 {
        place.json([OsStr::new("backup"), target.as_os_str()]);
        let shown = place.json(["show", &format!("{name}@latest")]);
        let origin = &shown["restored_from"];
        assert_eq!(
            (&origin["backup"], &origin["operation"], &origin["workspace"]),
            (&json!(backup), &restored["operation_id"], &place.json(["show", &backup])["workspace"]),
            "{shown:#}"
        );
        assert_eq!(origin["restored_at"], restored["finished_at"]);
    }
    let from = format!("restored from {}, backup {backup}", place.source().canonicalize().unwrap().display());
    let shown = place.run(["show", "--", &format!("{name}@latest")]);
    assert!(shown.stdout.contains(&from), "{shown:?}");
    let listed = place.run(["list", "--workspace", name]);
    assert_eq!(listed.stdout.matches(&from).count(), 2, "{listed:?}");
    assert_eq!(place.json(["show", &backup])["restored_from"], json!(null), "nothing made the old one");
}
