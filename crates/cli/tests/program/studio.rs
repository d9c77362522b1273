//! The agent inside a Studio space, against a fake SageMaker that holds every call against the service's own model, and
//! an S3 server.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::common::{Place, Run};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use stillpoint_testkit::eventually;
use stillpoint_testkit::oracle::{FakeAws, fake_aws};
use stillpoint_testkit::s3::Server;

const PROFILE: &str = "arn:aws:sagemaker:us-east-1:111122223333:user-profile/d-abc/ada";

/// One space with its home directory, SageMaker and bucket.
struct Space {
    place: Place,
    fake: FakeAws,
    server: Server,
}

fn scenario(server: &Server, tag: Option<&str>, deny: &[&str]) -> Value {
    let (key, secret) = server.keys();
    let tags = tag.map_or_else(|| json!({}), |value| json!({ "SM_EBS_RESTORE_TIMESTAMP": value }));
    json!({ "start": "now", "accounts": { "111122223333": {
        "keys": { key: { "secret": secret, "deny": deny } },
        "regions": { "us-east-1": { "domains": [ { "id": "d-abc",
            "profiles": [ { "name": "ada", "tags": tags }, { "name": "eve" } ],
            "spaces": [ { "name": "lab", "owner": "ada" }, { "name": "evil", "owner": "eve" } ] } ] } } } } })
}

impl Space {
    fn new(seed: u64) -> Option<Self> {
        let server = Server::start().unwrap();
        let fake = fake_aws(&scenario(&server, None, &[]))?;
        let mut place = Place::with_tree(seed);
        for (name, value) in server.env() {
            place.env(name, value);
        }
        place.env("AWS_REGION", "us-east-1");
        place.env("AWS_ENDPOINT_URL_SAGEMAKER", fake.endpoint());
        place.env("AWS_EC2_METADATA_DISABLED", "true");
        place.env("STILLPOINT_STORE", server.url("studio"));
        place.env("STILLPOINT_LAYOUT", "mirror");
        let space = Self { place, fake, server };
        space.is_called("lab");
        Some(space)
    }

    /// Writes the metadata file as Studio does.
    fn is_called(&self, space: &str) {
        let arn = format!("arn:aws:sagemaker:us-east-1:111122223333:app/d-abc/{space}/JupyterLab/default");
        let metadata = json!({ "AppType": "JupyterLab", "DomainId": "d-abc", "UserProfileName": "",
            "ResourceArn": arn, "ResourceName": "default", "SpaceName": space, "AppImageVersion": "" });
        fs::write(self.place.path("metadata.json"), metadata.to_string()).unwrap();
    }

    fn line(&self, more: &[&str]) -> Vec<String> {
        let metadata = self.place.path("metadata.json").display().to_string();
        let home = self.place.source().display().to_string();
        let start = ["agent", "--studio", "--metadata-file", &metadata, "--home", &home];
        start.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    /// One start of the application, in the foreground and only the work of the start.
    #[track_caller]
    fn starts(&self, code: i32, more: &[&str]) -> Value {
        let more: Vec<&str> = ["--foreground", "--once"].into_iter().chain(more.iter().copied()).collect();
        self.place.json_ending(code, self.line(&more))
    }

    fn tagged(&self, tag: Option<&str>) {
        self.fake.post("reset", &scenario(&self.server, tag, &[]));
    }

    fn points(&self) -> Vec<String> {
        let list = self.place.json(["list", "--user", "ada", "--space", "lab"]);
        let backups = list["backups"].as_array().unwrap();
        let times = backups.iter().map(|backup| backup["created_at"].as_str().unwrap());
        times.map(|time| time[..19].replace([':', 'T'], "-")).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.data().join("agent.log")).unwrap_or_default()
    }

    fn calls(&self) -> BTreeSet<String> {
        let journal = self.fake.get("journal");
        journal
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|call| call["operation"].as_str().map(str::to_owned))
            .collect()
    }
}

/// A process that is not this one's child.
fn process(document: &Value) -> Pid {
    Pid::from_raw(i32::try_from(document["process"].as_i64().unwrap()).unwrap()).unwrap()
}

