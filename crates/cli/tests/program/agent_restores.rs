//! What an agent keeps before a restore replaces it, and what becomes of restores that fail or are stopped.

use std::fs;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::Signal;
use serde_json::json;
use stillpoint_testkit::eventually;
use stillpoint_testkit::s3::{Fault, FaultRule, Server};

use crate::agent::{ended, line, newest};
use crate::common::{Place, Run, send};

#[test]
fn what_stood_before_a_restore_replaced_it_is_kept_as_a_backup_that_nobody_takes_for_latest() {
    let place = Place::new();
    let home = place.source();
    fs::create_dir(&home).unwrap();
    fs::write(home.join("report.md"), "as it was").unwrap();
    let first = place.back_up();
    let point = newest(&place);
    fs::write(home.join("report.md"), "hours of work since").unwrap();
    let more = ["--once", "--landing", "replace", "--restore", &point];
    place.json_ending(0, line(&home, &more));
    assert_eq!(fs::read(home.join("report.md")).unwrap(), b"as it was");
    let listed = place.json(["list"]);
    let listed = listed["backups"].as_array().unwrap();
    let [_after, kept, before] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&before["id"], &kept["state"]), (&first.into(), &"partial".into()));
    assert_eq!(kept["name"], format!("before the restore of {point}"));
    let target = place.path("kept");
    place.json_ending(3, ["restore", kept["id"].as_str().unwrap(), "--into", target.to_str().unwrap()]);
    assert_eq!(fs::read(target.join("report.md")).unwrap(), b"hours of work since");
    // The retention leaves it, although the agent's own backup is newer and whole.
    let forgotten = place.run(["forget", "--keep-last", "1"]);
    assert!(forgotten.code == Some(0) && forgotten.stdout.contains("retained until"), "{forgotten:?}");
    assert_eq!(place.json(["show", kept["id"].as_str().unwrap()])["id"], kept["id"]);
    // Once is enough: what was restored is not replaced again.
    place.json_ending(0, line(&home, &more));
    assert_eq!(place.json(["list"])["backups"].as_array().unwrap().len(), 3, "two of them, and one more");
    // What only the backup lacked is no part that the restore owes.
    let of_kept = kept["created_at"].as_str().unwrap();
    let run = Run::of(
        &place
            .command(line(&home, &["--once", "--landing", "replace", "--restore", of_kept]))
            .arg("--json")
            .output()
            .unwrap(),
    );
    let document = run.document();
    assert_eq!((&document["restore"]["lost"], &document["completed"]), (&json!(0), &json!(1)), "{run:?}");
    assert!(run.stderr.contains("the backup itself lacked 1 entries"), "{run:?}");
}

#[test]
fn after_a_restore_that_could_not_bring_every_file_no_backup_is_taken_for_the_newest_good_one() {
    let mut place = Place::new();
    place.env("STILLPOINT_LAYOUT", "mirror");
    let home = place.source();
    fs::create_dir(&home).unwrap();
    fs::write(home.join("kept.md"), "sound").unwrap();
    fs::write(home.join("lost.md"), "to rot").unwrap();
    let good = place.back_up();
    let point = newest(&place);
    let rotten = place.stored("").into_iter().find(|path| path.ends_with("lost.md")).unwrap();
    fs::write(rotten, "rotten").unwrap();
    fs::remove_file(home.join("lost.md")).unwrap();
    let words = ["--once", "--landing", "replace", "--restore", &point];
    let run = Run::of(&place.command(line(&home, &words)).arg("--json").output().unwrap());
    assert_eq!(run.code, Some(3), "{run:?}");
    let document = run.document();
    assert_eq!(document["restore"]["lost"], 1, "{run:?}");
    assert_eq!((&document["completed"], &document["partial"]), (&json!(0), &json!(1)), "{run:?}");
    for part in ["ALARM", "restored in part", "lost.md"] {
        assert!(run.stderr.contains(part), "{run:?}");
    }
    assert_eq!(place.json(["show", "latest"])["id"], *good);
}

