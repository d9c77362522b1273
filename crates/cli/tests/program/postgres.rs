//! The command with its catalog on a PostgreSQL server.

use std::ffi::OsStr;

use crate::common::{Place, Run};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::postgres::Postgres;

#[test]
fn two_data_directories_share_a_catalog_and_the_password_is_shown_nowhere() {
    let server = Postgres::shared();
    let url = server.fresh_url();
    let (address, password) = (url.replace(":loopback@", "@"), "loopback");
    assert_ne!(address, url);
    let mut first = Place::new();
    std::fs::create_dir_all(first.source().join("notes")).unwrap();
    std::fs::write(first.source().join("notes/first.txt"), "first").unwrap();
    first.env("STILLPOINT_CATALOG", &url);
    let mut runs = vec![Run::of(
        &first
            .command([OsStr::new("backup"), first.source().as_os_str()])
            .env("RUST_LOG", "trace")
            .output()
            .unwrap(),
    )];

    let mut second = Place::new();
    second.flag("--catalog", address);
    second.flag("--store", first.store().display().to_string());
    second.flag("--password-file", first.path("data/key").display().to_string());
    let run = |words: &[&OsStr]| {
        let mut command = second.command(words);
        Run::of(&command.env("PGPASSWORD", password).env("RUST_LOG", "trace").output().unwrap())
    };
    runs.push(run(&[OsStr::new("list")]));
    let target = second.path("target");
    runs.push(run(&[OsStr::new("restore"), OsStr::new("latest"), OsStr::new("--into"), target.as_os_str()]));
    for run in &runs {
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(!run.stdout.contains(password) && !run.stderr.contains(password), "{run:?}");
    }
    assert!(runs[1].stdout.contains("completed"), "{:?}", runs[1]);
    assert_same(&first.source(), &target);

    let refused = Run::of(&second.command(["list"]).env("PGPASSWORD", "wrong-password").output().unwrap());
    refused.assert_refused(1, &["refused the user or the password"]);
    assert!(!refused.stderr.contains("wrong-password"), "{refused:?}");
}
