//! Flags of the commands that let go of backups, free their space, and mend what is left.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::value::{duration, duration_or_zero};

/// Delete the backups that no rule keeps, after saying which
///
/// Each workspace is judged by itself, and a directory that is known by its path for this host alone. Hours, days, weeks (from Monday), months and years are those of UTC.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  stillpoint forget --keep-daily 7 --keep-weekly 4 --dry-run
  stillpoint forget --keep-last 3 --workspace ada && stillpoint prune")]
pub(crate) struct ForgetArgs {
    /// Keep the newest N
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_last: u32,
    /// Keep the newest of each of the last N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_hourly: u32,
    /// Keep the newest of each of the last N days that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_daily: u32,
    /// Keep the newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_weekly: u32,
    /// Keep the newest of each of the last N months that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_monthly: u32,
    /// Keep the newest of each of the last N years that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_yearly: u32,
    /// Keep all that are at most this much older than the newest completed one
    #[arg(long, value_name = "SPAN", value_parser = duration)]
    pub(crate) keep_within: Option<Duration>,
    /// Keep all with this name; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) keep_name: Vec<String>,
    /// Keep the newest N completed ones of each workspace, whatever the other rules say
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) keep_good: u32,
    /// Only this workspace
    #[arg(long, value_name = "ID")]
    pub(crate) workspace: Option<String>,
    /// Judge other hosts' backups of directories, too, each host's by themselves
    #[arg(long)]
    pub(crate) all_hosts: bool,
    /// Only say what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Free the space of what no snapshot needs
///
/// The first run says which packs can go, and a run at least the grace later deletes them; backups go on meanwhile.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint prune                  safe beside backups; space is free after a second run, a day later
  stillpoint prune --grace 0s       frees at once, and refuses while anything else uses the repository
  stillpoint prune --dry-run")]
pub(crate) struct PruneArgs {
    /// Time between naming a pack and deleting it, by the store's clock
    #[arg(long, value_name = "SPAN", value_parser = duration_or_zero, default_value = "24h")]
    pub(crate) grace: Duration,
    /// Delete at most this share of all bytes in one run, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) max_delete: u8,
    /// How long listings of the store may lag behind its writes; none of the usual stores needs it
    #[arg(long, value_name = "SPAN", value_parser = duration_or_zero, default_value = "0s")]
    pub(crate) listing_delay: Duration,
    /// Also free the data of backups whose snapshots the store does not show, though they are known as good
    #[arg(long)]
    pub(crate) allow_lost: bool,
    /// Only say what would be freed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Mend what a check found; nothing is deleted
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:
  stillpoint repair index --dry-run")]
pub(crate) struct RepairArgs {
    #[command(subcommand)]
    pub(crate) command: RepairCommand,
}

/// What to mend.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum RepairCommand {
    /// Make the index say again what the packs hold; files it replaces are put aside
    #[command(after_help = "Example:
  stillpoint repair index
  stillpoint repair index --read-data                 where `check --read-data` found a damaged pack")]
    Index {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Read every byte of every pack, and rely no longer on one that is damaged
        #[arg(long)]
        read_data: bool,
    },
}
