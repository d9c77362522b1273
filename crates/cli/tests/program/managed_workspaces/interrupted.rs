//! Killed processes, deadlines, cancellations: nobody stays frozen, nothing is made twice.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use stillpoint_core::{Entropy, SeededEntropy};
use stillpoint_testkit::eventually;

use super::world::{World, component};
use crate::common::{Run, send};
use crate::serve::Served;

/// Slow enough to be interrupted.
const SLOW: [(&str, u64); 2] = [("backup.ebs_seconds", 12), ("backup.efs_seconds", 14)];

#[track_caller]
fn only(document: &Value) -> &Value {
    let operations = document["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 1, "{document:#}");
    &operations[0]
}

#[test]
fn a_backup_whose_process_is_killed_is_resumed_and_nothing_is_made_twice() {
    let Some(world) = World::with_rules(&SLOW) else { return };
    let mut child = world.place.start(["backup", "--workspace", "ml-prod"]);
    assert!(eventually(Duration::from_secs(60), || world.calls("StartBackupJob") == 2));
    assert!(eventually(Duration::from_secs(20), || world.calls("DescribeBackupJob") >= 2));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(world.is_stopped(), "nobody could let go");
    let shown = world.place.json(["operations"]);
    assert_eq!(
        (&only(&shown)["state"], &only(&shown)["holder"]),
        (&json!("running"), &Value::Null),
        "{shown:#}"
    );

    let resumed = world.place.json(["resume"]);
    assert_eq!(only(&resumed)["state"], "completed", "{resumed:#}");
    assert!(!world.is_stopped());
    let show = world.place.json(["show", "latest"]);
    assert_ne!(show["consistency"], "application", "nobody watched meanwhile");
    assert_eq!(component(&show, "projects")["state"], "completed");
    assert_eq!(world.region()["backups"].as_object().unwrap().len(), 2, "one job for each component");
    world.fake.assert_no_violations();
}

#[test]
fn a_host_that_is_gone_for_good_leaves_no_services_stopped_and_nothing_forgotten() {
    // Once while the services stand still, once while they are being stopped.
    for (slow, step) in [("", "capturing"), ("sleep 3; ", "quiescing")] {
        let Some(mut world) = World::with_rules(&SLOW) else { return };
        let at = |name: &str| world.place.path(name).display().to_string();
        let (runs, prior, stopped, log) = (at("runs"), at("prior"), at("stopped"), at("log"));
        std::fs::write(&runs, "db projects").unwrap();
        let quiesce =
            format!("echo quiesce >> {log}; cp {runs} {prior}; : > {runs}; touch {stopped}; {slow}");
        let resume = format!("echo resume >> {log}; [ ! -e {prior} ] || mv {prior} {runs}; rm -f {stopped}");
        world.configure("", &format!("quiesce = '''{quiesce}'''\nresume = '''{resume}'''"));
        let mut child = world.place.start(["backup", "--workspace", "ml-prod"]);
        assert!(eventually(Duration::from_secs(60), || {
            world.is_stopped() && world.place.json(["operations"])["operations"][0]["step"] == step
        }));
        send(&child, Signal::KILL);
        child.wait().unwrap();

        let catalog = format!("sqlite:{}", world.place.data().join("catalog.sqlite").display());
        world.place.flag("--catalog", catalog);
        let mut other = world.place.command(["resume", "--json"]);
        let run = Run::of(&other.env("STILLPOINT_DATA_DIR", world.place.path("other")).output().unwrap());
        assert_eq!((run.code, &only(&run.document())["state"]), (Some(0), &json!("completed")), "{run:?}");
        assert!(!world.is_stopped(), "{step}: {:?}", world.called());
        assert_eq!(std::fs::read_to_string(&runs).unwrap(), "db projects", "{step}: {:?}", world.called());
        world.fake.assert_no_violations();
    }
}

#[test]
fn a_host_whose_backup_another_one_finished_forgets_its_hold_and_backs_up_again() {
    let Some(mut world) = World::with_rules(&SLOW) else { return };
    let mut child = world.place.start(["backup", "--workspace", "ml-prod"]);
    assert!(eventually(Duration::from_secs(60), || world.calls("StartBackupJob") == 2));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    let catalog = format!("sqlite:{}", world.place.data().join("catalog.sqlite").display());
    world.place.flag("--catalog", catalog);
    let mut other = world.place.command(["resume", "--json"]);
    let run = Run::of(&other.env("STILLPOINT_DATA_DIR", world.place.path("other")).output().unwrap());
    assert_eq!((run.code, &only(&run.document())["state"]), (Some(0), &json!("completed")), "{run:?}");

    let notes = world.place.data().join("holds");
    let notes = || std::fs::read_dir(&notes).unwrap().map(|note| note.unwrap().path()).collect::<Vec<_>>();
    let note = notes().remove(0);
    let said = std::fs::read(&note).unwrap();
    assert_eq!(world.back_up()["state"], "completed", "{:?}", world.called());
    assert!(notes().is_empty() && !world.is_stopped());

    std::fs::write(&note, said).unwrap();
    let served = Served::start(&world.place, &[]);
    assert!(eventually(Duration::from_secs(20), || notes().is_empty()), "{:?}", world.called());
    served.stop();
    world.fake.assert_no_violations();
}

#[test]
fn a_store_that_cannot_be_opened_keeps_no_services_from_being_let_go() {
    let Some(mut world) = World::with_rules(&SLOW) else { return };
    let mut noise = vec![0; 3 << 20];
    SeededEntropy::new(7).fill(&mut noise);
    std::fs::create_dir(world.place.source()).unwrap();
    std::fs::write(world.place.source().join("noise"), noise).unwrap();
    world.place.env("STILLPOINT_PASSWORD", "right");
    let source = world.place.source();
    let files = ["backup", source.to_str().unwrap(), "--limit-upload", "100K"];
    let mut child = world.place.start(files);
    assert!(eventually(Duration::from_secs(60), || {
        let captures = world.place.json(["operations"])["operations"][0]["step"] == "capturing";
        captures && world.place.store().join("config").exists()
    }));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    let mut child = world.place.start(["backup", "--workspace", "ml-prod"]);
    assert!(eventually(Duration::from_secs(60), || world.calls("StartBackupJob") == 2));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(world.is_stopped());

    let mut resume = world.place.command(["resume", "--json"]);
    let run = Run::of(&resume.env("STILLPOINT_PASSWORD", "wrong").output().unwrap());
    assert!(!world.is_stopped(), "nobody else lets them go: {run:?}");
    let resumed = run.document();
    assert_eq!(
        (&only(&resumed)["workspace"], &only(&resumed)["state"]),
        (&json!("ml-prod"), &json!("completed"))
    );
    assert_eq!((run.code, resumed["error"].is_object()), (Some(12), true), "{run:?}");
    let left = world.place.json(["operations"]);
    assert_eq!(only(&left)["workspace"], source.to_str().unwrap(), "it waits for its password");
    assert_eq!(only(&world.place.json(["resume"]))["state"], "completed");
    world.fake.assert_no_violations();
}

#[test]
fn an_operation_whose_workspace_is_not_configured_here_is_left_to_whoever_has_it() {
    let Some(mut world) = World::with_rules(&SLOW) else { return };
    // Nothing else names it once the workspace is not configured any more.
    world.place.env("AWS_REGION", "us-east-1");
    let mut child = world.place.start(["backup", "--workspace", "ml-prod"]);
    assert!(eventually(Duration::from_secs(60), || world.calls("StartBackupJob") == 2));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    std::fs::write(world.place.path("stillpoint.toml"), "").unwrap();
    let id = only(&world.place.json(["operations"]))["id"].as_str().unwrap().to_owned();
    for words in [&["resume"][..], &["resume", &id]] {
        let run = world.place.run(words);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("not configured here") && run.stderr.contains(&id), "{run:?}");
    }
    world.configure("", &world.hooks());
    assert_eq!(only(&world.place.json(["resume"]))["state"], "completed");
    assert!(!world.is_stopped());
    world.fake.assert_no_violations();
}

#[test]
fn a_backup_on_a_server_that_is_past_its_deadline_is_not_waited_for() {
    let Some(world) = World::with_rules(&[("backup.ebs_seconds", 60), ("backup.efs_seconds", 60)]) else {
        return;
    };
    let served = Served::start(&world.place, &[]);
    let against = |words: &[&str]| {
        let mut asked = Command::new(env!("CARGO_BIN_EXE_stillpoint"));
        asked.args(words).args(["--json", "--server", &served.url]);
        asked
            .env("STILLPOINT_TOKEN", served.token.clone().unwrap())
            .env("STILLPOINT_DATA_DIR", world.place.data());
        Run::of(&asked.output().unwrap())
    };
    let run = against(&["backup", "--workspace", "ml-prod", "--timeout", "4s", "--on-deadline", "detach"]);
    assert_eq!((run.code, &run.document()["state"]), (Some(4), &json!("detached")), "{run:?}");
    let document = run.document();
    let id = document["operation_id"].as_str().unwrap();
    let run = against(&["watch", id]);
    assert_eq!((run.code, &only(&run.document())["state"]), (Some(4), &json!("detached")), "{run:?}");
    served.stop();
}

#[test]
fn a_server_that_is_told_to_stop_lets_the_services_go_and_the_next_one_goes_on() {
    let Some(world) = World::with_rules(&SLOW) else { return };
    world.configure("[serve]\nshutdown_grace = \"100ms\"\n", &world.hooks());
    let served = Served::start(&world.place, &[]);
    let token = served.token.clone().unwrap();
    // Commands against a server take no configuration of this machine.
    let mut asked = Command::new(env!("CARGO_BIN_EXE_stillpoint"));
    asked.args(["backup", "--workspace", "ml-prod", "--server", &served.url]).env("STILLPOINT_TOKEN", token);
    asked.env("STILLPOINT_DATA_DIR", world.place.data()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut asked = asked.spawn().unwrap();
    assert!(eventually(Duration::from_secs(60), || world.calls("StartBackupJob") == 2));
    assert!(world.is_stopped());
    let stopped = served.stop();
    assert!(!world.is_stopped(), "nobody is left to let them go");
    assert_eq!(stopped["handed_over"].as_array().map(Vec::len), Some(1), "{stopped:#}");
    assert_eq!(stopped["still_held"], json!([]));
    asked.kill().unwrap();
    asked.wait().unwrap();

    let resumed = world.place.json(["resume"]);
    assert_eq!(only(&resumed)["state"], "completed", "{resumed:#}");
    let show = world.place.json(["show", "latest"]);
    assert_ne!(show["consistency"], "application", "the services ran meanwhile");
    assert_eq!(world.called(), ["quiesce", "resume"], "nothing was held still a second time");
    assert_eq!(world.region()["backups"].as_object().unwrap().len(), 2, "one job for each component");
    world.fake.assert_no_violations();
}

#[test]
fn a_resume_that_is_interrupted_leaves_no_services_behind_that_stand_still() {
    let Some(world) = World::with_rules(&SLOW) else { return };
    let mut child = world.place.start(["backup", "--workspace", "ml-prod"]);
    assert!(eventually(Duration::from_secs(60), || world.calls("StartBackupJob") == 2));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    let looked = world.calls("DescribeBackupJob");
    let mut child = world.place.start(["resume"]);
    assert!(eventually(Duration::from_secs(60), || world.calls("DescribeBackupJob") > looked));
    assert!(world.is_stopped());
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!world.is_stopped(), "nobody is left to let them go");
    assert_eq!(only(&world.place.json(["resume"]))["state"], "completed");
    assert_eq!(world.called(), ["quiesce", "resume"]);
    world.fake.assert_no_violations();
}

#[test]
fn a_quiesce_hook_that_outlives_its_process_is_stopped_before_the_services_start_again() {
    let Some(world) = World::new() else { return };
    let slow = "quiesce = '''sleep 3; ";
    world.configure("", &world.hooks().replacen("quiesce = '''", slow, 1));
    let mut child = world.place.start(["backup", "--workspace", "ml-prod"]);
    assert!(eventually(Duration::from_secs(60), || {
        let shown = world.place.json(["operations"]);
        shown["operations"][0]["step"] == "quiescing"
    }));
    std::thread::sleep(Duration::from_millis(300));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    let id = only(&world.place.json(["operations"]))["id"].as_str().unwrap().to_owned();
    world.place.json(["cancel", &id]);
    std::thread::sleep(Duration::from_secs(4));
    assert!(
        !world.is_stopped(),
        "a late quiesce would have stopped the services for good: {:?}",
        world.called()
    );
    world.fake.assert_no_violations();
}

#[test]
fn a_hold_that_its_operation_left_behind_is_let_go_by_a_resume() {
    let Some(world) = World::new() else { return };
    let broken = world.hooks().replacen("resume = '''", "resume = '''exit 1; ", 1);
    world.configure("", &broken);
    let run = world.place.run(["backup", "--workspace", "ml-prod"]);
    // What was captured is kept; that the services still stand is an issue of the backup.
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.stdout.contains("still held still") && run.stdout.contains("exit code 1"), "{run:?}");
    assert!(world.is_stopped());
    let preflight = world.place.json(["preflight", "--workspace", "ml-prod"]);
    let told = preflight["findings"].to_string();
    assert!(told.contains("workspace-held") && told.contains("`stillpoint resume`"), "{preflight:#}");
    let id = world.place.json(["operations", "--all"])["operations"][0]["id"].as_str().unwrap().to_owned();
    assert!(told.contains(&id), "whose hold it is: {preflight:#}");
    let list = world.place.run(["list"]);
    assert!(list.stderr.contains("needs attention") && list.stderr.contains(&id), "{list:?}");
    assert_eq!(world.place.json(["operations"])["held"][0]["operation"], id.as_str());

    world.configure("", &world.hooks());
    let run = world.place.run(["resume"]);
    assert!(run.code == Some(0) && run.stderr.contains("ml-prod was held still"), "{run:?}");
    assert!(!world.is_stopped());
    assert_eq!(world.back_up()["state"], "completed");
    world.fake.assert_no_violations();
}

