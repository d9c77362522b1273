//! `stillpoint backup`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

use super::value::duration;

/// Back a workspace up: a directory, or one that is known by its id
#[derive(Clone, Debug, Default, Args)]
#[command(group = ArgGroup::new("what").args(["directory", "workspace"]).required(true).multiple(true))]
#[command(after_help = "Examples:
  stillpoint backup ~/projects
  stillpoint backup ~/projects --name before-upgrade --exclude '*.ckpt' --retain 90d
  stillpoint backup ~ --preset caches,environments,downloads
  stillpoint --store s3://backups/team backup /home/ada --user ada --space notebooks
  stillpoint backup --workspace ml-prod --dry-run")]
pub(crate) struct BackupArgs {
    /// The directory to back up
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// The workspace's id; with DIR it names the directory, alone it names one already known
    #[arg(long, value_name = "ID")]
    pub(crate) workspace: Option<String>,
    /// A name for people
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Leave out what this preset covers, and report it; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = ["caches", "environments", "downloads"])]
    pub(crate) preset: Vec<String>,
    /// Leave out what this gitignore-style pattern fits; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Leave out what the patterns in this file fit, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude_file: Option<PathBuf>,
    /// What an agent knows to be missing from DIR
    #[arg(skip)]
    pub(crate) lacks: Option<String>,
    /// Stay on the file system of DIR; the default
    #[arg(long, overrides_with = "no_one_file_system")]
    pub(crate) one_file_system: bool,
    /// Cross into file systems mounted below DIR
    #[arg(long, overrides_with = "one_file_system")]
    pub(crate) no_one_file_system: bool,
    /// DIR may have lost all of its files since the backup before; else the backup is partial then, since a volume that is
    /// not mounted looks just so
    #[arg(long)]
    pub(crate) may_be_empty: bool,
    /// The time from now to the deadline [default: by what earlier backups took, else 12h]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// The longest time without progress
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) stall_timeout: Option<Duration>,
    /// The longest time that services are held still [default: until the deadline]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) hold_at_most: Option<Duration>,
    /// What happens to the jobs when a clock runs out [default: detach]
    #[arg(long, value_name = "POLICY")]
    pub(crate) on_deadline: Option<DeadlinePolicy>,
    /// Go on although the preflight check of this name stands against it; may be repeated
    #[arg(long, value_name = "CHECK")]
    pub(crate) skip_check: Vec<String>,
    /// Keep the backup for this long [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) retain: Option<Duration>,
    /// Show the plan and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl BackupArgs {
    /// The flags that say what of a directory is captured, and whether they are given.
    pub(crate) fn rule_flags(&self) -> [(&'static str, bool); 6] {
        [
            ("--exclude", !self.exclude.is_empty()),
            ("--exclude-file", self.exclude_file.is_some()),
            ("--preset", !self.preset.is_empty()),
            ("--one-file-system", self.one_file_system),
            ("--no-one-file-system", self.no_one_file_system),
            ("--may-be-empty", self.may_be_empty),
        ]
    }
}

/// What happens to the jobs when a clock runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeadlinePolicy {
    /// Jobs outside run on and are followed; what this process stored is kept for the next backup.
    Detach,
    /// Jobs are stopped and their end is awaited.
    Cancel,
    /// Jobs go on to their end.
    Extend,
}