#[test]
fn what_the_backups_leave_out_is_kept_all_the_same_before_a_restore_replaces_it() {
    let place = Place::new();
    let home = place.source();
    fs::create_dir(&home).unwrap();
    fs::write(home.join("model.bin"), "as it was").unwrap();
    fs::write(home.join("notes.md"), "of every day").unwrap();
    place.back_up();
    let point = newest(&place);
    fs::write(home.join("model.bin"), "weeks of training").unwrap();
    let more = ["--once", "--landing", "replace", "--restore", &point, "--exclude", "*.bin"];
    place.json_ending(0, line(&home, &more));
    assert_eq!(fs::read(home.join("model.bin")).unwrap(), b"as it was");
    let listed = place.json(["list"]);
    let name = format!("before the restore of {point}");
    let kept = listed["backups"].as_array().unwrap().iter().find(|backup| backup["name"] == *name).unwrap();
    let target = place.path("kept");
    place.json_ending(3, ["restore", kept["id"].as_str().unwrap(), "--into", target.to_str().unwrap()]);
    assert_eq!(fs::read(target.join("model.bin")).unwrap(), b"weeks of training");
    let after = place.json(["files", "latest"]).to_string();
    assert!(!after.contains("model.bin"), "the agent's own backups leave it out: {after}");
}

/// A store that is asked over the network, and a backup in it.
fn stored_apart(place: &mut Place) -> (Server, String) {
    let server = Server::start().unwrap();
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("apart"));
    let backup = place.back_up();
    (server, backup)
}

#[test]
fn after_a_restore_that_failed_for_good_no_backup_is_taken_for_the_newest_good_one() {
    let mut place = Place::with_tree(83);
    let home = place.source();
    let (server, good) = stored_apart(&mut place);
    let point = newest(&place);
    fs::remove_dir_all(&home).unwrap();
    fs::create_dir(&home).unwrap();
    fs::write(home.join(".bashrc"), "as a new volume has it").unwrap();
    server.inject(FaultRule::new(Fault::AccessDenied).method("GET").key("/data/").times(1));
    let document = place.json_ending(1, line(&home, &["--once", "--restore", &point]));
    assert_eq!(document["restore"]["state"], "failed", "{document}");
    assert_eq!((&document["completed"], &document["partial"]), (&json!(0), &json!(1)), "{document}");
    assert_eq!(place.json(["show", "latest"])["id"], *good);
    // The next run makes the restore, and what it backs up is whole again.
    let document = place.json_ending(0, line(&home, &["--once", "--restore", &point]));
    assert_eq!(
        (&document["restore"]["made_now"], &document["completed"]),
        (&json!(true), &json!(1)),
        "{document}"
    );
}

/// Starts an agent on a store that answers slowly, and leaves it in its restore as soon as that is `at` a step, if it is met
/// there; answers the restore's id.
fn caught(place: &Place, server: &Server, words: &[&str], at: &[&str], signal: Signal) -> Option<String> {
    server.set_latency(Duration::from_millis(150));
    let child = place.start(line(&place.source(), words));
    let mut id = None;
    eventually(Duration::from_secs(60), || {
        let document = place.json(["operations"]);
        let restore = document["operations"].as_array().unwrap().iter().find(|one| one["kind"] == "restore");
        id = restore.filter(|one| at.contains(&one["step"].as_str().unwrap())).map(|one| one["id"].clone());
        id.is_some()
    });
    server.set_latency(Duration::from_secs(2));
    send(&child, signal);
    ended(child);
    server.set_latency(Duration::ZERO);
    id.map(|id| id.as_str().unwrap().to_owned())
}

