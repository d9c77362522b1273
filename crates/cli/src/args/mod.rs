//! The command line: what can be said, in clap's terms, and nothing about what is then done.

mod agent;
mod backup;
mod catalog;
mod copy;
mod demo;
mod forget;
mod import;
mod key;
mod maintenance;
mod operations;
mod reconcile;
mod restore;
mod schedule;
mod serve;
mod value;
mod volume;
mod workspace;

use std::ffi::OsString;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::settings::{CatalogUrl, ServerUrl};

pub(crate) use agent::AgentArgs;
pub(crate) use backup::{BackupArgs, DeadlinePolicy};
pub(crate) use catalog::{DeleteArgs, DiffArgs, FilesArgs, HoldArgs, ListArgs, ShowArgs};
pub(crate) use copy::CopyArgs;
pub(crate) use demo::DemoArgs;
pub(crate) use forget::{ForgetArgs, PruneArgs, RepairArgs, RepairCommand};
pub(crate) use import::ImportArgs;
pub(crate) use key::{KeyArgs, KeyCommand, NewPasswordArgs};
pub(crate) use maintenance::{CheckArgs, UnlockArgs, VerifyArgs, VerifyDepth};
pub(crate) use operations::{CancelArgs, OperationsArgs, ResumeArgs, WatchArgs};
pub(crate) use reconcile::ReconcileArgs;
pub(crate) use restore::{LandingPolicy, RestoreArgs};
pub(crate) use schedule::{
    MissedPolicy, OverlapPolicy, RunSchedulesArgs, ScheduleArgs, ScheduleCommand, SetScheduleArgs,
};
pub(crate) use serve::{RoleName, ServeArgs, TokenArgs, TokenCommand, TokenCreateArgs};
pub(crate) use value::{Subset, duration};
use value::{rate, space, store, user};
pub(crate) use volume::{ExportArgs, ImportVolumeArgs, VolumeArgs, VolumeCommand};
pub(crate) use workspace::{PolicyArgs, PreflightArgs};

/// Protects whole workspaces: backs them up, restores them, and never abandons an operation half-way.
#[derive(Debug, Parser)]
#[command(name = "stillpoint", version, max_term_width = 120, propagate_version = true)]
#[command(after_help = "Examples:
  stillpoint demo                                     see it work on a generated workspace
  stillpoint backup ~/projects                        back a directory up
  stillpoint list                                     what can be restored
  stillpoint restore latest --into ~/projects-again   bring it back

Exit codes: 0 done, 1 failed, 2 usage, 3 partial, 4 deadline passed, 5 cancelled, 10 no such repository,
11 locked or busy, 12 wrong password, 130 interrupted.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings that every command understands.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct GlobalArgs {
    /// Where file snapshots live: file:///dir, s3://bucket/prefix, az://container/prefix, gs://bucket/prefix
    /// [default: the folder `store` of the data directory]
    #[arg(long, global = true, value_name = "URL", value_parser = store, env = "STILLPOINT_STORE",
          hide_env_values = true)]
    pub(crate) store: Option<String>,
    /// The catalog: sqlite:PATH, postgres://USER@HOST/DATABASE (password in PGPASSWORD), or memory: for a trial
    /// [default: catalog.sqlite in the data directory]
    #[arg(long, global = true, value_name = "URL", env = "STILLPOINT_CATALOG", hide_env_values = true)]
    pub(crate) catalog: Option<CatalogUrl>,
    /// Read the repository password from this file, which holds one line [env: STILLPOINT_PASSWORD_FILE, or the password
    /// itself in STILLPOINT_PASSWORD] [default: a key in the data directory, which the first backup makes]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "password_command")]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the repository password from the one line that this shell command prints
    #[arg(long, global = true, value_name = "COMMAND")]
    pub(crate) password_command: Option<String>,
    /// Talk to the server at this URL instead of working here; the token comes from STILLPOINT_TOKEN
    #[arg(long, global = true, value_name = "URL", env = "STILLPOINT_SERVER", hide_env_values = true)]
    pub(crate) server: Option<ServerUrl>,
    /// How file snapshots are laid out
    #[arg(long, global = true, value_name = "LAYOUT", env = "STILLPOINT_LAYOUT", hide_env_values = true)]
    pub(crate) layout: Option<Layout>,
    /// Whose space it is; with --space the workspace's id is USER/SPACE, and only that space is listed
    #[arg(long, global = true, value_name = "USER", value_parser = user, requires = "space")]
    pub(crate) user: Option<String>,
    /// Which space of the user it is
    #[arg(long, global = true, value_name = "SPACE", value_parser = space, requires = "user")]
    pub(crate) space: Option<String>,
    /// Where the catalog, the key and the default store live [default: $XDG_DATA_HOME/stillpoint, or
    /// ~/.local/share/stillpoint]
    #[arg(long, global = true, value_name = "DIR", env = "STILLPOINT_DATA_DIR", hide_env_values = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Neither use nor write what this machine remembers of earlier backups
    #[arg(long, global = true)]
    pub(crate) no_cache: bool,
    /// Send at most so many bytes per second to the store: 500K, 2M
    #[arg(long, global = true, value_name = "RATE", value_parser = rate, env = "STILLPOINT_LIMIT_UPLOAD",
          hide_env_values = true)]
    pub(crate) limit_upload: Option<NonZeroU64>,
    /// Fetch at most so many bytes per second from the store
    #[arg(long, global = true, value_name = "RATE", value_parser = rate, env = "STILLPOINT_LIMIT_DOWNLOAD",
          hide_env_values = true)]
    pub(crate) limit_download: Option<NonZeroU64>,
    /// The name of this host, by which the same path on two hosts is told apart [default: the machine's name]
    #[arg(long, global = true, value_name = "NAME", env = "STILLPOINT_HOST", hide_env_values = true)]
    pub(crate) host: Option<String>,
    /// Use at most so many processors
    #[arg(long, global = true, value_name = "NUMBER", env = "STILLPOINT_CPUS", hide_env_values = true)]
    pub(crate) cpus: Option<NonZeroUsize>,
    /// Settings and workspaces in a TOML file
    #[arg(long, global = true, value_name = "FILE", env = "STILLPOINT_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print exactly one JSON document on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to standard error; twice for more. RUST_LOG overrides it
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The flags of this line that no server has to do with.
    #[arg(skip)]
    pub(crate) of_this_machine: Vec<String>,
}

