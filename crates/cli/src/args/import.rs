//! `stillpoint import`.

use clap::Args;

use super::value::store;

/// Turn mirrored timestamps, those of the sample script too, into snapshots of the repository; again adds nothing
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint import --from s3://studio-backup-bucket/studio-backups
  stillpoint --store s3://backups/team import --from s3://old-bucket/prefix --user ada --space lab --json")]
pub(crate) struct ImportArgs {
    /// Where the timestamps lie, as USER/SPACE/TIMESTAMP below this URL
    #[arg(long, value_name = "URL", value_parser = store)]
    pub(crate) from: String,
}
