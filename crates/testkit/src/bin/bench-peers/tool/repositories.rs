//! restic and rustic: peers that keep deduplicated snapshots, as we do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PASSWORD, Site, Tool, cache};
use crate::Outcome;

pub(super) struct Restic {
    pub(super) program: PathBuf,
}

impl Restic {
    fn command(&self, site: &Site<'_>) -> Command {
        let mut command = site.command(&self.program);
        let repository = format!("s3:{}/{}/{}", site.server.endpoint(), site.server.bucket(), site.prefix);
        command
            .args(["--quiet", "--pack-size", "32", "-o", "s3.connections=16", "--cache-dir"])
            .arg(cache(site))
            .env("RESTIC_REPOSITORY", repository)
            .env("RESTIC_PASSWORD", PASSWORD);
        command
    }
}

impl Tool for Restic {
    fn name(&self) -> &'static str {
        "restic"
    }

    fn program(&self) -> &Path {
        &self.program
    }

    fn snapshots(&self) -> bool {
        true
    }

    fn prepare(&self, site: &Site<'_>) -> Outcome {
        crate::measure::succeed(self.command(site).arg("init"))
    }

    fn backup(&self, site: &Site<'_>) -> Command {
        let mut command = self.command(site);
        command.args(["backup", "--no-scan", "--read-concurrency", "4"]).arg(&site.source);
        command
    }

    fn restore(&self, site: &Site<'_>, target: &Path) -> Command {
        let mut command = self.command(site);
        command.args(["restore", "latest", "--target"]).arg(target);
        command
    }
}

pub(super) struct Rustic {
    pub(super) program: PathBuf,
}

impl Rustic {
    fn command(&self, site: &Site<'_>) -> Command {
        let mut command = site.command(&self.program);
        command.arg("--use-profile").arg(site.dir.join("rustic")).args([
            "--no-progress",
            "--log-level",
            "warn",
        ]);
        command
    }
}

impl Tool for Rustic {
    fn name(&self) -> &'static str {
        "rustic"
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

    fn prepare(&self, site: &Site<'_>) -> Outcome {
        let (access, secret) = site.server.keys();
        let profile = format!(
            "[repository]\nrepository = \"opendal:s3\"\npassword = \"{PASSWORD}\"\ncache-dir = \"{}\"\n\n\
             [repository.options]\nroot = \"/{}\"\nbucket = \"{}\"\nendpoint = \"{}\"\nregion = \"us-east-1\"\n\
             access_key_id = \"{access}\"\nsecret_access_key = \"{secret}\"\n",
            cache(site).display(),
            site.prefix,
            site.server.bucket(),
            site.server.endpoint(),
        );
        fs::write(site.dir.join("rustic.toml"), profile)?;
        crate::measure::succeed(self.command(site).arg("init"))
    }

    fn backup(&self, site: &Site<'_>) -> Command {
        let mut command = self.command(site);
        command.arg("backup").arg(&site.source);
        command
    }

    fn restore(&self, site: &Site<'_>, target: &Path) -> Command {
        let mut command = self.command(site);
        command.arg("restore").arg(format!("latest:{}", site.source.display())).arg(target);
        command
    }
}