/// The settings of this machine's work alone. What the environment sets of them may stand there for other commands.
const OF_THIS_MACHINE: [&str; 11] = [
    "store",
    "catalog",
    "password_file",
    "password_command",
    "layout",
    "data_dir",
    "no_cache",
    "limit_upload",
    "limit_download",
    "host",
    "config",
];

impl Cli {
    /// Reads a command line.
    ///
    /// # Errors
    /// Help and version, which are results, and whatever is wrong with the line.
    pub(crate) fn read(line: &[OsString]) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(line).map_err(masked)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        let given = |id: &&&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let flags = OF_THIS_MACHINE.iter().filter(given).map(|id| format!("--{}", id.replace('_', "-")));
        cli.global.of_this_machine = flags.collect();
        Ok(cli)
    }
}

/// The same refusal without what may be a secret: clap repeats the value that it refuses, and people put passwords and
/// signatures into URLs.
fn masked(mut error: clap::Error) -> clap::Error {
    let is_url = matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if arg.contains("<URL>"));
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
        && is_url
        && value.contains(['@', '?', '#'])
    {
        let scheme = value.split_once("://").map_or("", |(scheme, _)| scheme);
        let shown = match scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !scheme.is_empty() {
            true => format!("{scheme}://…"),
            false => "…".to_owned(),
        };
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
    error
}

/// How file snapshots are laid out in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// Deduplicated and sealed, readable with restic.
    Repository,
    /// Plain objects, one folder per timestamp.
    Mirror,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it work: back up, change, back up, lose and restore a generated workspace
    Demo(DemoArgs),
    /// Back a workspace up
    Backup(BackupArgs),
    /// Restore a backup into a new directory
    Restore(RestoreArgs),
    /// Copy a backup to another vault, region, account or provider
    Copy(CopyArgs),
    /// List the backups in the catalog
    List(ListArgs),
    /// Show one backup in full
    Show(ShowArgs),
    /// List the files in a backup
    Files(FilesArgs),
    /// List what differs between two backups
    Diff(DiffArgs),
    /// Hold one backup, so that nothing deletes it, or let it go again
    Hold(HoldArgs),
    /// Delete one backup and read back that it is gone
    Delete(DeleteArgs),
    /// Delete the backups that no rule keeps, after saying which
    Forget(ForgetArgs),
    /// Free the space of what no snapshot needs
    Prune(PruneArgs),
    /// Mend what a check found; nothing is deleted
    Repair(RepairArgs),
    /// Remove the locks whose holders are gone from the repository
    Unlock(UnlockArgs),
    /// List, add, change and remove the passwords that open the repository
    Key(KeyArgs),
    /// Check that the repository is whole
    Check(CheckArgs),
    /// Verify the snapshots of one backup
    Verify(VerifyArgs),
    /// Rebuild the catalog from the records beside the data, and report where the two disagree
    #[command(after_help = "Example:
  stillpoint --store s3://backups/team rebuild")]
    Rebuild,
    /// Compare the catalog with what the store and the clouds hold, and settle what is asked for
    Reconcile(ReconcileArgs),
    /// Turn mirrored timestamps into snapshots of the repository
    Import(ImportArgs),
    /// List operations under way, interrupted ones too
    Operations(OperationsArgs),
    /// Take interrupted operations over and bring them to their end
    Resume(ResumeArgs),
    /// Ask an operation to stop, whoever drives it
    Cancel(CancelArgs),
    /// Follow an operation to its end, whoever drives it
    Watch(WatchArgs),
    /// Back workspaces up by themselves
    Schedule(ScheduleArgs),
    /// Look for whatever would make a backup of a workspace fail, without changing anything
    Preflight(PreflightArgs),
    /// Print the least permissions that a managed workspace needs
    Policy(PolicyArgs),
    /// Keep volumes of AWS in the repository, and make new snapshots from them anywhere
    Volume(VolumeArgs),
    /// Serve the catalog: its page, and the API under /api/v1
    Serve(ServeArgs),
    /// Manage the tokens of those who may call a server of this catalog
    Token(TokenArgs),
    /// Keep a directory backed up in every interval; in a Studio space by its own name
    Agent(Box<AgentArgs>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        let cli = Cli::command();
        for command in cli.get_subcommands().flat_map(|one| [one].into_iter().chain(one.get_subcommands())) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            assert!(help.contains("Example") && help.contains(name), "{name} has no example");
        }
    }

    #[test]
    fn flags_are_accepted_on_both_sides_of_the_command() {
        for line in [["stillpoint", "--json", "list"], ["stillpoint", "list", "--json"]] {
            assert!(Cli::try_parse_from(line).unwrap().global.json);
        }
    }
}