#[test]
fn a_hold_whose_catalog_is_lost_is_let_go_by_the_command_that_is_named() {
    let Some(world) = World::with_rules(&SLOW) else { return };
    let mut child = world.place.start(["backup", "--workspace", "ml-prod"]);
    assert!(eventually(Duration::from_secs(60), || world.calls("StartBackupJob") == 2));
    send(&child, Signal::KILL);
    child.wait().unwrap();
    let refused = world.place.run(["resume", "--held", "ml-prod"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("stillpoint cancel"), "{refused:?}");
    assert!(world.is_stopped(), "its operation is under way");

    for file in std::fs::read_dir(world.place.data()).unwrap().map(|file| file.unwrap().path()) {
        if file.file_name().unwrap().to_str().unwrap().starts_with("catalog.sqlite") {
            std::fs::remove_file(file).unwrap();
        }
    }
    std::fs::write(world.place.data().join("holds").join("torn.json"), "{").unwrap();
    let config = std::fs::read(world.place.path("stillpoint.toml")).unwrap();
    std::fs::write(world.place.path("stillpoint.toml"), "").unwrap();
    let told = world.place.run(["operations"]);
    assert!(told.stdout.contains("configure the workspace again"), "{told:?}");
    assert!(told.stderr.contains("torn.json"), "one torn note hides no other: {told:?}");
    std::fs::write(world.place.path("stillpoint.toml"), config).unwrap();
    let told = world.place.run(["operations"]);
    assert!(told.stdout.contains("`stillpoint resume --held ml-prod`"), "{told:?}");
    assert!(!told.stdout.contains("configure"), "{told:?}");
    world.place.run(["resume"]);
    assert!(world.is_stopped(), "its operation may be under way in another catalog");

    let run = world.place.run(["resume", "--held", "ml-prod"]);
    assert!(run.code == Some(0) && run.stdout.contains("is let go"), "{run:?}");
    assert!(!world.is_stopped());
    let run = world.place.run(["resume", "--held", "ml-prod"]);
    assert!(run.code == Some(0) && run.stdout.contains("not held still"), "{run:?}");
    world.place.run(["resume", "--held", "elsewhere"]).assert_refused(1, &["elsewhere", "configure it"]);
}

#[test]
fn jobs_that_outlast_the_deadline_run_on_and_are_finished_later() {
    let Some(world) = World::with_rules(&SLOW) else { return };
    let line = ["backup", "--workspace", "ml-prod", "--timeout", "4s", "--on-deadline", "detach"];
    let detached = world.place.json_ending(4, line);
    assert_eq!(detached["state"], "detached", "{detached:#}");
    assert!(!world.is_stopped(), "the services run again");
    assert_eq!(world.called(), ["quiesce", "resume"]);

    let id = detached["operation_id"].as_str().unwrap();
    let resumed = world.place.json_ending(3, ["resume", id]);
    assert_eq!(only(&resumed)["state"], "partial", "{resumed:#}");
    let backup = only(&resumed)["backup_id"].as_str().unwrap();
    let show = world.place.json(["show", backup]);
    assert_eq!(component(&show, "projects")["state"], "late", "{show:#}");
    assert_eq!(world.calls("StopBackupJob"), 0);
    world.place.run(["show", "ml-prod@latest"]).assert_refused(1, &["ml-prod"]);
    world.fake.assert_no_violations();
}

#[test]
fn jobs_are_stopped_at_the_deadline_where_that_is_asked_for() {
    let Some(world) = World::with_rules(&SLOW) else { return };
    let line = ["backup", "--workspace", "ml-prod", "--timeout", "4s", "--on-deadline", "cancel"];
    let output = world.place.command(line).arg("--json").output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(world.calls("StopBackupJob") >= 1);
    assert!(!world.is_stopped());
    assert_eq!(world.place.json(["operations"])["operations"], json!([]), "it has ended");
    world.fake.assert_no_violations();
}

#[test]
fn a_backup_is_cancelled_from_another_process() {
    let Some(world) = World::with_rules(&SLOW) else { return };
    let mut child = world.place.start(["backup", "--workspace", "ml-prod"]);
    assert!(eventually(Duration::from_secs(60), || world.calls("StartBackupJob") == 2));
    let id = only(&world.place.json(["operations"]))["id"].as_str().unwrap().to_owned();
    let cancelled = world.place.json(["cancel", &id]);
    assert_eq!(only(&cancelled)["state"], "cancelled", "{cancelled:#}");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(!world.is_stopped());
    assert_eq!(world.place.json(["list"])["backups"], json!([]));
    world.fake.assert_no_violations();
}
