//! The stock restic program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{found, tools_dir};

/// Stock restic, or `None` after a printed skip. Panics where skips are forbidden.
pub fn restic() -> Option<Restic> {
    found("restic", tools_dir().join("restic/usr/bin/restic")).map(|program| Restic { program })
}

/// The program.
#[derive(Debug, Clone)]
pub struct Restic {
    program: PathBuf,
}

impl Restic {
    /// Where the program is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A handle for one repository: a directory, or `s3:http://host:port/bucket/prefix`.
    pub fn repository(&self, location: impl Into<String>, password: &str) -> Repository {
        Repository {
            program: self.program.clone(),
            location: location.into(),
            password: password.to_owned(),
            env: Vec::new(),
        }
    }
}

/// One repository as restic sees it. No cache is used and no lock is waited for.
#[derive(Debug, Clone)]
pub struct Repository {
    program: PathBuf,
    location: String,
    password: String,
    env: Vec<(String, String)>,
}

impl Repository {
    /// Adds environment variables, such as those of [`crate::s3::Server::env`].
    #[must_use]
    pub fn with_env<K: Into<String>>(mut self, env: impl IntoIterator<Item = (K, String)>) -> Self {
        self.env.extend(env.into_iter().map(|(name, value)| (name.into(), value)));
        self
    }

    /// The command `restic ARGS…` on this repository, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--no-cache")
            .args(args)
            .env("RESTIC_REPOSITORY", &self.location)
            .env("RESTIC_PASSWORD", &self.password)
            .env("RESTIC_PROGRESS_FPS", "0.016")
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs restic and returns whatever it said, also when it failed.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test cannot go on without the program it asked for")]
    pub fn try_run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap_or_else(|error| panic!("restic does not start: {error}"))
    }

    /// Runs restic, panics with its words when it fails, and returns its standard output.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "restic {args:?} on {}: {}\n{out}\n{err}",
            self.location,
            output.status
        );
        out.into_owned()
    }

    /// Reads and verifies every byte of the repository; panics on any complaint, warnings included.
    #[track_caller]
    pub fn check_read_data(&self) {
        let output = self.try_run(&["check", "--read-data"]);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "restic check --read-data: {}\n{out}\n{err}", output.status);
        assert!(out.contains("no errors were found"), "restic check --read-data complains:\n{out}\n{err}");
    }

    /// Restores a snapshot (an id or `latest`) below `target`.
    #[track_caller]
    pub fn restore(&self, snapshot: &str, target: &Path) {
        let target = target.to_string_lossy();
        self.run(&["restore", snapshot, "--target", &target]);
    }
}
