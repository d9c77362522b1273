//! Programs one of whose calls into the file system is made to fail.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Makes single calls of a child process fail.
///
/// The calls are those that change a file system: creating, writing, renaming, linking, removing, setting attributes,
/// syncing. They are caught in the kernel, so it does not matter by which library the program makes them. Needs a C
/// compiler (`cc`, or what `CC` names) and Linux 5.5.
#[derive(Debug)]
pub struct Injector {
    program: PathBuf,
    folder: TempDir,
}

/// How a run under an [`Injector`] went.
#[derive(Debug)]
pub struct Injected {
    /// What the program said and how it ended.
    pub output: Output,
    /// The calls it made, up to its end.
    pub calls: u64,
    /// The call that failed, if the program came to it.
    pub failed: Option<String>,
}

impl Injector {
    /// Compiles the injector.
    ///
    /// # Errors
    /// When there is no C compiler or it refuses.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (source, program) = (folder.path().join("inject.c"), folder.path().join("inject"));
        std::fs::write(&source, include_str!("inject.c"))?;
        let compiler = crate::oracle::variable("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(compiler).args(["-O1", "-o"]).args([&program, &source]).output()?;
        if !built.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&built.stderr).into_owned()));
        }
        Ok(Self { program, folder })
    }

    /// Runs `program` and makes its `number`th call, counted from 1, fail with the error `errno`; with 0, none. Calls on
    /// descriptors count where these lead below `folder`, others always.
    ///
    /// # Errors
    /// When the program cannot be run or watched.
    pub fn run(&self, number: u64, errno: i32, folder: &Path, program: &Command) -> io::Result<Injected> {
        let report = tempfile::NamedTempFile::new_in(&self.folder)?;
        let mut command = Command::new(&self.program);
        command.args([number.to_string(), errno.to_string()]).arg(folder).arg(report.path());
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.output()?;
        let told = std::fs::read_to_string(report.path())?;
        let unreadable = || io::Error::other(format!("the injector told {told:?}: {output:?}"));
        let (calls, failed) = told.trim().split_once(' ').ok_or_else(unreadable)?;
        let calls = calls.parse().map_err(|_not_a_number| unreadable())?;
        Ok(Injected { calls, failed: (failed != "-").then(|| failed.to_owned()), output })
    }
}
