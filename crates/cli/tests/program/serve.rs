//! `stillpoint serve`, commands against it, and what becomes of operations when servers end.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use stillpoint_core::{Entropy, SeededEntropy};
use stillpoint_testkit::eventually;
use stillpoint_testkit::postgres::Postgres;

use crate::common::{Place, Run, assert_keys, send};

/// The longest that a server may take to find what another one left: it looks every twenty seconds.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(60);
/// The longest that a server or a command may take to begin or to end; a connection under way has ten seconds.
const ENDED_WITHIN: Duration = Duration::from_secs(90);

/// A running server, the address that it told, and the first token where it made one.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
    pub(crate) token: Option<String>,
}

impl Served {
    pub(crate) fn start(place: &Place, flags: &[&str]) -> Self {
        let mut command = place.command(["serve", "--json"]);
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(flags).env_remove("STILLPOINT_SERVER");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut served = Self { child, url: String::new(), token: None };
        let lines = BufReader::new(served.child.stderr.take().unwrap()).lines();
        let (sender, told) = mpsc::channel();
        // Read to its end, whoever still listens: a full pipe would hold the server up.
        std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line.unwrap()))));
        while served.url.is_empty() {
            let line = told.recv_timeout(ENDED_WITHIN);
            let line = line.unwrap_or_else(|late| panic!("the server does not say where it serves: {late}"));
            if let Some((_, told)) = line.split_once("shown this once: ") {
                served.token = Some(told.to_owned());
            }
            if let Some(url) = line.strip_prefix("serving at ") {
                served.url = url.to_owned();
            }
        }
        served
    }

    /// Asks the server to stop, which it must do well, and answers what it said of that.
    pub(crate) fn stop(self) -> Value {
        send(&self.child, Signal::TERM);
        let run = end(self.child, "the server that was told to stop");
        assert_eq!(run.code, Some(0), "{run:?}");
        run.document()
    }

    fn kill(mut self) {
        send(&self.child, Signal::KILL);
        self.child.wait().unwrap();
    }
}

/// A command that was left running, and how it ended, which it must in time.
#[track_caller]
fn end(child: Child, what: &str) -> Run {
    let id = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match ended.recv_timeout(ENDED_WITHIN) {
        Ok(output) => Run::of(&output.unwrap()),
        Err(_) => {
            kill_process(id, Signal::KILL).unwrap();
            panic!("{what} did not end within {ENDED_WITHIN:?}: {:?}", ended.recv());
        }
    }
}

/// A place whose configuration knows the directory `source` as `notes`, with content that does not compress.
fn configured() -> Place {
    let mut place = Place::new();
    std::fs::create_dir_all(place.source()).unwrap();
    let mut content = vec![0; 3 << 20];
    SeededEntropy::new(5).fill(&mut content);
    std::fs::write(place.source().join("random"), &content).unwrap();
    let config = format!(
        "[serve]\nshutdown_grace = \"100ms\"\n[[workspace]]\nid = \"notes\"\nprovider = \"directory\"\npath = {:?}\n",
        place.source()
    );
    let path = place.path("stillpoint.toml");
    std::fs::write(&path, config).unwrap();
    place.env("STILLPOINT_CONFIG", path.display().to_string());
    place.env("STILLPOINT_PASSWORD", "known to all servers");
    place
}

/// The same commands, against a server.
fn against(place: &Place, served: &Served, token: &str, words: &[&str]) -> std::process::Command {
    let mut command = place.command(words);
    command.args(["--json", "--server", &served.url]).env("STILLPOINT_TOKEN", token);
    command
}

/// Waits until the only operation under way has begun to send, and answers its id.
fn under_way(place: &Place, served: &Served, token: &str) -> String {
    let mut found = None;
    let seen = eventually(Duration::from_secs(30), || {
        let listed = Run::of(&against(place, served, token, &["operations"]).output().unwrap());
        let listed = listed.document();
        let begun = listed["operations"].as_array().unwrap().first();
        found = begun.map(|begun| begun["id"].as_str().unwrap().to_owned());
        begun.is_some_and(|begun| begun["components"].as_array().is_some_and(|jobs| !jobs.is_empty()))
    });
    assert!(seen, "no operation came under way");
    found.unwrap()
}

