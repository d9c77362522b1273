//! Whatever is wrong, a person reads one clear sentence and a script reads the right exit code.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Place, Run, skip};
use stillpoint_testkit::tree::TreeSpec;

/// A user that owns nothing.
const NOBODY: u32 = 65534;

fn os<'a>(words: &[&'a str], path: &'a Path) -> Vec<&'a OsStr> {
    let mut line: Vec<&OsStr> = words.iter().map(|word| OsStr::new(*word)).collect();
    line.push(path.as_os_str());
    line
}

#[test]
fn a_missing_source_is_named_and_leaves_nothing_behind() {
    let place = Place::new();
    let missing = place.path("not-there");
    place.run(os(&["backup"], &missing)).assert_refused(1, &["not-there", "does not exist"]);
    assert!(!place.data().exists(), "nothing is made for it");
    let file = place.path("file");
    fs::write(&file, "x").unwrap();
    place.run(os(&["backup"], &file)).assert_refused(1, &["not a directory"]);
    place.run(["backup", "--workspace", "unheard-of"]).assert_refused(1, &["unheard-of", "not known"]);
}

#[test]
fn a_failure_is_one_json_document_too() {
    let place = Place::new();
    let error = place.json_ending(1, os(&["backup"], &place.path("not-there")));
    assert_eq!(crate::common::keys(&error), ["error"]);
    assert_eq!(crate::common::keys(&error["error"]), ["effect", "kind", "message", "operation_id", "retry"]);
    assert_eq!(error["error"]["kind"].as_str(), Some("not_found"));
    assert_eq!(error["error"]["effect"].as_str(), Some("not_applied"));
    let usage = place.json_ending(2, ["backup", "--no-such-flag"]);
    assert_eq!(usage["error"]["kind"].as_str(), Some("invalid_input"));
}

#[test]
fn a_command_line_that_makes_no_sense_is_a_usage_error() {
    let place = Place::new();
    for line in [
        &["backup"][..],
        &["restore", "latest"],
        &["frobnicate"],
        &["backup", "/tmp", "--timeout", "soon"],
        &["check", "--read-data-subset", "0%"],
        &["backup", "/tmp", "--user", "ada"],
        &["--password-file", "a", "--password-command", "b", "list"],
        &["list", "--store", "ftp://host/dir"],
        &["list", "--catalog", "foo"],
        &["list", "--server", "http://backups.example.com"],
        &["list", "--user", "..", "--space", "lab"],
        &["list", "--user", "ada", "--space", "a/b"],
        &["list", "--sort", "colour"],
        &["list", "--workspace", "bob", "--user", "ada", "--space", "lab"],
        &["backup", "/tmp", "--workspace", "bob", "--user", "ada", "--space", "lab"],
        &["import", "--from", "s3://"],
        &["agent", "/tmp", "--restore", "yesterday"],
        &["schedule", "set", "x", "/tmp", "--cron", "30 2 * *"],
        &["schedule", "set", "x", "/tmp", "--cron", "@daily", "--zone", "Mars/Olympus"],
        &["schedule", "set", "x", "/tmp", "--every", "1s"],
    ] {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{line:?}: {run:?}");
        run.assert_refused(2, &[]);
    }
    assert!(!place.data().exists(), "nothing was opened");
    let error = place.json_ending(2, ["list", "--catalog", "foo"]);
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("--catalog") && message.contains("memory:"), "{message}");
}

