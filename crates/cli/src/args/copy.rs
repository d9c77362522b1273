//! `stillpoint copy`.

use std::time::Duration;

use clap::{ArgGroup, Args};

use super::value::duration;

/// Copy a backup to another vault, region, account or provider, as a backup of its own that outlives the original
#[derive(Clone, Debug, Default, Args)]
#[command(group = ArgGroup::new("place").args(["vault", "provider"]).required(true).multiple(true))]
#[command(after_help = "Examples:
  stillpoint copy ml-prod@latest --vault ml-far --region eu-west-1
  stillpoint copy 3f2a --vault arn:aws:backup:eu-west-1:444455556666:backup-vault:theirs --retain 90d
  stillpoint restore COPY --as ml-far                the copy is restored where it lies")]
pub(crate) struct CopyArgs {
    /// An id, a unique id prefix, `latest`, WORKSPACE@latest, WORKSPACE@TIMESTAMP, or a timestamp
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// The vault that takes the copy: its name, or its full name (ARN)
    #[arg(long, value_name = "VAULT")]
    pub(crate) vault: Option<String>,
    /// The region of the vault [default: that of the backup]
    #[arg(long, value_name = "REGION", requires = "vault")]
    pub(crate) region: Option<String>,
    /// The account of the vault [default: that of the backup]
    #[arg(long, value_name = "ACCOUNT", requires = "vault")]
    pub(crate) account: Option<String>,
    /// Make the vault where it is not there
    #[arg(long, requires = "vault")]
    pub(crate) create_vault: bool,
    /// The key that encrypts a vault that is made [default: AWS Backup's own]
    #[arg(long, value_name = "ARN", requires = "create_vault")]
    pub(crate) vault_kms_key: Option<String>,
    /// The role that the copy job works under [default: that of the backup]
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,
    /// The provider that makes the copy and keeps it [default: the one that keeps the backup]
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// Keep the copy for this long [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) retain: Option<Duration>,
    /// Go on although the check of this name stands against it; may be repeated
    #[arg(long, value_name = "CHECK")]
    pub(crate) skip_check: Vec<String>,
    /// The time from now to the deadline [default: 12h]; jobs of a cloud are followed to their end after it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}
