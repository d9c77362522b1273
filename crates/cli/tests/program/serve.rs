//! `stillpoint serve`, commands against it, and what becomes of operations when servers end.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use stillpoint_core::{Entropy, SeededEntropy};
use stillpoint_testkit::eventually;
use stillpoint_testkit::postgres::Postgres;

use crate::common::{Place, Run, send};

/// The longest that a server may take to find what another one left: it looks every twenty seconds.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(60);

/// A running server, the address that it told, and the first token where it made one.
struct Served {
    child: Child,
    url: String,
    token: Option<String>,
}

impl Served {
    fn start(place: &Place, flags: &[&str]) -> Self {
        let mut command = place.command(["serve", "--json"]);
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(flags).env_remove("STILLPOINT_SERVER");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut served = Self { child, url: String::new(), token: None };
        let mut lines = BufReader::new(served.child.stderr.take().unwrap()).lines();
        while served.url.is_empty() {
            // It says where it serves before it ends.
            let line = lines.next().unwrap().unwrap();
            if let Some((_, told)) = line.split_once("shown this once: ") {
                served.token = Some(told.to_owned());
            }
            if let Some(url) = line.strip_prefix("serving at ") {
                served.url = url.to_owned();
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        served
    }

    /// Asks the server to stop, which it must do well, and answers what it said of that.
    fn stop(mut self) -> Value {
        send(&self.child, Signal::TERM);
        let mut said = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{said}");
        serde_json::from_str(&said).unwrap()
    }

    fn kill(mut self) {
        send(&self.child, Signal::KILL);
        self.child.wait().unwrap();
    }
}

/// A command that was left running, and how it ended.
fn end(child: Child) -> Run {
    Run::of(&child.wait_with_output().unwrap())
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
    let ended = end(asked);
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
    one.flag("--store", one.store().display().to_string());
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
    let ended = end(followed);
    assert_eq!((ended.code, &ended.document()["operations"][0]["id"]), (Some(0), &operation.as_str().into()));
    send(&asked, Signal::KILL);
    end(asked);
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
