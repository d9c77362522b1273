//! Running other programs in the project's folder.

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The folder for everything that is installed for this project alone.
pub(crate) fn tools_dir() -> PathBuf {
    xtask::root().join(".tools")
}

#[expect(clippy::disallowed_methods, reason = "the environment is how a build machine makes itself known")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Runs a program with its output passed on, and fails with its name when it fails.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = words(command);
    let status = command.status().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}").into()) }
}

/// Runs a command as root, by `sudo` where somebody else is at work.
pub(crate) fn as_root(words: &[&str]) -> Outcome {
    let root = answer("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    let mut command = Command::new(if root { "env" } else { "sudo" });
    if !root {
        command.arg("-n");
    }
    run(command.args(words))
}

/// Standard output of a program, or `None` when it cannot be started or fails.
pub(crate) fn answer(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

/// One call of cargo.
pub(crate) struct Cargo(Command);

impl Cargo {
    pub(crate) fn new(args: &[&str]) -> Self {
        let mut command = Command::new(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
        command.current_dir(xtask::root()).args(args);
        Self(command)
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn run(mut self) -> Outcome {
        run(&mut self.0)
    }

    /// Standard output of a run that succeeded; standard error is passed on.
    pub(crate) fn output(mut self) -> Outcome<String> {
        let output = self.0.stderr(Stdio::inherit()).output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        Err(format!("`{}` failed: {}", words(&self.0), output.status).into())
    }
}
