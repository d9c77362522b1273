//! `stillpoint agent`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use stillpoint_core::Timestamp;

use super::restore::LandingPolicy;
use super::value::duration;

/// Keep a directory backed up: a pending restore first, a backup at the start, then one in every interval
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  stillpoint --store s3://backups/team agent /home/ada --user ada --space notebooks
  stillpoint --store s3://backups/team agent /home/ada --interval 6h --log-file /var/log/stillpoint.log
  stillpoint agent /home/ada --restore 2026-01-31-18-30-00 --restore-until 2026-02-02T00:00:00Z
  stillpoint --store s3://backups/studio --layout mirror agent --studio
  stillpoint --store s3://backups/studio --layout mirror agent --studio --once --foreground")]
pub(crate) struct AgentArgs {
    /// The directory to keep backed up [default with --studio: $HOME]
    #[arg(value_name = "DIR", required_unless_present_any = ["home", "studio"])]
    pub(crate) directory: Option<PathBuf>,
    /// The same as DIR
    #[arg(long, value_name = "DIR", conflicts_with = "directory")]
    pub(crate) home: Option<PathBuf>,
    /// From one backup to the next; below 6h work in the directory may be felt to slow down [default: 12h]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) interval: Option<Duration>,
    /// Do the work of the start, then exit
    #[arg(long)]
    pub(crate) once: bool,
    /// Write messages and logs to the end of this file instead of standard error
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// Take user, space and pending restore from SageMaker Studio, and work in the background
    #[arg(long)]
    pub(crate) studio: bool,
    /// Where Studio describes the space
    #[arg(long, value_name = "FILE", requires = "studio")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// With --studio: stay in the foreground
    #[arg(long, requires = "studio")]
    pub(crate) foreground: bool,
    /// Restore this point in time once, before the first backup; with --studio the user profile's tag names it
    #[arg(long, value_name = "TIMESTAMP")]
    pub(crate) restore: Option<Timestamp>,
    /// Make that restore only if it is begun before this time, by this machine's clock; the tag says so itself
    #[arg(long, value_name = "TIMESTAMP", requires = "restore")]
    pub(crate) restore_until: Option<Timestamp>,
    /// Restore another workspace's point instead of this one's own: after a space or a user was renamed
    #[arg(long, value_name = "WORKSPACE")]
    pub(crate) restore_from: Option<String>,
    /// How a restore meets what is there [default: into restored-files/TIMESTAMP]
    #[arg(long, value_name = "LANDING")]
    pub(crate) landing: Option<LandingPolicy>,
    /// With --studio: remove the tag from the user profile after its restore
    #[arg(long, requires = "studio")]
    pub(crate) remove_tag: bool,
    /// Leave out what this preset covers, and report it; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = ["caches", "environments", "downloads"])]
    pub(crate) preset: Vec<String>,
    /// Leave out what this gitignore-style pattern fits; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Leave out what the patterns in this file fit, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude_file: Option<PathBuf>,
    /// The background process that starts the working one again when it crashes
    #[arg(long, hide = true)]
    pub(crate) supervise: bool,
}
