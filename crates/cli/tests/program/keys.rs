//! Passwords are added, listed, changed and removed, as people do it; stock restic judges.

use std::fs;

use stillpoint_testkit::oracle;

use crate::common::Place;

/// Writes a password into a file of its own.
fn password(place: &Place, name: &str) -> String {
    let path = place.path(name);
    fs::write(&path, format!("the password called {name}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_password_is_rotated_and_stock_restic_agrees() {
    let Some(restic) = oracle::restic() else { return };
    let place = Place::with_tree(131);
    let (old, new) = (password(&place, "old"), password(&place, "new"));
    let source = place.source();
    place.json(["--password-file", &old, "backup", source.to_str().unwrap()]);
    let store = place.store();
    let judge =
        |name: &str| restic.repository(store.to_str().unwrap(), &format!("the password called {name}"));

    place.run(["--password-file", &old, "key", "passwd"]).assert_refused(2, &["--new-password-file"]);
    let changed = place.json(["--password-file", &old, "key", "passwd", "--new-password-file", &new]);
    judge("new").check_read_data();
    assert!(!judge("old").try_run(&["snapshots"]).status.success());
    place.run(["--password-file", &old, "key", "list"]).assert_refused(12, &["password"]);

    let listed = place.json(["--password-file", &new, "key", "list"]);
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    assert_eq!((&listed["keys"][0]["id"], &listed["keys"][0]["current"]), (&changed["added"], &true.into()));
    let again = place.path("again");
    place.json(["--password-file", &new, "restore", "latest", "--into", again.to_str().unwrap()]);
}

#[test]
fn a_second_password_comes_and_goes_and_the_one_in_use_stays() {
    let mut place = Place::with_tree(132);
    let (own, theirs) = (password(&place, "own"), password(&place, "theirs"));
    place.env("STILLPOINT_PASSWORD_FILE", &own);
    let source = place.source();
    place.json(["backup", source.to_str().unwrap()]);
    let command = format!("cat {theirs}");
    let added = place.json(["key", "add", "--new-password-command", &command]);
    let id = added["added"].as_str().unwrap();
    let text = place.run(["key", "list"]).stdout;
    let marked = |mark: &str| text.lines().filter(|line| line.starts_with(mark)).count();
    assert_eq!((marked("* "), marked("  ")), (1, 1), "{text}");
    assert_eq!(place.json(["--password-file", &theirs, "key", "list"])["keys"].as_array().unwrap().len(), 2);

    place
        .run(["--password-file", &theirs, "key", "remove", &id[..10]])
        .assert_refused(1, &["opened this run"]);
    place.run(["key", "remove", "zz"]).assert_refused(1, &["key list"]);
    assert_eq!(place.json(["key", "remove", &id[..10]])["removed"], added["added"]);
    place.run(["--password-file", &theirs, "list"]);
    place.run(["--password-file", &theirs, "check"]).assert_refused(12, &["password"]);
    place.json(["check"]);
}

#[test]
fn a_lock_that_nobody_can_read_goes_on_request_and_is_told_until_then() {
    let place = Place::with_tree(97);
    place.back_up();
    assert_eq!(place.json(["unlock"])["locks"].as_array().unwrap().len(), 0);
    let lock = place.store().join("locks").join("0b".repeat(32));
    fs::write(&lock, [7; 150]).unwrap();
    let source = place.source();
    assert_eq!(place.run(["backup", source.to_str().unwrap()]).code, Some(1));
    assert_eq!(place.json_ending(1, ["check"])["problems"][0]["kind"], "lock");
    let told = place.json(["unlock"])["locks"][0].clone();
    assert_eq!((&told["removed"], &told["holder"]), (&false.into(), &serde_json::Value::Null), "{told}");
    assert!(place.run(["unlock"]).stdout.contains("--remove-all"));
    assert_eq!(place.json(["unlock", "--remove-all"])["locks"][0]["removed"], true);
    assert!(!lock.exists());
    place.back_up();
}

#[test]
fn a_password_comes_from_a_file_a_command_or_the_environment() {
    let mut place = Place::with_tree(11);
    let file = place.path("password");
    fs::write(&file, "correct horse\n").unwrap();
    let name = file.to_str().unwrap().to_owned();
    let source = place.source();
    let backup = place.run(["backup", "--password-file", &name, source.to_str().unwrap()]);
    assert_eq!(backup.code, Some(0), "{backup:?}");
    assert!(!place.data().join("key").exists());
    assert_eq!(place.run(["check", "--password-command", "echo correct horse"]).code, Some(0));
    place.env("STILLPOINT_PASSWORD_FILE", name);
    assert_eq!(place.run(["check"]).code, Some(0));
    place.env("STILLPOINT_PASSWORD", "correct horse");
    assert_eq!(place.run(["check"]).code, Some(0));
}