#[test]
fn a_restore_that_was_stopped_before_it_wrote_anything_still_replaces() {
    let mut place = Place::new();
    let home = place.source();
    fs::create_dir(&home).unwrap();
    fs::write(home.join("report.md"), "as it was").unwrap();
    let (server, _) = stored_apart(&mut place);
    let point = newest(&place);
    fs::write(home.join("report.md"), "hours of work since").unwrap();
    let more = ["--once", "--landing", "replace", "--restore", &point];
    let id = caught(&place, &server, &more, &["submitted", "inspecting"], Signal::KILL);
    let id = id.expect("the restore is met before it has begun to fill anything");
    place.json(["cancel", &id]);
    assert_eq!(fs::read(home.join("report.md")).unwrap(), b"hours of work since", "nothing was written");
    let document = place.json_ending(0, line(&home, &more));
    assert_eq!(document["restore"]["state"], "completed", "{document}");
    assert_eq!(fs::read(home.join("report.md")).unwrap(), b"as it was");
}

#[test]
fn a_restore_that_was_stopped_while_it_replaced_says_what_it_then_left_as_it_is() {
    let mut place = Place::new();
    let home = place.source();
    fs::create_dir(&home).unwrap();
    for name in ["report.md", "gone.md"] {
        fs::write(home.join(name), "as it was").unwrap();
    }
    let (server, backup) = stored_apart(&mut place);
    let point = newest(&place);
    fs::write(home.join("report.md"), "hours of work since").unwrap();
    fs::remove_file(home.join("gone.md")).unwrap();
    // The content does not come, so the restore is stopped after it has begun and before it has replaced anything.
    server.inject(FaultRule::new(Fault::Delay(Duration::from_secs(5))).method("GET").key("/data/"));
    let more = ["--once", "--landing", "replace", "--restore", &point];
    caught(&place, &server, &more, &["filling"], Signal::TERM).expect("the restore is met while it fills");
    server.heal();
    let known = place.on_catalog(async |connection| {
        sqlx::query_scalar::<_, String>("SELECT record FROM workspaces").fetch_one(connection).await.unwrap()
    });
    assert!(!known.contains("this is what stood"), "what was kept by was for once: {known}");
    let run = Run::of(&place.command(line(&home, &more)).arg("--json").output().unwrap());
    assert_eq!(run.code, Some(3), "{run:?}");
    let restore = &run.document()["restore"];
    assert_eq!((&restore["state"], &restore["kept"]), (&json!("partial"), &json!(1)), "{run:?}");
    let words = restore["message"].as_str().unwrap();
    assert!(words.contains(&backup) && words.contains("--landing replace"), "{words}");
    assert!(run.stderr.contains("ALARM") && run.stderr.contains("in part"), "{run:?}");
    assert_eq!(fs::read(home.join("report.md")).unwrap(), b"hours of work since");
    assert_eq!(fs::read(home.join("gone.md")).unwrap(), b"as it was");
    // It stays said, and is no alarm at each start.
    let run = Run::of(&place.command(line(&home, &more)).arg("--json").output().unwrap());
    assert_eq!((run.code, &run.document()["restore"]["state"]), (Some(0), &json!("partial")), "{run:?}");
    assert!(!run.stderr.contains("ALARM"), "{run:?}");
}

