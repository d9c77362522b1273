//! The tools that are compared, each with the settings that its own documentation calls good ones.

mod mirrors;
mod repositories;
mod stillpoint;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stillpoint_testkit::s3::Server;

use crate::Outcome;

/// Password of every repository here; it protects nothing.
pub(crate) const PASSWORD: &str = "only for this run";

/// Where a tool works: the server, a folder of its own for caches and settings, and what it backs up.
#[derive(Debug, Clone)]
pub(crate) struct Site<'a> {
    pub(crate) server: &'a Server,
    pub(crate) dir: PathBuf,
    pub(crate) source: PathBuf,
    /// Key prefix of everything the tool stores, without a final slash.
    pub(crate) prefix: String,
}

impl Site<'_> {
    /// `program` with the server's address and keys, and with nothing of the user's own settings.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.envs(self.server.env()).env("HOME", &self.dir).env("XDG_CACHE_HOME", self.dir.join("cache"));
        command
    }

    /// `s3://BUCKET/PREFIX` with more behind it.
    pub(crate) fn url(&self, more: &str) -> String {
        self.server.url(&format!("{}{more}", self.prefix))
    }
}

/// One tool. Its methods build commands; the run starts and measures them.
pub(crate) trait Tool {
    fn name(&self) -> &'static str;
    /// The program that is started.
    fn program(&self) -> &Path;
    /// What `program` is asked for its version.
    fn version_flag(&self) -> &'static str {
        "version"
    }
    /// Whether it keeps snapshots; the others keep one copy, so that a second backup overwrites the first.
    fn snapshots(&self) -> bool;
    /// What has to be there before the first backup; not measured.
    fn prepare(&self, _site: &Site<'_>) -> Outcome {
        Ok(())
    }
    fn backup(&self, site: &Site<'_>) -> Command;
    fn restore(&self, site: &Site<'_>, target: &Path) -> Command;
    /// A copy into a prefix that holds nothing yet, for tools that keep plain objects.
    fn mirror(&self, _site: &Site<'_>, _number: usize) -> Option<Command> {
        None
    }
    /// Whether it restores times, modes and empty directories, so that the trees can be compared.
    fn faithful(&self) -> bool {
        self.snapshots()
    }
}

/// Every tool whose program is there. `peers` is the folder that `cargo xtask bench-peers` fills.
pub(crate) fn all(stillpoint: &Path, peers: &Path, names: &[String]) -> Outcome<Vec<Box<dyn Tool>>> {
    let bin = peers.join("bin");
    let tools: Vec<Box<dyn Tool>> = vec![
        Box::new(stillpoint::Stillpoint { program: stillpoint.to_owned() }),
        Box::new(repositories::Restic { program: bin.join("restic") }),
        Box::new(repositories::Rustic { program: bin.join("rustic") }),
        Box::new(mirrors::Rclone { program: bin.join("rclone") }),
        Box::new(mirrors::S5cmd { program: bin.join("s5cmd") }),
        Box::new(mirrors::Aws { program: bin.join("aws") }),
    ];
    let chosen: Vec<_> =
        tools.into_iter().filter(|tool| names.iter().any(|name| name == tool.name())).collect();
    if chosen.len() != names.len() {
        return Err(format!("--tools names a tool that is not known: {names:?}").into());
    }
    for tool in &chosen {
        if !tool.program().is_file() {
            let place = tool.program().display();
            return Err(format!(
                "{} is not at {place}: install it, or leave it out with --tools",
                tool.name()
            )
            .into());
        }
    }
    Ok(chosen)
}

/// The first line of what the program says of its version.
pub(crate) fn version(tool: &dyn Tool) -> String {
    let output = Command::new(tool.program()).arg(tool.version_flag()).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    said.lines().next().unwrap_or("unknown").to_owned()
}

/// Where the source's tree lies below `target`: there itself, or under its own absolute path.
pub(crate) fn restored_tree(source: &Path, target: &Path) -> PathBuf {
    let inside = target.join(source.strip_prefix("/").unwrap_or(source));
    if inside.is_dir() { inside } else { target.to_owned() }
}

/// The folder of a tool's cache, which exists afterwards.
fn cache(site: &Site<'_>) -> PathBuf {
    let dir = site.dir.join("cache");
    drop(fs::create_dir_all(&dir));
    dir
}
