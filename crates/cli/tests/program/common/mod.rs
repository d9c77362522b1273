//! Runs the real program, each time as a process of its own with a data directory of its own.
#![expect(clippy::print_stderr, reason = "a test that cannot run here says so")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use stillpoint_testkit::eventually;
use stillpoint_testkit::tree::TreeSpec;

/// A place with a source tree, a data directory and room for restores.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    envs: Vec<(String, String)>,
    flags: Vec<String>,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// An empty place with the default store and catalog.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("cli-").tempdir().unwrap();
        Self { dir, envs: Vec::new(), flags: Vec::new() }
    }

    /// A place whose source is a small seeded tree with everything odd in it.
    pub(crate) fn with_tree(seed: u64) -> Self {
        let place = Self::new();
        TreeSpec::small(seed).generate(&place.source()).unwrap();
        // Until what was just written would show another time of change if it were written again.
        std::thread::sleep(Duration::from_millis(120));
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.path("source")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("data/store")
    }

    /// Every run from now on sees this variable.
    pub(crate) fn env(&mut self, name: &str, value: impl Into<String>) {
        self.envs.push((name.to_owned(), value.into()));
    }

    /// Every run from now on has these flags.
    pub(crate) fn flag(&mut self, name: &str, value: impl Into<String>) {
        self.flags.extend([name.to_owned(), value.into()]);
    }

    /// The program with this place's settings and none of the environment's.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_stillpoint")), args)
    }

    pub(crate) fn command_of<S: AsRef<OsStr>>(
        &self,
        program: &Path,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().into_owned();
            if ["STILLPOINT_", "AWS_", "AZURE_", "GOOGLE_", "XDG_"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(name);
            }
        }
        command.env_remove("RUST_LOG").env("STILLPOINT_DATA_DIR", self.data()).stdin(Stdio::null());
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        command.args(args).args(&self.flags);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        Run::of(&self.command(args).output().unwrap())
    }

    /// Runs the program, which must succeed, and reads its JSON document.
    #[track_caller]
    pub(crate) fn json<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Value {
        self.json_ending(0, args)
    }

    /// Runs the program, which must end with `code`, and reads its JSON document.
    #[track_caller]
    pub(crate) fn json_ending<S: AsRef<OsStr>>(&self, code: i32, args: impl IntoIterator<Item = S>) -> Value {
        let run = Run::of(&self.command(args).arg("--json").output().unwrap());
        assert_eq!(run.code, Some(code), "{run:?}");
        run.document()
    }

    /// Starts the program and leaves it running.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Backs the source up, which must succeed, and answers the backup's id.
    #[track_caller]
    pub(crate) fn back_up(&self) -> String {
        let document = self.json([OsStr::new("backup"), self.source().as_os_str()]);
        document["backup_id"].as_str().unwrap().to_owned()
    }

    /// The id of the only unfinished operation, once there is one.
    #[track_caller]
    pub(crate) fn operation_under_way(&self) -> String {
        let mut found = None;
        let seen = eventually(Duration::from_secs(30), || {
            let document = self.json(["operations"]);
            let first = document["operations"].as_array().unwrap().first();
            found = first.map(|operation| operation["id"].as_str().unwrap().to_owned());
            found.is_some()
        });
        assert!(seen, "no operation came under way");
        found.unwrap()
    }

    /// Works on the catalog's database behind the program's back.
    pub(crate) fn on_catalog<T>(&self, work: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
        let url = format!("sqlite:{}", self.data().join("catalog.sqlite").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let result = work(&mut connection).await;
            connection.close().await.unwrap();
            result
        })
    }

    /// Keeps the catalog locked, as another process in the middle of a change would, until `work` is done.
    pub(crate) fn with_locked_catalog<T>(&self, work: impl FnOnce() -> T) -> T {
        self.on_catalog(async |connection| {
            sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.unwrap();
            let result = work();
            sqlx::query("ROLLBACK").execute(&mut *connection).await.unwrap();
            result
        })
    }

    /// Files below the store's `folder`.
    pub(crate) fn stored(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting = vec![self.store().join(folder)];
        while let Some(directory) = waiting.pop() {
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    waiting.push(entry.path())
                } else {
                    found.push(entry.path())
                }
            }
        }
        found.sort();
        found
    }
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that the run ended with `code` and that standard error is one sentence which holds every word.
    #[track_caller]
    pub(crate) fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let errors: Vec<_> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "one sentence, not {self:?}");
        for word in words {
            assert!(errors[0].contains(word), "{:?} should say {word:?}", errors[0]);
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

/// Sends `signal` to a child.
pub(crate) fn send(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

/// A command line that ends with `path`.
pub(crate) fn line<'a>(words: &[&'a str], path: &'a Path) -> Vec<&'a OsStr> {
    words.iter().map(|word| OsStr::new(*word)).chain([path.as_os_str()]).collect()
}

/// The keys of an object, sorted.
#[track_caller]
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Asserts that `value` has every one of `wanted`, and answers it.
#[track_caller]
pub(crate) fn assert_keys(value: &Value, wanted: &[&str]) {
    let have = keys(value);
    for key in wanted {
        assert!(have.contains(key), "{key} is missing in {have:?}");
    }
}

/// A test that cannot run here: a printed skip at home, a failure where the project is checked.
pub(crate) fn skip(why: &str) {
    let ci = std::env::vars_os().any(|(name, value)| name == "CI" && !value.is_empty());
    assert!(!ci, "must not be skipped in CI: {why}");
    eprintln!("SKIPPED: {why}");
}
