//! `stillpoint volume`: volumes of AWS out of their account, region and cloud, and back.

use clap::{Args, Subcommand};

/// Keep volumes of AWS in the repository, block by block, and make new snapshots from them anywhere
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint volume export ml-prod@latest
  stillpoint volume list
  stillpoint volume import 3f2a91c0 --region eu-west-1")]
pub(crate) struct VolumeArgs {
    #[command(subcommand)]
    pub(crate) command: VolumeCommand,
}

/// What to do with volumes.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    /// Read the volumes of a backup into the repository
    Export(ExportArgs),
    /// List the volumes in the repository
    #[command(after_help = "Example:
  stillpoint volume list --json")]
    List,
    /// Make a new snapshot of EBS from a volume in the repository
    Import(ImportVolumeArgs),
}

/// Read the volumes of a backup into the repository; again adds nothing
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint volume export ml-prod@latest
  stillpoint volume export latest --component db --json")]
pub(crate) struct ExportArgs {
    /// An id, a unique prefix, latest, WORKSPACE@latest, WORKSPACE@TIMESTAMP or a timestamp
    pub(crate) backup: String,
    /// Only the volume of this component
    #[arg(long, value_name = "ID")]
    pub(crate) component: Option<String>,
}

/// Make a new snapshot of EBS from a volume in the repository, in any region; again goes on with the same snapshot
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint volume import 3f2a91c0 --region eu-west-1
  stillpoint volume import 3f2a91c0 --region eu-west-1 --kms-key arn:aws:kms:eu-west-1:123456789012:key/1b2c")]
pub(crate) struct ImportVolumeArgs {
    /// The image, as `volume list` names it, or a unique prefix
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// The region of the new snapshot
    #[arg(long, value_name = "REGION")]
    pub(crate) region: String,
    /// Encrypt it with the account's default key, also where the volume was not encrypted
    #[arg(long)]
    pub(crate) encrypted: bool,
    /// Encrypt it with this key
    #[arg(long, value_name = "ARN")]
    pub(crate) kms_key: Option<String>,
    /// Tells several snapshots of one image apart: each name is one snapshot
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) name: String,
}
