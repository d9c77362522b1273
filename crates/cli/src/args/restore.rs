//! `stillpoint restore`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

use super::value::duration;

/// Restore a backup into a new directory, byte for byte with all metadata
#[derive(Clone, Debug, Default, Args)]
#[command(group = ArgGroup::new("target").args(["into", "target_workspace"]).required(true))]
#[command(after_help = "Examples:
  stillpoint restore latest --into ~/projects-again
  stillpoint restore ada/notebooks@2026-01-31-18-30-00 --into /home/ada-2
  stillpoint restore 3f2a --into /tmp/one-file --include src/main.py
  stillpoint restore latest --into ~/projects --landing side
  stillpoint restore ml-aws@latest --component datasets --as ml-azure")]
pub(crate) struct RestoreArgs {
    /// An id, a unique id prefix, `latest`, WORKSPACE@latest, WORKSPACE@TIMESTAMP, or a timestamp
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// The directory to fill; it must be new or empty unless --landing says otherwise
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
    /// The id of the new managed workspace to make
    #[arg(long = "as", value_name = "NEW_WORKSPACE")]
    pub(crate) target_workspace: Option<String>,
    /// Restore only this path and what is below it; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) include: Vec<String>,
    /// Restore only this component of a managed workspace; may be repeated
    #[arg(long, value_name = "ID")]
    pub(crate) component: Vec<String>,
    /// How files meet what already stands in DIR [default: DIR must be new or empty]
    #[arg(long, value_name = "LANDING")]
    pub(crate) landing: Option<LandingPolicy>,
    /// Also restore set-id bits, privileged attributes, device nodes and sockets, which are otherwise left out and listed as
    /// warnings; what is left out on purpose makes no restore partial
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Show what would be restored and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The software version that the new workspace shall run [default: the newest]
    #[arg(long, value_name = "VERSION")]
    pub(crate) software_version: Option<String>,
    /// The environment of the new workspace [default: that of the backup]
    #[arg(long, value_name = "ENVIRONMENT", requires = "target_workspace")]
    pub(crate) environment: Option<String>,
    /// The time from now to the deadline [default: 12h]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Go on although the check of this name stands against it; may be repeated
    #[arg(long, value_name = "CHECK")]
    pub(crate) skip_check: Vec<String>,
}

/// How files meet what already stands at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LandingPolicy {
    /// Into a folder of its own beside what is there.
    Side,
    /// Keep what is there, add what is missing.
    Merge,
    /// Write over what differs; keep what the backup does not have.
    Replace,
}

impl LandingPolicy {
    /// A landing like the wanted one that leaves what is there as it is.
    pub(crate) fn careful(wanted: Option<Self>) -> Self {
        match wanted {
            Some(Self::Side) => Self::Side,
            None | Some(Self::Merge | Self::Replace) => Self::Merge,
        }
    }
}
