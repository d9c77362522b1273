//! rclone, s5cmd and the AWS command line: one object for each file.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Site, Tool};

pub(super) struct Rclone {
    pub(super) program: PathBuf,
}

impl Rclone {
    fn command(&self, site: &Site<'_>) -> Command {
        let (access, secret) = site.server.keys();
        let mut command = site.command(&self.program);
        command
            .args(["sync", "--quiet", "--transfers", "32", "--checkers", "32", "--fast-list"])
            .args(["--s3-upload-concurrency", "8", "--use-server-modtime", "--update"])
            .args(["--s3-list-version", "2", "--s3-no-check-bucket"])
            .env("RCLONE_CONFIG", "/dev/null")
            .env("RCLONE_CONFIG_S_TYPE", "s3")
            .env("RCLONE_CONFIG_S_PROVIDER", "Other")
            .env("RCLONE_CONFIG_S_REGION", "us-east-1")
            .env("RCLONE_CONFIG_S_ENDPOINT", site.server.endpoint())
            .env("RCLONE_CONFIG_S_ACCESS_KEY_ID", access)
            .env("RCLONE_CONFIG_S_SECRET_ACCESS_KEY", secret);
        command
    }

    fn place(site: &Site<'_>, more: &str) -> String {
        format!("s:{}/{}{more}", site.server.bucket(), site.prefix)
    }
}

impl Tool for Rclone {
    fn name(&self) -> &'static str {
        "rclone"
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn snapshots(&self) -> bool {
        false
    }

    fn backup(&self, site: &Site<'_>) -> Command {
        let mut command = self.command(site);
        command.arg(&site.source).arg(Self::place(site, ""));
        command
    }

    fn restore(&self, site: &Site<'_>, target: &Path) -> Command {
        let mut command = self.command(site);
        command.arg(Self::place(site, "")).arg(target);
        command
    }
}

pub(super) struct S5cmd {
    pub(super) program: PathBuf,
}

impl S5cmd {
    fn command(&self, site: &Site<'_>) -> Command {
        let mut command = site.command(&self.program);
        command.args(["--log", "error", "--endpoint-url"]).arg(site.server.endpoint());
        command
    }
}

/// A folder as s5cmd and aws take it, whose content is meant and not itself.
fn content(dir: &Path) -> String {
    format!("{}/", dir.display())
}

impl Tool for S5cmd {
    fn name(&self) -> &'static str {
        "s5cmd"
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn snapshots(&self) -> bool {
        false
    }

    fn backup(&self, site: &Site<'_>) -> Command {
        let mut command = self.command(site);
        command.args(["sync", "--delete"]).arg(content(&site.source)).arg(site.url("/"));
        command
    }

    fn restore(&self, site: &Site<'_>, target: &Path) -> Command {
        let mut command = self.command(site);
        command.arg("cp").arg(site.url("/*")).arg(content(target));
        command
    }

    fn mirror(&self, site: &Site<'_>, number: usize) -> Option<Command> {
        let mut command = self.command(site);
        command.arg("cp").arg(content(&site.source)).arg(site.url(&format!("-mirror/{number}/")));
        Some(command)
    }
}

pub(super) struct Aws {
    pub(super) program: PathBuf,
}

impl Tool for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn version_flag(&self) -> &'static str {
        "--version"
    }

    fn snapshots(&self) -> bool {
        false
    }

    fn backup(&self, site: &Site<'_>) -> Command {
        let mut command = site.command(&self.program);
        command.args(["s3", "sync", "--only-show-errors", "--delete"]).arg(&site.source).arg(site.url(""));
        command
    }

    fn restore(&self, site: &Site<'_>, target: &Path) -> Command {
        let mut command = site.command(&self.program);
        command.args(["s3", "sync", "--only-show-errors"]).arg(site.url("")).arg(target);
        command
    }

    fn mirror(&self, site: &Site<'_>, number: usize) -> Option<Command> {
        let mut command = site.command(&self.program);
        command
            .args(["s3", "sync", "--only-show-errors"])
            .arg(&site.source)
            .arg(site.url(&format!("-mirror/{number}")));
        Some(command)
    }
}
