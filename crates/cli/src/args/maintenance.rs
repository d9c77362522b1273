//! Commands that look after the repository and the catalog.

use clap::{Args, ValueEnum};

use super::Subset;

/// Check that the repository is whole, and say how deep the check looked
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  stillpoint check
  stillpoint check --read-data
  stillpoint check --read-data-subset 5%")]
pub(crate) struct CheckArgs {
    /// Read, decrypt and hash every stored byte
    #[arg(long, conflicts_with = "read_data_subset")]
    pub(crate) read_data: bool,
    /// Read one part of the stored bytes: a share such as 5%, another one each time, or part 2 of 7 as 2/7
    #[arg(long, value_name = "PART")]
    pub(crate) read_data_subset: Option<Subset>,
}

/// Remove the locks whose holders are gone from the repository
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  stillpoint unlock
  stillpoint unlock --remove-all")]
pub(crate) struct UnlockArgs {
    /// Remove those that may live as well: whoever holds one fails then
    #[arg(long)]
    pub(crate) remove_all: bool,
}

/// Verify the snapshots of one backup
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint verify latest
  stillpoint verify 3f2a --depth sized")]
pub(crate) struct VerifyArgs {
    /// An id, a unique id prefix, `latest`, WORKSPACE@latest, WORKSPACE@TIMESTAMP, or a timestamp
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// How deep to look
    #[arg(long, value_name = "DEPTH", default_value = "decrypted")]
    pub(crate) depth: VerifyDepth,
}

/// How deep a verification looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyDepth {
    /// Everything the snapshot needs is listed.
    Listed,
    /// Everything is listed with the right size.
    Sized,
    /// Every byte is read, decrypted and compared with its digest.
    Decrypted,
}
