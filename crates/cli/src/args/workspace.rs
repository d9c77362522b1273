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
  stillpoint policy --workspace ml-prod --copy-to eu-west-1/ml-far --volumes --json")]
pub(crate) struct PolicyArgs {
    /// The workspace's id
    #[arg(long, value_name = "ID")]
    pub(crate) workspace: String,
    /// Also what `copy` into this vault of the account needs, and restores from there; may be repeated
    #[arg(long, value_name = "REGION/VAULT")]
    pub(crate) copy_to: Vec<String>,
    /// Also what making those vaults needs, as `copy --create-vault` does where they are not there
    #[arg(long, requires = "copy_to")]
    pub(crate) create_vault: bool,
    /// The key that encrypts a vault that is made [default: AWS Backup's own]
    #[arg(long, value_name = "ARN", requires = "create_vault")]
    pub(crate) vault_kms_key: Option<String>,
    /// Also what `volume export` and `volume import` need
    #[arg(long)]
    pub(crate) volumes: bool,
}
