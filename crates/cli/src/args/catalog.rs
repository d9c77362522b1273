//! Commands that read the catalog and the snapshots, and the one that deletes.

use clap::Args;

use super::value::Sort;

/// List the backups in the catalog, newest first; also those of workspaces that no longer exist
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  stillpoint list
  stillpoint list --workspace ada/notebooks --limit 10
  stillpoint list --sort -size
  stillpoint list --json")]
pub(crate) struct ListArgs {
    /// Only those of this workspace
    #[arg(long, value_name = "ID")]
    pub(crate) workspace: Option<String>,
    /// Only those with this name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What to sort by: created, name, workspace, state, size or added; with - before it downwards [default: -created]
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    pub(crate) sort: Option<Sort>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// Show one backup in full
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint show latest
  stillpoint show 3f2a --json
  stillpoint show 3f2a --roles --against ml-restored")]
pub(crate) struct ShowArgs {
    /// An id, a unique id prefix, `latest`, WORKSPACE@latest, WORKSPACE@TIMESTAMP, or a timestamp
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// Only the roles that it recorded, as a list of what may be granted by hand; a restore grants none
    #[arg(long)]
    pub(crate) roles: bool,
    /// The workspace whose roles count as granted already
    #[arg(long, value_name = "WORKSPACE", requires = "roles")]
    pub(crate) against: Option<String>,
}

/// List the files in a backup
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint files latest
  stillpoint files 3f2a src/models --json")]
pub(crate) struct FilesArgs {
    /// An id, a unique id prefix, `latest`, WORKSPACE@latest, WORKSPACE@TIMESTAMP, or a timestamp
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// Only this path and what is below it
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// Only this component, where the backup has several
    #[arg(long, value_name = "ID")]
    pub(crate) component: Option<String>,
}

/// List what differs between two backups
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint diff 3f2a latest
  stillpoint diff ada@2026-01-31-18-30-00 ada@latest --json")]
pub(crate) struct DiffArgs {
    /// The earlier backup
    #[arg(value_name = "A")]
    pub(crate) before: String,
    /// The later backup
    #[arg(value_name = "B")]
    pub(crate) after: String,
}

/// Hold one backup, so that neither retention nor `delete` removes it, or let it go again
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint hold 3f2a
  stillpoint hold 3f2a --release")]
pub(crate) struct HoldArgs {
    /// An id, a unique id prefix, `latest`, WORKSPACE@latest, WORKSPACE@TIMESTAMP, or a timestamp
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// Let it go again
    #[arg(long)]
    pub(crate) release: bool,
}

/// Delete one backup and read back that it is gone
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:
  stillpoint delete 3f2a")]
pub(crate) struct DeleteArgs {
    /// An id, a unique id prefix, `latest`, WORKSPACE@latest, WORKSPACE@TIMESTAMP, or a timestamp
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
}
