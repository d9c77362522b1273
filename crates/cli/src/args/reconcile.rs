//! `stillpoint reconcile`.

use clap::Args;

/// Compare the catalog with what the store and the clouds hold, and settle what is asked for
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  stillpoint reconcile                               what disagrees; nothing is changed
  stillpoint reconcile --mark-damaged --catalogue-unknown
  stillpoint reconcile --delete-orphans              those that the run before found, too
  stillpoint reconcile --remove-guards               likewise")]
pub(crate) struct ReconcileArgs {
    /// Mark backups of which a snapshot is gone as damaged
    #[arg(long)]
    pub(crate) mark_damaged: bool,
    /// Catalogue the backups that only their records beside the data know of
    #[arg(long)]
    pub(crate) catalogue_unknown: bool,
    /// Write the records that are missing beside the data, and overwrite those that differ
    #[arg(long)]
    pub(crate) write_records: bool,
    /// Delete snapshots of this catalog's ended operations that no backup names, if the run before found them, too
    #[arg(long)]
    pub(crate) delete_orphans: bool,
    /// Remove protective tags from sources that no backup under way needs, if the run before found them, too. Leave it out
    /// where another catalog may back the same sources up
    #[arg(long)]
    pub(crate) remove_guards: bool,
}
