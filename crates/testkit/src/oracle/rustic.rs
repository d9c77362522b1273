//! rustic, by way of the small program `oracle-rustic` of this workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{found, tools_dir};

/// rustic, or `None` after a printed skip. Panics where skips are forbidden.
pub fn rustic() -> Option<Rustic> {
    found("oracle-rustic", tools_dir().join("bin/oracle-rustic")).map(|program| Rustic { program })
}

/// The program. It reaches repositories in local directories only, and neither records nor restores the metadata of the
/// source directory itself: compare with [`crate::compare::Comparison::ignoring_root`].
#[derive(Debug, Clone)]
pub struct Rustic {
    program: PathBuf,
}

impl Rustic {
    /// Where the program is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Makes a repository in `repository`.
    #[track_caller]
    pub fn init(&self, repository: &Path, password: &str) {
        self.run("init", repository, password, &[]);
    }

    /// Backs `source` up, recorded under its own path, and returns the snapshot's id.
    #[track_caller]
    pub fn backup(&self, repository: &Path, password: &str, source: &Path) -> String {
        self.run("backup", repository, password, &[source]).trim().to_owned()
    }

    /// Reads and verifies every byte of the repository; panics on any complaint.
    #[track_caller]
    pub fn check_read_data(&self, repository: &Path, password: &str) {
        self.run("check", repository, password, &[]);
    }

    /// Restores `snapshot` (an id, `latest`, or `ID:PATH` for a folder inside it) into `target`.
    #[track_caller]
    pub fn restore(&self, repository: &Path, password: &str, snapshot: &str, target: &Path) {
        self.run("restore", repository, password, &[Path::new(snapshot), target]);
    }

    /// Runs one command of the program and returns whatever it said, also when it failed.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test cannot go on without the program it asked for")]
    pub fn try_run(&self, verb: &str, repository: &Path, password: &str, args: &[&Path]) -> Output {
        let mut command = Command::new(&self.program);
        command.arg(verb).arg(repository).args(args).env("RUSTIC_PASSWORD", password);
        command.output().unwrap_or_else(|error| panic!("oracle-rustic does not start: {error}"))
    }

    #[track_caller]
    fn run(&self, verb: &str, repository: &Path, password: &str, args: &[&Path]) -> String {
        let output = self.try_run(verb, repository, password, args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "oracle-rustic {verb} {}: {}\n{out}\n{err}",
            repository.display(),
            output.status
        );
        out.into_owned()
    }
}
