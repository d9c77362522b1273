//! The command with its catalog on a PostgreSQL server.

use std::ffi::OsStr;

use std::fs;
use std::time::Duration;

use crate::common::{Place, Run};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::eventually;
use stillpoint_testkit::postgres::Postgres;
use stillpoint_testkit::s3::Server;

#[test]
fn two_data_directories_share_a_catalog_and_the_password_is_shown_nowhere() {
    let server = Postgres::shared();
    let url = server.fresh_url();
    let (address, password) = (url.replace(":loopback@", "@"), "loopback");
    assert_ne!(address, url);
    let mut first = Place::new();
    fs::create_dir_all(first.source().join("notes")).unwrap();
    fs::write(first.source().join("notes/first.txt"), "first").unwrap();
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

#[test]
fn a_restore_that_was_interrupted_on_one_machine_touches_nothing_on_another() {
    let (postgres, server) = (Postgres::shared(), Server::start().unwrap());
    let mut place = Place::with_tree(62);
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_CATALOG", postgres.fresh_url());
    place.flag("--store", server.url("fleet"));
    let (source, kept) = (place.source(), place.path("kept"));
    let (source, kept) = (source.to_str().unwrap(), kept.to_str().unwrap());
    let on = |host: &str, line: &[&str]| {
        Run::of(&place.command(line).env("STILLPOINT_HOST", host).output().unwrap())
    };
    assert_eq!(on("m1", &["backup", source]).code, Some(0));
    assert_eq!(on("m1", &["restore", "latest", "--into", kept]).code, Some(0));
    server.set_latency(Duration::from_millis(400));
    let line = ["restore", "latest", "--into", source, "--landing", "replace"];
    let mut killed = place.command(line).env("STILLPOINT_HOST", "m1").spawn().unwrap();
    let operation = place.operation_under_way();
    killed.kill().unwrap();
    killed.wait().unwrap();
    server.set_latency(Duration::ZERO);

    // The other machine's directory of that path.
    fs::remove_dir_all(source).unwrap();
    fs::create_dir(source).unwrap();
    fs::write(place.source().join("own"), "of m2").unwrap();
    let resumed = on("m2", &["resume"]);
    assert!(
        resumed.stderr.contains("of the host m1") && resumed.stdout.contains("no operation"),
        "{resumed:?}"
    );
    let backed_up = || {
        let run = on("m2", &["backup", source]);
        run.assert_refused(11, &[&operation]);
        run.stderr.contains("on the host m1 and interrupted")
    };
    assert!(
        eventually(Duration::from_secs(60), backed_up),
        "the lease of the one that was killed does not end"
    );
    let left: Vec<_> = fs::read_dir(source).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["own"]);

    fs::remove_file(place.source().join("own")).unwrap();
    let resumed = on("m1", &["resume"]);
    assert!(resumed.code == Some(0) && resumed.stdout.contains(&operation), "{resumed:?}");
    assert_same(&place.path("kept"), &place.source());
}
