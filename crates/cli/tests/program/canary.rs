//! No password, key or token is ever seen where it does not belong: in output, logs, errors, arguments or files.
//!
//! Every command runs with `RUST_LOG=trace`, in success and in failure, and everything it left behind is searched for
//! the secrets it was given, plain and in the usual encodings.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::common::{Place, Run};
use stillpoint_testkit::s3::{Options, Server};

/// Secrets, and what was looked through for them.
struct Search {
    secrets: Vec<(&'static str, String)>,
    looked_through: u64,
}

impl Search {
    fn new(secrets: &[(&'static str, &str)]) -> Self {
        let secrets = secrets.iter().map(|(name, secret)| (*name, (*secret).to_owned())).collect();
        Self { secrets, looked_through: 0 }
    }

    #[track_caller]
    fn through(&mut self, place: &str, bytes: &[u8]) {
        self.looked_through += 1;
        for (name, secret) in &self.secrets {
            for form in forms(secret) {
                assert!(!holds(bytes, form.as_bytes()), "{name} is seen in {place} as {form:?}");
            }
        }
    }

    fn through_run(&mut self, what: &str, run: &Run) {
        assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
        self.through(&format!("the output of {what}"), run.stdout.as_bytes());
        self.through(&format!("the log of {what}"), run.stderr.as_bytes());
    }

    /// Every file below `dir`, its name included, but for `allowed`.
    fn through_files(&mut self, dir: &Path, allowed: &[PathBuf]) {
        for entry in fs::read_dir(dir).into_iter().flatten().map(Result::unwrap) {
            let path = entry.path();
            self.through(&format!("the name of {}", path.display()), path.as_os_str().as_encoded_bytes());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                self.through_files(&path, allowed);
            } else if kind.is_file() && !allowed.contains(&path) {
                self.through(&path.display().to_string(), &fs::read(&path).unwrap());
            }
        }
    }
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    let first = wanted[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(wanted) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// A secret as it may be written: plain, in hexadecimal digits, percent-encoded, and in base64 whatever stands before it.
fn forms(secret: &str) -> Vec<String> {
    let hex = secret.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let percent = secret.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").unwrap();
        }
        text
    });
    let mut forms = vec![secret.to_owned(), hex.to_uppercase(), hex, percent];
    // Three letters of the alphabet of base64 at either end depend on the neighbours.
    forms.extend((0..3).map(|shift| {
        let text = base64(&[&vec![b' '; shift], secret.as_bytes()].concat());
        text[4..text.len() - 4].to_owned()
    }));
    forms
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        text.extend((0..4).map(|at| char::from(ALPHABET[word >> (18 - 6 * at) & 63])));
    }
    text
}

/// A place with two small files, whose temporary files stay inside it.
fn place() -> Place {
    let mut place = Place::new();
    fs::create_dir_all(place.source().join("deep")).unwrap();
    fs::write(place.source().join("notes"), "mind the gap").unwrap();
    fs::write(place.source().join("deep/more"), vec![7; 70_000]).unwrap();
    let temporary = place.path("temporary");
    fs::create_dir(&temporary).unwrap();
    place.env("TMPDIR", temporary.to_str().unwrap());
    place.env("RUST_LOG", "trace");
    place
}

/// Runs a command, looks at its arguments while it runs, and at all it says.
fn run<S: AsRef<OsStr>>(search: &mut Search, place: &Place, args: &[S]) -> Run {
    let what =
        args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let mut command = place.command(args);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may be over already; then there are no arguments to be seen.
    let line = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
    search.through(&format!("the arguments of {what}"), &line);
    let run = Run::of(&child.wait_with_output().unwrap());
    search.through_run(&what, &run);
    run
}

/// Every command that reads or writes a store, with what succeeds and what fails.
fn commands(place: &Place) -> Vec<Vec<OsString>> {
    let source = place.source().into_os_string();
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let with = |words_before: &[&str], path: OsString, after: &[&str]| {
        [words(words_before), vec![path], words(after)].concat()
    };
    let out = |name: &str| place.path(name).into_os_string();
    vec![
        with(&["backup", "--dry-run"], source.clone(), &["--json"]),
        with(&["backup"], source.clone(), &[]),
        with(&["backup"], source.clone(), &["--json", "-vvv"]),
        with(&["backup"], out("no-such-source"), &["--json"]),
        words(&["list", "--json"]),
        words(&["show", "latest"]),
        words(&["files", "latest"]),
        with(&["restore", "latest", "--into"], out("restored"), &["--json"]),
        with(&["restore", "latest", "--into"], source, &["--json"]),
        words(&["restore", "no-such-backup", "--into", "/nowhere"]),
        words(&["check", "--read-data", "--json"]),
        words(&["verify", "latest"]),
        words(&["operations", "--all", "--json"]),
        words(&["resume"]),
        words(&["rebuild", "--json"]),
        words(&["delete", "latest"]),
        words(&["check"]),
    ]
}

