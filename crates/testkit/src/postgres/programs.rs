//! Where PostgreSQL's programs are, and as whom they run.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::oracle::{tools_dir, variable};

/// Where Debian and its descendants keep each version's programs, below the root of the system or of an unpacked
/// package.
const DEBIAN: &str = "usr/lib/postgresql";

#[derive(Debug, Clone)]
pub(super) struct Programs {
    bin: PathBuf,
    libraries: Option<PathBuf>,
    /// User and group to run as, where this process is privileged: the server refuses to be.
    user: Option<(u32, u32)>,
}

impl Programs {
    /// `STILLPOINT_POSTGRES_BIN`, else the machine's newest, else those under `.tools/`.
    pub(super) fn find() -> io::Result<Self> {
        let unpacked = tools_dir().join("postgresql");
        let bin = variable("STILLPOINT_POSTGRES_BIN")
            .map(PathBuf::from)
            .or_else(|| newest(&Path::new("/").join(DEBIAN)))
            .or_else(|| newest(&unpacked.join(DEBIAN)))
            .filter(|bin| bin.join("postgres").is_file())
            .ok_or_else(|| io::Error::other("it is not installed; run `cargo xtask tools`"))?;
        let libraries = bin
            .starts_with(&unpacked)
            .then(|| unpacked.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)));
        let privileged = rustix::process::geteuid().is_root();
        let user = if privileged { Some(unprivileged(&fs::read_to_string("/etc/passwd")?)?) } else { None };
        Ok(Self { bin, libraries, user })
    }

    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env("LC_ALL", "C.UTF-8").env_remove("PGDATA");
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Makes `path` belong to whoever the programs run as.
    pub(super) fn give_away(&self, path: &Path) -> io::Result<()> {
        match self.user {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// The main version.
    pub(super) fn version(&self) -> io::Result<u32> {
        let output = Command::new(self.bin.join("postgres"))
            .arg("--version")
            .envs(self.libraries.iter().map(|libraries| ("LD_LIBRARY_PATH", libraries)))
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let number =
            said.split_whitespace().nth(2).and_then(|version| version.split('.').next()?.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("postgres --version says {said:?}")))
    }
}

fn newest(versions: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(versions).ok()?.filter_map(Result::ok);
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest =
        entries.map(|entry| entry.path()).filter(|path| number(path).is_some()).max_by_key(number)?;
    Some(newest.join("bin"))
}

/// User and group of the first of these users that the machine knows.
fn unprivileged(passwd: &str) -> io::Result<(u32, u32)> {
    let user = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(|field| field.parse::<u32>().ok());
        Some((fields.next()??, fields.next()??))
    };
    let found = ["postgres", "nobody"].iter().find_map(|name| user(name));
    found.ok_or_else(|| io::Error::other("there is no user `postgres` or `nobody` to run it as"))
}
