//! Commands about one workspace of the configuration.

use clap::Args;

/// Look for whatever would make a backup of a workspace fail, without changing anything
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint --config stillpoint.toml preflight --workspace ml-prod
  stillpoint preflight --workspace ml-prod --skip-check efs-automatic-backups --json")]
pub(crate) struct PreflightArgs {
    /// The workspace's id
    #[arg(long, value_name = "ID")]
    pub(crate) workspace: String,
    /// Accept what the check of this name finds; may be repeated
    #[arg(long, value_name = "CHECK")]
    pub(crate) skip_check: Vec<String>,
}

/// Print the least permissions that protecting a managed workspace needs, as policy documents of its cloud
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint --config stillpoint.toml policy --workspace ml-prod
  stillpoint policy --workspace ml-prod --json")]
pub(crate) struct PolicyArgs {
    /// The workspace's id
    #[arg(long, value_name = "ID")]
    pub(crate) workspace: String,
}