/// Makes `place` usable for an unprivileged user and answers a copy of the program which that user can run.
fn lend_to_nobody(place: &Place) -> PathBuf {
    let program = place.path("stillpoint");
    if fs::hard_link(env!("CARGO_BIN_EXE_stillpoint"), &program).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_stillpoint"), &program).unwrap();
    }
    fs::create_dir_all(place.data()).unwrap();
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(place.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        chown(place.data(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    program
}

/// Runs a command as a user whom permissions bind: root gives its privileges away first.
fn run_bound(command: &mut Command) -> Run {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Run::of(&command.output().unwrap())
}

#[test]
fn unreadable_files_make_a_partial_backup_that_lists_them() {
    let place = Place::new();
    fs::create_dir(place.source()).unwrap();
    fs::write(place.source().join("readable"), "r").unwrap();
    fs::write(place.source().join("locked"), "l").unwrap();
    fs::set_permissions(place.source().join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    let program = lend_to_nobody(&place);
    let source = place.source();
    let run = run_bound(place.command_of(&program, os(&["backup", "--json"], &source)).current_dir("/"));
    assert_eq!(run.code, Some(3), "{run:?}");
    let backup = run.document();
    assert_eq!(backup["state"].as_str(), Some("partial"));
    assert_eq!(backup["files"]["skipped"].as_u64(), Some(1));
    let issues = backup["issues"].as_array().unwrap();
    assert!(issues.iter().any(|issue| issue["item"].as_str() == Some("locked")), "{issues:?}");
    let latest = run_bound(place.command_of(&program, ["show", "latest"]).current_dir("/"));
    latest.assert_refused(1, &["no completed backup"]);
}

#[test]
fn a_wrong_password_is_told_from_a_missing_repository() {
    let mut place = Place::with_tree(21);
    place.env("STILLPOINT_PASSWORD", "right");
    place.back_up();
    place.env("STILLPOINT_PASSWORD", "wrong");
    let target = place.path("restored");
    place.run(["check"]).assert_refused(12, &["password"]);
    place.run(os(&["restore", "latest", "--into"], &target)).assert_refused(12, &["password"]);
    place.run(os(&["backup"], &place.source())).assert_refused(12, &["password"]);
    assert!(!target.exists());

    let mut keyless = Place::with_tree(21);
    keyless.flag("--store", place.store().to_str().unwrap());
    keyless.run(os(&["backup"], &keyless.source())).assert_refused(12, &["needs its password", "key"]);
    assert!(!keyless.data().join("key").exists(), "a key that opens nothing is not made");
    let error = keyless.json_ending(12, ["check"]);
    assert_eq!(error["error"]["kind"].as_str(), Some("unauthenticated"));
}

#[test]
fn a_place_without_a_repository_is_exit_ten() {
    let mut place = Place::with_tree(22);
    place.back_up();
    place
        .run(["check", "--store", place.path("nothing").to_str().unwrap()])
        .assert_refused(10, &["no repository"]);
    let junk = place.path("junk");
    fs::create_dir(&junk).unwrap();
    fs::write(junk.join("readme"), "not a repository").unwrap();
    place.flag("--store", junk.to_str().unwrap());
    place.run(["check"]).assert_refused(10, &["no repository", "junk"]);
    place.run(["files", "latest"]).assert_refused(10, &["no repository"]);
    let target = place.path("restored");
    place.run(os(&["restore", "latest", "--into"], &target)).assert_refused(10, &["no repository"]);
}

#[test]
fn an_unreachable_store_is_said_to_be_one() {
    let mut place = Place::with_tree(23);
    // Nothing listens on the discard port of loopback.
    place.env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9");
    place.env("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST");
    place.env("AWS_SECRET_ACCESS_KEY", "test/secret/test/secret/test/secret/test");
    place.env("AWS_REGION", "us-east-1");
    place.flag("--store", "s3://bucket/prefix");
    let run = place.run(os(&["backup"], &place.source()));
    run.assert_refused(1, &["s3://bucket/prefix", "cannot be reached", "Connection refused"]);
    let other = Place::new();
    other.run(["check", "--store", "ftp://host/dir"]).assert_refused(2, &["ftp"]);
    other.run(["check", "--store", "s3://"]).assert_refused(2, &["s3://"]);
}

/// Runs `inner` with a file system of a few hundred kilobytes at `mount`, which vanishes with it. `None` where that
/// is not possible.
fn with_small_disk(mount: &Path, inner: &Command) -> Option<Run> {
    let script = "mount -t tmpfs -o size=512k none \"$1\" && shift && exec \"$@\"";
    let wrapped = || {
        let mut command = Command::new("unshare");
        command.arg("--mount").args((!rustix::process::geteuid().is_root()).then_some("--map-root-user"));
        command.args(["sh", "-c", script, "sh"]).arg(mount);
        command
    };
    if !wrapped().arg("true").output().is_ok_and(|output| output.status.success()) {
        skip("a small file system cannot be mounted here");
        return None;
    }
    let mut command = wrapped();
    command.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(Run::of(&command.output().unwrap()))
}

#[test]
fn a_full_disk_is_said_to_be_full_and_the_next_run_goes_on() {
    let place = Place::new();
    TreeSpec::sized(24, 120, 8_000_000).plain().generate(&place.source()).unwrap();
    let small = place.path("small");
    fs::create_dir(&small).unwrap();
    let (store, source) = (small.join("store"), place.source());
    let line = os(&["--store", store.to_str().unwrap(), "backup"], &source);
    let Some(run) = with_small_disk(&small, &place.command(&line)) else { return };
    run.assert_refused(1, &["no space"]);
    assert_eq!(place.json(&line)["state"].as_str(), Some("completed"), "once there is room it works");

    // The store is under the mount too, so it moves aside first.
    let (aside, target) = (place.path("store"), small.join("restored"));
    fs::rename(&store, &aside).unwrap();
    let line = os(&["--store", aside.to_str().unwrap(), "restore", "latest", "--into"], &target);
    let Some(run) = with_small_disk(&small, &place.command(&line)) else { return };
    run.assert_refused(1, &["space left"]);
    assert_eq!(place.json(&line)["state"].as_str(), Some("completed"), "once there is room it works");
    stillpoint_testkit::compare::assert_same(&place.source(), &target);
}

#[test]
fn a_full_data_directory_is_told_as_that_also_where_only_reading_was_asked_for() {
    let mut place = Place::with_tree(26);
    place.flag("--store", place.path("elsewhere").to_str().unwrap());
    place.back_up();
    let small = place.path("small");
    fs::create_dir(&small).unwrap();
    let fill = "cp \"$1/catalog.sqlite\" \"$2\" && { head -c 1M /dev/zero >\"$2/fill\" 2>/dev/null || true; } && \
        export STILLPOINT_DATA_DIR=\"$2\" && shift 2 && exec \"$@\"";
    for line in [&["list"][..], &["operations"]] {
        let wanted = place.command(line);
        let mut filled = Command::new("sh");
        filled.args(["-c", fill, "sh"]).args([place.data(), small.clone()]);
        filled.arg(wanted.get_program()).args(wanted.get_args());
        let Some(run) = with_small_disk(&small, &filled) else { return };
        run.assert_refused(1, &["no space is left in", small.to_str().unwrap(), "free some"]);
    }
}

#[test]
fn nothing_that_was_stored_makes_the_terminal_do_anything() {
    let mut place = Place::with_tree(27);
    place.flag("--host", "plain-host");
    place.json(os(&["backup", "--name", "plain-name"], &place.source()));
    // As an older version took it, and another machine.
    place.on_catalog(async |connection| {
        for plain in ["plain-name", "plain-host"] {
            let renamed = "UPDATE backups SET record = replace(record, ?, '\\u001b[31mred')";
            let renamed = sqlx::query(renamed).bind(plain).execute(&mut *connection).await.unwrap();
            assert_eq!(renamed.rows_affected(), 1);
        }
    });
    let listed = place.run(["list"]);
    assert!(listed.code == Some(0) && listed.stdout.contains("(\\u{1b}[31mred)"), "{listed:?}");
    let noted = place.run(["forget", "--keep-last", "1"]);
    assert!(noted.stderr.contains("other hosts (\\u{1b}[31mred)"), "{noted:?}");
    let printed = [listed.stdout, listed.stderr, noted.stdout, noted.stderr].concat();
    assert!(!printed.contains('\u{1b}'), "{printed:?}");
}

#[test]
fn a_corrupt_pack_is_found_and_never_restored_as_good() {
    let place = Place::with_tree(25);
    let id = place.back_up();
    let packs = place.stored("data");
    let pack = packs.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    fs::set_permissions(pack, fs::Permissions::from_mode(0o600)).unwrap();
    let mut bytes = fs::read(pack).unwrap();
    for byte in bytes.iter_mut().step_by(1000) {
        *byte ^= 0x40;
    }
    fs::write(pack, bytes).unwrap();
    let check = place.json_ending(1, ["check", "--read-data"]);
    let problems = check["problems"].as_array().unwrap();
    assert!(!problems.is_empty());
    crate::common::assert_keys(&problems[0], &["kind", "object", "message"]);
    let verify = place.json_ending(1, ["verify", "latest"]);
    assert!(!verify["problems"].as_array().unwrap().is_empty());
    // From now on nobody takes it for a good one.
    assert_eq!(place.json(["show", &id])["state"], "damaged");
    place.run(["show", "latest"]).assert_refused(1, &["no completed backup"]);
    let target = place.path("restored");
    let run = place.run(os(&["restore", &id, "--into"], &target));
    assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
    let differences = match target.exists() {
        true => stillpoint_testkit::compare::compare(&place.source(), &target).unwrap(),
        false => Vec::new(),
    };
    let wrong = |found: &&stillpoint_testkit::compare::Difference| {
        found.aspect == stillpoint_testkit::compare::Aspect::Content
    };
    assert_eq!(differences.iter().find(wrong), None, "a damaged file must be missing rather than wrong");
}

#[test]
fn unknown_and_ambiguous_ids_are_told_apart() {
    let place = Place::with_tree(26);
    place.run(["show", "latest"]).assert_refused(1, &["no completed backup"]);
    let first = place.back_up();
    // Ids begin with random hexadecimal digits, so two of seventeen share the first one.
    let mut ids = vec![first];
    while ids.len() < 17 {
        ids.push(place.back_up());
    }
    let shared =
        ids.iter().map(|id| &id[..1]).find(|digit| ids.iter().filter(|id| id.starts_with(digit)).count() > 1);
    place.run(["show", shared.unwrap()]).assert_refused(1, &["ambiguous"]);
    for command in [&["show", "zzzz"][..], &["files", "zzzz"], &["delete", "zzzz"], &["verify", "zzzz"]] {
        place.run(command).assert_refused(1, &["zzzz"]);
    }
    place.run(["show", "nobody@latest"]).assert_refused(1, &["nobody"]);
    place.run(["show", "2001-01-01-00-00-00"]).assert_refused(1, &["2001"]);
    place.run(["cancel", "zzzz"]).assert_refused(1, &["zzzz"]);
    place.run(["watch", "zzzz"]).assert_refused(1, &["zzzz"]);
    let target = place.path("restored");
    place.run(os(&["restore", "zzzz", "--into"], &target)).assert_refused(1, &["zzzz"]);
    let named = place.run(["restore", "latest", "--as", "ml-new"]);
    named.assert_refused(1, &["ml-new", "not configured", "--into"]);
}

#[test]
fn a_target_that_is_not_empty_is_left_alone() {
    let place = Place::with_tree(27);
    place.back_up();
    let target = place.path("target");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("mine"), "untouched").unwrap();
    place.run(os(&["restore", "latest", "--into"], &target)).assert_refused(1, &["not empty"]);
    assert_eq!(fs::read_to_string(target.join("mine")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    place
        .run(os(&["restore", "latest", "--into"], &target.join("mine")))
        .assert_refused(1, &["not a directory"]);
}

#[test]
fn a_locked_catalog_is_exit_eleven() {
    let place = Place::with_tree(28);
    place.back_up();
    let source = place.source();
    place.with_locked_catalog(|| place.run(os(&["backup"], &source)).assert_refused(11, &["locked"]));
    place.back_up();
}

#[test]
fn a_catalog_of_a_newer_version_is_refused_and_left_as_it_is() {
    let place = Place::with_tree(29);
    place.back_up();
    place.on_catalog(async |connection| {
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (9000, 'later', 1, x'00', 0)";
        sqlx::query(newer).execute(&mut *connection).await.unwrap();
    });
    place.run(["list"]).assert_refused(1, &["newer"]);
    place.run(os(&["backup"], &place.source())).assert_refused(1, &["newer"]);
    let foreign = place.path("foreign");
    fs::write(&foreign, "this is no database, but long enough to be looked at").unwrap();
    let url = format!("sqlite:{}", foreign.display());
    place.run(["list", "--catalog", &url]).assert_refused(1, &["not a Stillpoint catalog"]);
    let away = place.run(["list", "--catalog", "postgres://ada:secret@127.0.0.1:1/db"]);
    away.assert_refused(1, &["127.0.0.1:1/db", "cannot be reached"]);
    assert!(!away.stderr.contains("secret"), "{away:?}");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let place = Place::with_tree(30);
    let config = place.path("config.toml");
    fs::write(&config, "stor = \"x\"").unwrap();
    place.run(["list", "--config", config.to_str().unwrap()]).assert_refused(1, &["stor"]);
    let missing = place.path("no-password");
    let run = place.run(os(&["--password-file", missing.to_str().unwrap(), "backup"], &place.source()));
    run.assert_refused(1, &["no-password"]);
    let rules = place.run(os(&["backup", "--exclude", "x[z-a]"], &place.source()));
    rules.assert_refused(1, &["x[z-a]"]);
}