#[test]
fn a_password_is_seen_nowhere_whether_commands_succeed_or_fail() {
    let (right, wrong) = ("canary+Right/Password-1", "canary+Wrong/Password-2");
    let mut search = Search::new(&[("the password", right), ("the wrong password", wrong)]);
    let mut place = place();
    place.env("STILLPOINT_PASSWORD", right);
    let commands = commands(&place);
    let ended: Vec<_> = commands.iter().map(|args| run(&mut search, &place, args).code).collect();
    assert!(ended.iter().filter(|code| **code == Some(0)).count() >= 10, "{ended:?}");
    assert!(ended.iter().filter(|code| **code == Some(1)).count() >= 3, "{ended:?}");
    run(&mut search, &place, &[OsStr::new("backup"), place.source().as_os_str()]);
    // With the wrong password, and with a store that is damaged.
    place.env("STILLPOINT_PASSWORD", wrong);
    assert_eq!(run(&mut search, &place, &["check", "--json"]).code, Some(12));
    place.env("STILLPOINT_PASSWORD", right);
    for pack in place.stored("data") {
        let mut bytes = fs::read(&pack).unwrap();
        bytes[9] ^= 1;
        fs::write(&pack, bytes).unwrap();
    }
    assert_eq!(run(&mut search, &place, &["check", "--read-data"]).code, Some(1));
    let target = place.path("damaged");
    run(&mut search, &place, &["restore", "latest", "--into", target.to_str().unwrap()]);
    for key in place.stored("keys") {
        fs::write(&key, b"{}").unwrap();
    }
    assert_eq!(run(&mut search, &place, &["check"]).code, Some(1));
    search.through_files(place.dir.path(), &[]);
    assert!(search.looked_through > 80, "{}", search.looked_through);
}

#[test]
fn secrets_in_files_and_commands_stay_there() {
    let secret = "canary+In/A-File-3";
    let mut search = Search::new(&[("the password", secret)]);
    let mut place = place();
    let file = place.path("password");
    let source = place.source();
    let backup = [OsStr::new("backup"), source.as_os_str()];
    place.flag("--password-file", file.to_str().unwrap());
    fs::write(&file, format!("{secret}\nnot the password\n")).unwrap();
    assert_eq!(run(&mut search, &place, &backup).code, Some(1), "which of the lines is it?");
    fs::write(&file, format!("{secret}\n")).unwrap();
    assert_eq!(run(&mut search, &place, &backup).code, Some(0));
    search.through_files(place.dir.path(), std::slice::from_ref(&file));
    let mut place = self::place();
    place.flag("--password-command", format!("cat {}", file.display()));
    fs::write(&file, secret).unwrap_or_else(|_gone| panic!("the first place must still be there"));
    let source = place.source();
    assert_eq!(run(&mut search, &place, &[OsStr::new("backup"), source.as_os_str()]).code, Some(0));
    search.through_files(place.dir.path(), &[]);
}

