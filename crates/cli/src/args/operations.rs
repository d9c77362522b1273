//! Commands about operations: what is under way, what was interrupted.

use clap::Args;

/// List operations under way, interrupted ones too
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  stillpoint operations
  stillpoint operations --all --json")]
pub(crate) struct OperationsArgs {
    /// Those that have ended, too
    #[arg(long)]
    pub(crate) all: bool,
}

/// Take interrupted operations over and bring them to their end
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  stillpoint resume
  stillpoint resume 7c01 --json
  stillpoint resume --held ml-prod")]
pub(crate) struct ResumeArgs {
    /// Only this one: its id or a unique prefix of it
    #[arg(value_name = "OP")]
    pub(crate) operation: Option<String>,
    /// Only let this managed workspace go, which this machine notes as held still by an operation that is in no catalog any more
    #[arg(long, value_name = "WORKSPACE", conflicts_with = "operation")]
    pub(crate) held: Option<String>,
}

/// Ask an operation to stop, whoever drives it, and wait until it has
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:
  stillpoint cancel 7c01")]
pub(crate) struct CancelArgs {
    /// Its id or a unique prefix of it
    #[arg(value_name = "OP")]
    pub(crate) operation: String,
}

/// Follow an operation to its end, whoever drives it
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:
  stillpoint watch 7c01")]
pub(crate) struct WatchArgs {
    /// Its id or a unique prefix of it
    #[arg(value_name = "OP")]
    pub(crate) operation: String,
}