fn is_gone(id: Pid) -> bool {
    // A process that nobody waits for stays as a zombie; its state says so.
    let stat = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(id).is_err() || stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// The working process below the watching one.
fn worker(watcher: Pid) -> Option<Pid> {
    let id = watcher.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

#[test]
fn the_whole_story_of_a_space() {
    let Some(space) = Space::new(91) else { return };
    let home = space.place.source();
    let names =
        |path: &PathBuf| fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect::<BTreeSet<_>>();
    let before = names(&home);

    let document = space.starts(0, &[]);
    assert_eq!(
        (&document["workspace"], &document["completed"]),
        (&json!("ada/lab"), &json!(1)),
        "{document}"
    );
    let point = space.points().pop().unwrap();

    // The volume is lost; a new one comes up with the tag on the profile.
    fs::remove_dir_all(&home).unwrap();
    fs::remove_dir_all(space.place.data()).unwrap();
    fs::create_dir(&home).unwrap();
    space.tagged(Some(&point));
    let document = space.starts(0, &[]);
    assert_eq!(document["restore"]["made_now"], true, "{document}");
    let landed = home.join("restored-files").join(&point);
    assert_eq!(names(&landed), before);

    // The tag stays; edits made since are left alone.
    fs::write(landed.join("edited.txt"), b"mine").unwrap();
    let document = space.starts(0, &[]);
    assert_eq!(document["restore"]["made_now"], false, "{document}");
    assert_eq!(fs::read(landed.join("edited.txt")).unwrap(), b"mine");
    assert_eq!(space.points().len(), 3);

    let wanted = ["DescribeSpace", "DescribeUserProfile", "ListTags"].map(str::to_owned);
    assert_eq!(space.calls(), BTreeSet::from(wanted), "no other permission is needed");
    space.fake.assert_no_violations();
}

#[test]
fn the_tag_is_removed_where_that_is_asked_for() {
    let Some(space) = Space::new(92) else { return };
    space.starts(0, &[]);
    let point = space.points().pop().unwrap();
    space.tagged(Some(&point));
    space.starts(0, &["--remove-tag"]);
    assert!(space.calls().contains("DeleteTags"));
    let state = space.fake.get("state").to_string();
    assert!(state.contains(PROFILE) && !state.contains("SM_EBS_RESTORE_TIMESTAMP"), "{state}");
    space.fake.assert_no_violations();
}

#[test]
fn a_denied_answer_ends_the_agent_and_nothing_is_written() {
    let Some(space) = Space::new(93) else { return };
    for action in ["sagemaker:DescribeSpace", "sagemaker:DescribeUserProfile"] {
        space.fake.post("reset", &scenario(&space.server, None, &[action]));
        let run = space.place.run(space.line(&["--foreground", "--once"]));
        run.assert_refused(1, &[action.trim_start_matches("sagemaker:"), "permission"]);
    }
    space.is_called("nobody");
    space.tagged(None);
    space.place.run(space.line(&["--foreground", "--once"])).assert_refused(1, &["DescribeSpace"]);
    fs::write(space.place.path("metadata.json"), "{}").unwrap();
    space.place.run(space.line(&["--foreground", "--once"])).assert_refused(1, &["DomainId"]);
    assert_eq!(space.server.requests().total(), 0, "the bucket was not even asked");
    space.fake.assert_no_violations();
}

#[test]
fn tags_that_cannot_be_read_do_not_leave_the_space_without_backups() {
    let Some(space) = Space::new(94) else { return };
    for (tag, deny, word) in [
        (Some("../../etc"), &[][..], "no timestamp"),
        (Some("2026"), &[][..], "no timestamp"),
        (None, &["sagemaker:ListTags"][..], "ListTags"),
    ] {
        space.fake.post("reset", &scenario(&space.server, tag, deny));
        let output = space.place.command(space.line(&["--foreground", "--once", "--json"])).output().unwrap();
        let run = Run::of(&output);
        assert!(run.stderr.contains("ALARM") && run.stderr.contains(word), "{run:?}");
        assert_eq!(run.document()["completed"], 1, "{run:?}");
    }
    // A point that this space does not have: the tag is the profile's, and another space may have it.
    space.tagged(Some("2001-02-03-04-05-06"));
    let document = space.starts(1, &[]);
    assert_eq!(document["restore"]["state"], "failed", "{document}");
    assert_eq!(document["completed"], 1, "{document}");
    assert!(!space.place.source().join("restored-files").exists());
    space.fake.assert_no_violations();
}

#[test]
fn a_request_that_is_over_is_not_carried_out_and_the_backups_go_on() {
    let Some(space) = Space::new(99) else { return };
    let landed = space.place.source().join("restored-files");
    space.starts(0, &[]);
    let point = space.points().pop().unwrap();

    space.tagged(Some(&format!("{point} until 2026-01-01-00-00-00")));
    let output = space.place.command(space.line(&["--foreground", "--once", "--json"])).output().unwrap();
    let run = Run::of(&output);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("ALARM") && run.stderr.contains("ended at 2026-01-01"), "{run:?}");
    let document = run.document();
    assert_eq!(
        (&document["restore"]["expired"], &document["restore"]["made_now"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((&document["restore"]["state"], &document["completed"]), (&json!("cancelled"), &json!(1)));
    assert!(!landed.exists(), "nothing was restored");
    // It was said, and is not said at every start; the tag goes where that is asked for.
    let again = Run::of(
        &space.place.command(space.line(&["--foreground", "--once", "--remove-tag"])).output().unwrap(),
    );
    assert!(!again.stderr.contains("ALARM") && again.stderr.contains("as was said before"), "{again:?}");
    assert!(space.calls().contains("DeleteTags"));

    // An end that cannot be read is no request, and a new end is a new one.
    space.tagged(Some(&format!("{point} until tomorrow")));
    let output = space.place.command(space.line(&["--foreground", "--once", "--json"])).output().unwrap();
    let run = Run::of(&output);
    assert!(run.stderr.contains("ALARM") && run.stderr.contains("whose end is no timestamp"), "{run:?}");
    assert_eq!((&run.document()["restore"], &run.document()["completed"]), (&Value::Null, &json!(1)));
    assert!(!landed.exists(), "nothing was restored");
    space.tagged(Some(&format!("{point} until 2100-01-01T00:00:00Z")));
    let document = space.starts(0, &[]);
    assert_eq!(document["restore"]["made_now"], true, "{document}");
    assert!(landed.join(&point).is_dir());
    // It is done, and stays so when its time is over, or another end is given.
    for until in ["2100-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2100-01-02T00:00:00Z"] {
        space.tagged(Some(&format!("{point} until {until}")));
        let document = space.starts(0, &[]);
        assert_eq!(
            (&document["restore"]["made_now"], &document["restore"]["expired"]),
            (&json!(false), &json!(false))
        );
    }
    space.fake.assert_no_violations();
}

#[test]
fn another_spaces_backups_are_restored_only_where_the_command_line_says_so() {
    let Some(space) = Space::new(95) else { return };
    space.starts(0, &[]);
    let point = space.points().pop().unwrap();
    space.is_called("evil");
    fs::remove_dir_all(space.place.data()).unwrap();
    let tags = json!({ "SM_EBS_RESTORE_TIMESTAMP": point });
    let mut scenario = scenario(&space.server, None, &[]);
    scenario["accounts"]["111122223333"]["regions"]["us-east-1"]["domains"][0]["profiles"][1]["tags"] = tags;
    space.fake.post("reset", &scenario);
    assert_eq!(space.starts(1, &[])["restore"]["state"], "failed");
    let document = space.starts(0, &["--restore-from", "ada/lab"]);
    assert_eq!(document["restore"]["made_now"], true, "{document}");
    space.fake.assert_no_violations();
}

#[test]
fn the_command_returns_at_once_and_a_crash_is_repaired_in_the_background() {
    let Some(space) = Space::new(96) else { return };
    let document = space.place.json(space.line(&["--interval", "1h"]));
    let watcher = process(&document);
    assert!(eventually(Duration::from_secs(60), || space.log().contains("completed")), "{}", space.log());

    let second = space.place.json(space.line(&[]));
    assert!(
        eventually(Duration::from_secs(30), || is_gone(process(&second))),
        "a second agent ends: {}",
        space.log()
    );

    let first = worker(watcher).unwrap();
    kill_process(first, Signal::KILL).unwrap();
    let again =
        || worker(watcher).is_some_and(|id| id != first) && space.log().matches(" completed").count() == 2;
    assert!(eventually(Duration::from_secs(60), again), "{}", space.log());

    kill_process(watcher, Signal::TERM).unwrap();
    assert!(eventually(Duration::from_secs(30), || is_gone(watcher)), "{}", space.log());
    assert!(space.log().contains("ends on request"), "{}", space.log());
    space.fake.assert_no_violations();
}

#[test]
fn an_answer_that_does_not_come_is_waited_for() {
    let Some(space) = Space::new(97) else { return };
    space.fake.post(
        "inject",
        &json!({ "op": "DescribeSpace", "count": 2,
        "fault": { "kind": "error", "code": "ThrottlingException" } }),
    );
    let document = space.starts(0, &[]);
    assert_eq!(document["completed"], 1, "{document}");
    space.fake.assert_no_violations();
}

#[test]
fn a_sealed_space_needs_a_password_from_elsewhere() {
    let Some(mut space) = Space::new(98) else { return };
    space.place.env("STILLPOINT_LAYOUT", "repository");
    let run = space.place.run(space.line(&["--foreground", "--once"]));
    run.assert_refused(1, &["--password-file", "lost with"]);
    space.place.env("STILLPOINT_PASSWORD", "a secret of ada's");
    let document = space.starts(0, &[]);
    let home = space.place.source();
    assert_eq!(document["completed"], 1, "{document}");
    let point = space.points().pop().unwrap();

    // On a new volume the catalog is empty; the store knows.
    fs::remove_dir_all(&home).unwrap();
    fs::remove_dir_all(space.place.data()).unwrap();
    fs::create_dir(&home).unwrap();
    space.tagged(Some(&point));
    let document = space.starts(0, &[]);
    assert_eq!(document["restore"]["made_now"], true, "{document}");
    space.fake.assert_no_violations();
}

#[test]
fn the_lifecycle_script_fits_and_never_fails_the_application() {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/studio/on-start.sh");
    let length = fs::metadata(&script).unwrap().len();
    // The limit of 16,384 characters is on the base64 of it.
    assert!(length.div_ceil(3) * 4 < 16_384, "{length} bytes");
    let output = std::process::Command::new("bash").arg(&script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("NOT backed up"), "{output:?}");
}

/// Whoever starts the script finds nothing in the home directory afterwards that a later start would go on using, no
/// timetable, and nothing installed: the program is all that it calls.
#[test]
fn the_lifecycle_script_leaves_nothing_behind_and_calls_nothing_but_the_program() {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/studio/on-start.sh");
    let place = tempfile::tempdir().unwrap();
    let (home, bin, told) = (place.path().join("home"), place.path().join("bin"), place.path().join("told"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&bin).unwrap();
    let tell = |name: &str| {
        let text = format!(
            "#!/bin/sh\necho \"{name} $*; $STILLPOINT_STORE $STILLPOINT_LAYOUT\" >> {}\n",
            told.display()
        );
        fs::write(bin.join(name), text).unwrap();
        fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    };
    let others = [
        "apt-get", "aws", "cat", "chmod", "cp", "cron", "crontab", "curl", "jq", "pip", "sudo", "tee",
        "envsubst",
    ];
    ["stillpoint"].iter().chain(&others).for_each(|name| tell(name));
    let installed = "PROGRAM=\"/opt/stillpoint/bin/stillpoint\"";
    let text = fs::read_to_string(&script).unwrap();
    assert!(text.contains(installed));
    let own = text.replace(installed, &format!("PROGRAM=\"{}\"", bin.join("stillpoint").display()));
    let edited = own.replace("my-backup-bucket", "other-bucket");
    for (script, bucket) in [(&own, "my-backup-bucket"), (&edited, "other-bucket")] {
        fs::write(&told, "").unwrap();
        let mut bash = std::process::Command::new("/bin/bash");
        bash.args(["-c", script.as_str()]).current_dir(&home).env_clear();
        let output = bash.env("HOME", &home).env("PATH", &bin).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let called = format!("stillpoint agent --studio --interval 12h; s3://{bucket}/studio mirror\n");
        assert_eq!(fs::read_to_string(&told).unwrap(), called, "what is edited holds from the next start on");
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    }
}

#[test]
fn each_user_has_a_store_and_a_password_of_their_own() {
    let Some(mut space) = Space::new(98) else { return };
    let store = format!("{}/{{user}}", space.server.url("studio"));
    space.place.env("STILLPOINT_STORE", store);
    space.place.env("STILLPOINT_LAYOUT", "repository");
    let command = "printf 'secret of %s' \"$STILLPOINT_USER\"";
    space.starts(0, &["--password-command", command]);
    space.is_called("evil");
    space.starts(0, &["--password-command", command]);
    let stored: BTreeSet<String> = space.server.objects("studio/").unwrap().into_keys().collect();
    for user in ["ada", "eve"] {
        assert!(stored.contains(&format!("studio/{user}/config")), "{stored:?}");
    }
    // Neither reads what the other wrote.
    let run = space.place.run([
        "check",
        "--user",
        "eve",
        "--space",
        "evil",
        "--password-command",
        "printf 'secret of ada'",
    ]);
    assert_eq!(run.code, Some(12), "{run:?}");
    space.fake.assert_no_violations();
}