fn states(place: &Place) -> Vec<String> {
    let listed = place.json(["list"]);
    let listed = listed["backups"].as_array().unwrap();
    listed.iter().map(|backup| backup["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_first_token_is_told_by_the_first_server_that_can_begin() {
    let place = Place::with_tree(8);
    place.back_up();
    let nowhere = place.path("nowhere");
    let line = ["serve", "--listen", "127.0.0.1:0", "--restore-root", nowhere.to_str().unwrap()];
    let refused = place.run(line);
    refused.assert_refused(1, &["place for restores"]);
    assert!(!refused.stderr.contains("shown this once"), "{refused:?}");
    let served = Served::start(&place, &[]);
    assert!(served.token.is_some(), "the next start tells one");
    served.stop();
}

#[test]
fn the_first_start_tells_a_token_once_and_commands_against_the_server_print_what_local_ones_do() {
    let place = Place::with_tree(7);
    let backup = place.back_up();
    let workspace = place.json(["show", "latest"])["workspace"].as_str().unwrap().to_owned();
    let here = place.json(["list"]);
    let restored = place.path("restored");
    std::fs::create_dir(&restored).unwrap();
    let served = Served::start(&place, &["--restore-root", restored.to_str().unwrap()]);
    let token = served.token.clone().expect("the first start makes a token");

    let mut there = place;
    there.env("STILLPOINT_TOKEN", token.clone());
    there.env("STILLPOINT_SERVER", served.url.clone());
    assert_eq!(there.json(["list"]), here);
    assert_eq!(there.json(["show", &backup])["id"], *backup);
    assert!(!there.json(["files", &backup])["entries"].as_array().unwrap().is_empty());
    let made = there.json(["backup", "--workspace", &workspace, "--name", "from afar"]);
    assert_eq!((&made["state"], &made["name"]), (&"completed".into(), &"from afar".into()));
    assert_eq!(made["files"]["new"], 0, "it built on the backup before: {made}");
    assert_eq!(there.json(["list", "--sort", "created"])["backups"][0]["id"], *backup, "the oldest first");
    assert_eq!(there.json(["list", "--user", "eve", "--space", "lab"])["backups"], serde_json::json!([]));
    assert_eq!(there.json(["hold", &backup])["held"], true);
    there.run(["delete", &backup]).assert_refused(1, &["held"]);
    assert_eq!(there.json(["hold", &backup, "--release"])["held"], false);
    let component = there.json(["show", &backup])["components"][0]["id"].as_str().unwrap().to_owned();
    let part = ["restore", &backup, "--as", "again", "--component"];
    there.run([&part[..], &["nothing"]].concat()).assert_refused(1, &["nothing", &component]);
    let again = there.json([&part[..], &[&component]].concat());
    assert_eq!((&again["state"], &again["backup_id"]), (&"completed".into(), &backup.as_str().into()));
    let entries = |path: &Path| std::fs::read_dir(path).unwrap().count();
    assert_eq!(entries(&restored.join("again")), entries(&there.source()));
    there.run(["copy", &backup, "--vault", "far"]).assert_refused(1, &["cop"]);
    let verified = there.json(["verify", made["backup_id"].as_str().unwrap()]);
    assert_eq!((&verified["depth"], &verified["problems"]), (&"decrypted".into(), &serde_json::json!([])));
    let going = there.json(["forget", "--workspace", &workspace, "--keep-last", "1", "--dry-run"]);
    assert_eq!(going["remove"], serde_json::json!([backup]));
    assert_keys(&going, &["dry_run", "keep", "remove", "deleted", "kept", "failed"]);
    let told = there.run(["forget", "--workspace", &workspace, "--keep-last", "1", "--dry-run"]).stdout;
    let at = there.json(["show", &backup])["created_at"].as_str().unwrap().to_owned();
    assert!(told.contains(&format!("would remove  {backup}  {at}  {workspace}")), "{told}");
    there.run(["forget", "--workspace", &workspace]).assert_refused(2, &["say what to keep"]);
    let gone = there.json(["delete", made["backup_id"].as_str().unwrap()]);
    assert_eq!(gone["state"], "completed");
    assert_eq!(there.json(["list"]), here);
    assert_eq!(there.json(["resume"])["operations"], serde_json::json!([]));

    let set = there.json(["schedule", "set", "nightly", "--workspace", &workspace, "--cron", "30 2 * * *"]);
    assert_eq!(
        set["schedule"]["cadence"],
        serde_json::json!({ "cron": { "expression": "30 2 * * *" } }),
        "{set}"
    );
    assert_eq!(there.json(["schedule", "pause", "nightly"])["schedule"]["paused"], true);
    assert_eq!(there.json(["schedule", "list"])["schedules"][0]["id"], "nightly");
    assert_eq!(there.json(["schedule", "unpause", "nightly"])["schedule"]["paused"], false);
    assert_eq!(there.json(["schedule", "remove", "nightly"])["removed"], "nightly");
    let made = there.json(["token", "create", "--role", "viewer", "--name", "ci"]);
    assert!(made["token"].as_str().unwrap().starts_with("stp_"));
    assert_eq!(there.json(["token", "list"])["tokens"].as_array().unwrap().len(), 2);
    let id = made["record"]["id"].as_str().unwrap();
    assert_eq!(there.json(["token", "revoke", id])["revoked"], *id);

    there.run(["check"]).assert_refused(2, &["this machine"]);
    there.run(["schedule", "run"]).assert_refused(2, &["by itself"]);
    there.run(["list", "--store", "/srv", "--no-cache"]).assert_refused(2, &["--store", "this machine"]);
    there.run(["operations", "--user", "ada", "--space", "lab"]).assert_refused(2, &["USER/SPACE"]);
    there.env("STILLPOINT_TOKEN", "stp_wrong");
    there.run(["list"]).assert_refused(1, &["token"]);
    assert_eq!(served.stop()["handed_over"], serde_json::json!([]));

    let again = Served::start(&there, &[]);
    assert_eq!(again.token, None, "the token is told once");
    again.stop();
}

#[test]
fn a_backup_under_way_when_its_server_is_told_to_stop_is_finished_by_the_next_one() {
    let place = configured();
    let slow = Served::start(&place, &["--limit-upload", "100K"]);
    let token = slow.token.clone().unwrap();
    let asked = against(&place, &slow, &token, &["backup", "--workspace", "notes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let operation = under_way(&place, &slow, &token);
    let url = slow.url.clone();
    assert_eq!(slow.stop()["handed_over"], serde_json::json!([operation]));

    // The next one listens where the last one did, as behind one name; whoever followed the backup sees its end there.
    let address = url.strip_prefix("http://").unwrap();
    let next = Served::start(&place, &["--listen", address]);
    let ended = end(asked, "the backup, which the next server finishes,");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.document()["operation_id"], *operation);
    assert_eq!(ended.document()["state"], "completed");
    next.stop();
    assert_eq!(states(&place), ["completed"]);
}

#[test]
fn a_backup_is_followed_at_any_server_and_taken_over_when_its_own_is_killed() {
    let database = Postgres::shared();
    let mut one = configured();
    one.env("STILLPOINT_CATALOG", database.fresh_url());
    one.env("STILLPOINT_STORE", one.store().display().to_string());
    let first = Served::start(&one, &["--limit-upload", "100K"]);
    let token = first.token.clone().unwrap();
    let second = Served::start(&one, &["--data-dir", one.path("other-machine").to_str().unwrap()]);
    assert_eq!(second.token, None, "one catalog has one first token");
    let asked = against(&one, &first, &token, &["backup", "--workspace", "notes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let operation = under_way(&one, &second, &token);
    let followed = against(&one, &second, &token, &["watch", &operation])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    first.kill();
    let taken = eventually(TAKEN_OVER_WITHIN, || {
        let listed = Run::of(&against(&one, &second, &token, &["operations", "--all"]).output().unwrap());
        listed.document()["operations"][0]["state"] == "completed"
    });
    assert!(taken, "the second server finishes what the first one began");
    let ended = end(followed, "the watching of a completed backup");
    assert_eq!((ended.code, &ended.document()["operations"][0]["id"]), (Some(0), &operation.as_str().into()));
    send(&asked, Signal::KILL);
    end(asked, "the killed command");
    second.stop();
    assert_eq!(states(&one), ["completed"], "one backup, made once");
    assert!(Path::new(&one.path("other-machine")).exists());
}

#[test]
fn a_server_that_others_could_reach_in_the_clear_does_not_start() {
    let place = Place::new();
    place.run(["serve", "--listen", "0.0.0.0:0"]).assert_refused(1, &["--tls-cert", "--behind-proxy"]);
    let config = place.path("stillpoint.toml");
    std::fs::write(&config, "[serve]\nlisten = \"0.0.0.0:0\"\n").unwrap();
    let configured = Run::of(&place.command(["serve"]).arg("--config").arg(&config).output().unwrap());
    configured.assert_refused(1, &["--behind-proxy"]);
    assert!(!place.data().exists(), "nothing was opened");
}

#[test]
fn tokens_are_made_listed_and_revoked_and_a_catalog_never_holds_their_secret() {
    let place = Place::new();
    let made =
        place.json(["token", "create", "--role", "operator", "--environment", "lab", "--expires", "90d"]);
    let secret = made["token"].as_str().unwrap();
    assert_eq!(
        (&made["record"]["role"], &made["record"]["environment"]),
        (&"operator".into(), &"lab".into())
    );
    let listed = place.run(["--json", "token", "list"]);
    assert!(!listed.stdout.contains(secret), "{listed:?}");
    let id = made["record"]["id"].as_str().unwrap();
    assert_eq!(listed.document()["tokens"][0]["id"], *id);
    assert_eq!(place.json(["token", "revoke", id])["revoked"], *id);
    place.run(["token", "revoke", id]).assert_refused(1, &["no token"]);
}