#[test]
fn what_is_written_after_a_killed_agent_began_to_replace_is_left_by_whoever_goes_on() {
    for command in ["agent", "resume"] {
        let mut place = Place::new();
        place.env("STILLPOINT_LAYOUT", "mirror");
        let home = place.source();
        fs::create_dir(&home).unwrap();
        let write = |name: &str, text: &str| fs::write(home.join(name), text).unwrap();
        let read = |name: &str| fs::read_to_string(home.join(name)).unwrap();
        let names = ["f1", "f2", "f3", "f4", "f5", "f6"];
        names.iter().for_each(|name| write(name, "as it was"));
        let (server, backup) = stored_apart(&mut place);
        let point = newest(&place);
        names.iter().for_each(|name| write(name, "hours of work since"));
        for late in &names[2..] {
            let rule = FaultRule::new(Fault::Delay(Duration::from_secs(60)));
            server.inject(rule.method("GET").key(&format!("/{late}")));
        }
        let more = ["--once", "--landing", "replace", "--restore", &point];
        let child = place.start(line(&home, &more));
        eventually(Duration::from_secs(60), || ["f1", "f2"].iter().all(|name| read(name) == "as it was"));
        write("f4", "written while it replaced");
        send(&child, Signal::KILL);
        ended(child);
        write("f1", "edited after it was restored");
        write("f5", "edited before it would be replaced");
        server.heal();
        if command == "resume" {
            let run = Run::of(&place.command(["resume", "--json"]).output().unwrap());
            assert_eq!(run.code, Some(3), "{run:?}");
        }
        let run = Run::of(&place.command(line(&home, &more)).arg("--json").output().unwrap());
        let restore = &run.document()["restore"];
        assert_eq!((&restore["state"], &restore["kept"]), (&json!("partial"), &json!(3)), "{run:?}");
        let words = restore["message"].as_str().unwrap();
        assert!(words.contains(&backup) && words.contains("changed since what stood was kept"), "{words}");
        if command == "agent" {
            assert_eq!(run.code, Some(3), "{run:?}");
            assert!(run.stderr.contains("ALARM") && run.stderr.contains("in part"), "{run:?}");
        }
        assert_eq!(
            names.map(read),
            [
                "edited after it was restored",
                "as it was",
                "as it was",
                "written while it replaced",
                "edited before it would be replaced",
                "as it was"
            ]
        );
        // Asked for once more, it replaces them.
        let words = ["restore", &backup, "--into", home.to_str().unwrap(), "--landing", "replace"];
        place.json(words);
        assert_eq!(names.map(read), ["as it was"; 6]);
    }
}

#[test]
fn a_store_that_is_mounted_after_the_first_try_is_restored_from_before_anything_is_stored() {
    for layout in ["repository", "mirror"] {
        let mut place = Place::with_tree(89);
        let (home, store) = (place.source(), place.path("mounted"));
        place.env("STILLPOINT_STORE", store.to_str().unwrap());
        place.env("STILLPOINT_LAYOUT", layout);
        if layout == "repository" {
            place.env("STILLPOINT_PASSWORD", "a password from elsewhere");
        }
        place.back_up();
        let point = newest(&place);
        // A new volume, and a mount point without its mount.
        fs::remove_dir_all(place.data()).unwrap();
        fs::remove_dir_all(&home).unwrap();
        fs::create_dir(&home).unwrap();
        fs::write(home.join(".bashrc"), "as a new volume has it").unwrap();
        fs::rename(&store, place.path("elsewhere")).unwrap();
        fs::create_dir(&store).unwrap();
        let log = place.path("agent.log");
        let words = ["--interval", "2s", "--log-file", log.to_str().unwrap(), "--restore", &point];
        let child = place.start(line(&home, &words));
        let said = || fs::read_to_string(&log).unwrap_or_default();
        assert!(
            eventually(Duration::from_secs(60), || said().contains("ALARM: the restore of")),
            "{}",
            said()
        );
        assert!(!store.join("config").exists(), "a repository was made in the mount point: {}", said());
        renameat_with(CWD, place.path("elsewhere"), CWD, &store, RenameFlags::EXCHANGE).unwrap();
        assert!(eventually(Duration::from_secs(60), || said().contains("completed")), "{}", said());
        send(&child, Signal::TERM);
        assert_eq!(ended(child).code, Some(0), "{}", said());
        let (restored, completed) = (said().find(&format!("{point} restored")), said().find(" completed"));
        assert!(restored.is_some() && restored < completed, "{}", said());
        assert!(!said().contains("is partial"), "{}", said());
        assert!(home.join("restored-files").is_dir());
    }
}
