//! `stillpoint schedule`.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use stillpoint_core::Blackout;

use super::BackupArgs;
use super::value::{blackout, cron, duration, duration_or_zero, every, zone};

/// Back workspaces up by themselves: schedules in the catalog, and who begins their runs
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint schedule set nightly --workspace ml-prod --cron '30 2 * * *' --zone Europe/Berlin
  stillpoint schedule set home ~/projects --every 12h --alarm-after 2d
  stillpoint schedule list
  stillpoint schedule run                            begins what is due, until it is stopped")]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    pub(crate) command: ScheduleCommand,
}

/// What to do with schedules.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Make a schedule, or change it
    Set(Box<SetScheduleArgs>),
    /// List all schedules, with their next and their last run
    #[command(after_help = "Example:
  stillpoint schedule list --json")]
    List,
    /// Let no run begin until `unpause`
    #[command(after_help = "Example:
  stillpoint schedule pause nightly")]
    Pause(ScheduleName),
    /// Go on; what would have been due meanwhile was not missed
    #[command(after_help = "Example:
  stillpoint schedule unpause nightly")]
    Unpause(ScheduleName),
    /// Remove a schedule; its backups stay
    #[command(after_help = "Example:
  stillpoint schedule remove nightly")]
    Remove(ScheduleName),
    /// Begin the runs that are due and follow them to their end
    Run(RunSchedulesArgs),
}

/// One schedule.
#[derive(Clone, Debug, Args)]
pub(crate) struct ScheduleName {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Make a schedule, or change it: what it is set to holds from now on
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("cadence").args(["every", "cron"]).required(true))]
#[command(after_help = "Examples:
  stillpoint schedule set nightly --workspace ml-prod --cron '30 2 * * *' --zone Europe/Berlin --jitter 20m
  stillpoint schedule set home ~/projects --every 12h --retain 90d
  stillpoint schedule set home ~/projects --every 1h --blackout 'mon,tue,wed,thu,fri 09:00-17:30'")]
pub(crate) struct SetScheduleArgs {
    /// Its name
    #[arg(value_name = "SCHEDULE")]
    pub(crate) schedule: String,
    #[command(flatten)]
    pub(crate) backup: BackupArgs,
    /// A run in each span of this length
    #[arg(long, value_name = "TIME", value_parser = every)]
    pub(crate) every: Option<Duration>,
    /// A run whenever the wall clock fits: five fields, or @hourly, @daily, @weekly, @monthly, @yearly
    #[arg(long, value_name = "EXPRESSION", value_parser = cron)]
    pub(crate) cron: Option<String>,
    /// Whose wall clock: an IANA name
    #[arg(long, value_name = "ZONE", value_parser = zone, default_value = "UTC")]
    pub(crate) zone: String,
    /// Spread the runs of many workspaces over this time, each by its own share
    #[arg(long, value_name = "TIME", value_parser = duration_or_zero, default_value = "0s")]
    pub(crate) jitter: Duration,
    /// A run that begins later than this has been missed
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m")]
    pub(crate) grace: Duration,
    /// What becomes of missed runs
    #[arg(long, value_name = "POLICY", default_value = "run-once")]
    pub(crate) when_missed: MissedPolicy,
    /// What becomes of a run whose workspace is busy
    #[arg(long, value_name = "POLICY", default_value = "skip")]
    pub(crate) overlap: OverlapPolicy,
    /// No run begins in this window of the wall clock; several are allowed, and those that are set stay unless others are given
    #[arg(long, value_name = "WINDOW", value_parser = blackout)]
    pub(crate) blackout: Vec<Blackout>,
    /// Runs begin at any time of the day from now on
    #[arg(long, conflicts_with = "blackout")]
    pub(crate) no_blackout: bool,
    /// Alarm when the newest completed backup is older than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) alarm_after: Option<Duration>,
}

impl SetScheduleArgs {
    /// The windows that are asked for; `None` for those that there are.
    pub(crate) fn blackouts(&self) -> Option<Vec<Blackout>> {
        (self.no_blackout || !self.blackout.is_empty()).then(|| self.blackout.clone())
    }
}

/// What becomes of missed runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MissedPolicy {
    /// One run at once stands for all of them.
    RunOnce,
    /// The next one is waited for.
    Skip,
}

/// What becomes of a run whose workspace is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OverlapPolicy {
    /// It is left out.
    Skip,
    /// It begins as soon as the workspace is free.
    Queue,
    /// The running backup is cancelled for it.
    Replace,
}

/// Begin the runs that are due and follow them to their end
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint schedule run
  stillpoint schedule run --once                     for a timer of the system")]
pub(crate) struct RunSchedulesArgs {
    /// Look once, follow what was begun to its end, and exit
    #[arg(long)]
    pub(crate) once: bool,
}
