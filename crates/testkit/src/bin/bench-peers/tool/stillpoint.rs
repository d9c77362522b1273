//! This project's own command.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PASSWORD, Site, Tool};

pub(super) struct Stillpoint {
    pub(super) program: PathBuf,
}

impl Stillpoint {
    fn command(&self, site: &Site<'_>, store: &str, data: &str) -> Command {
        let mut command = site.command(&self.program);
        command
            .arg("--json")
            .env("STILLPOINT_STORE", site.url(store))
            .env("STILLPOINT_PASSWORD", PASSWORD)
            .env("STILLPOINT_DATA_DIR", site.dir.join(data));
        command
    }
}

impl Tool for Stillpoint {
    fn name(&self) -> &'static str {
        "stillpoint"
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn version_flag(&self) -> &'static str {
        "--version"
    }

    fn snapshots(&self) -> bool {
        true
    }

    /// The first backup makes the repository and the catalog too.
    fn backup(&self, site: &Site<'_>) -> Command {
        let mut command = self.command(site, "", "data");
        command.arg("backup").arg(&site.source);
        command
    }

    fn restore(&self, site: &Site<'_>, target: &Path) -> Command {
        let mut command = self.command(site, "", "data");
        command.args(["restore", "latest", "--into"]).arg(target);
        command
    }

    fn mirror(&self, site: &Site<'_>, _number: usize) -> Option<Command> {
        let mut command = self.command(site, "-mirror", "data-mirror");
        command.env("STILLPOINT_LAYOUT", "mirror").arg("backup").arg(&site.source);
        Some(command)
    }
}