#[test]
fn the_key_that_is_made_stands_in_its_file_only() {
    let place = place();
    let made = place.run([OsStr::new("backup"), place.source().as_os_str()]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let file = place.data().join("key");
    let key = fs::read_to_string(&file).unwrap().trim().to_owned();
    let mut search = Search::new(&[("the key", &key)]);
    search.through_run("the first backup", &made);
    for args in commands(&place) {
        run(&mut search, &place, &args);
    }
    search.through_files(place.dir.path(), &[file]);
}

#[test]
fn the_keys_of_s3_are_seen_nowhere() {
    let (secret, other) =
        ("canary/S3/secret/canary/S3/secret/canary", "canary/S3/other/canary/S3/other/canary/x");
    let token = "canary-session-token-canary-session-token";
    let mut search =
        Search::new(&[("the S3 key", secret), ("the other S3 key", other), ("the session token", token)]);
    let server = Server::start_with(Options { secret_key: secret.to_owned(), ..Options::default() }).unwrap();
    let mut place = place();
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_PASSWORD", "does not matter here");
    place.flag("--store", "s3://bucket/prefix");
    for args in commands(&place) {
        run(&mut search, &place, &args);
    }
    place.env("AWS_SECRET_ACCESS_KEY", other);
    assert_ne!(run(&mut search, &place, &["check", "--json"]).code, Some(0), "the wrong key must not do");
    place.env("AWS_SESSION_TOKEN", token);
    run(&mut search, &place, &["check"]);
    place.env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9");
    place.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    assert_eq!(run(&mut search, &place, &["check", "--json"]).code, Some(1));
    search.through_files(place.dir.path(), &[]);
}

#[test]
fn the_keys_of_other_stores_are_seen_nowhere() {
    let account_key = base64(b"canary of an azure account key!!");
    let signature = "canary-sas-signature-canary-sas-signature";
    let client_secret = "canary-client-secret-canary";
    let google = "canary-google-private-key-canary";
    let mut search = Search::new(&[
        ("the account key", &account_key),
        ("the SAS token", signature),
        ("the client secret", client_secret),
        ("the Google key", google),
        ("the password in the URL", "canary-in-the-url"),
    ]);
    let azure = |name: &str, value: &str| {
        let mut place = place();
        place.env("STILLPOINT_PASSWORD", "does not matter here");
        place.env("AZURE_STORAGE_ACCOUNT_NAME", "account");
        place.env("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:9/account");
        place.env(name, value);
        place.flag("--store", "az://container/prefix");
        place
    };
    let sas = format!("sv=2024-01-01&ss=b&srt=sco&sp=rwdlac&se=2030-01-01&sig={signature}");
    for (name, value) in [
        ("AZURE_STORAGE_ACCOUNT_KEY", account_key.as_str()),
        ("AZURE_STORAGE_SAS_TOKEN", sas.as_str()),
        ("AZURE_STORAGE_SAS_KEY", sas.as_str()),
        ("AZURE_CLIENT_SECRET", client_secret),
        ("AZURE_STORAGE_ACCOUNT_KEY", "canary-sas-signature-canary-sas-signature, which is no base64"),
    ] {
        let place = azure(name, value);
        assert_eq!(run(&mut search, &place, &["check"]).code, Some(1), "{name}");
        let source = place.source();
        run(&mut search, &place, &[OsStr::new("backup"), source.as_os_str(), OsStr::new("--json")]);
        search.through_files(place.dir.path(), &[]);
    }
    let mut place = place();
    place.env("STILLPOINT_PASSWORD", "does not matter here");
    place
        .env("GOOGLE_SERVICE_ACCOUNT_KEY", format!("{{\"private_key\": \"{google}\", \"client_email\": 7}}"));
    place.flag("--store", "gs://bucket/prefix");
    run(&mut search, &place, &["check", "--json"]);
    // The command line that holds a secret is the caller's own; what is said about it must not repeat it.
    for (flag, url) in [
        ("--store", "s3://user:canary-in-the-url@bucket/prefix"),
        ("--store", "az://container?sig=canary-in-the-url"),
        ("--catalog", "postgre://user:canary-in-the-url@host/database"),
        ("--server", "ftp://user:canary-in-the-url@host"),
    ] {
        let refused = self::place().run(["check", "--json", flag, url]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        search.through_run("a URL with a secret", &refused);
    }
}

#[test]
fn the_search_finds_what_it_is_made_to_find() {
    let secret = "canary+With/Odd:Letters";
    let mut hex = String::new();
    secret.bytes().for_each(|byte| write!(hex, "{byte:02x}").unwrap());
    let shown = [
        format!("password={secret}"),
        format!("Authorization: Basic {}", base64(format!("ada:{secret}").as_bytes())),
        format!("Authorization: Basic {}", base64(format!("user:{secret}.").as_bytes())),
        "https://host/?key=canary%2BWith%2FOdd%3ALetters".to_owned(),
        hex,
    ];
    for text in shown {
        let seen = std::panic::catch_unwind(|| {
            Search::new(&[("it", secret)]).through("the text", text.as_bytes());
        });
        assert!(seen.is_err(), "{text}");
    }
    Search::new(&[("it", secret)]).through("the text", b"nothing canary+With/Odd");
}
