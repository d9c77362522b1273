//! `stillpoint serve --demo`: a generated catalog to look at.

use std::path::Path;

use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_repository::Credentials;
use stillpoint_server::Listen;

use super::answer;
use crate::args::{BackupArgs, ServeArgs};
use crate::engine;
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::run::demo::generate::{edit, generate};
use crate::session::Session;
use crate::settings::{Settings, write_new_key};

/// Files in a generated workspace.
const FILES: u32 = 400;
/// The generated workspaces, and how many backups each has.
const WORKSPACES: [(&str, usize); 3] = [("churn-model", 4), ("vision-lab", 3), ("weekly-report", 1)];

/// Backs generated workspaces up into a temporary place and serves their catalog until it is told to stop.
pub(super) async fn run(output: Output, args: &ServeArgs, listen: Listen) -> Outcome {
    let place = tempfile::tempdir().map_err(|error| {
        Error::new(ErrorKind::Unavailable, "no temporary directory can be made").with_source(error)
    })?;
    let session = Session::new(Settings::contained(&place.path().join("data")), output.without_steps());
    session.settings.data_dir.make()?;
    let (_, key) = Credentials::generate().map_err(engine::error)?;
    write_new_key(&session.settings.data_dir.key_file(), &key)?;
    for (seed, (name, backups)) in WORKSPACES.iter().enumerate() {
        fill(&session, &place.path().join(name), name, *backups, seed as u64).await?;
    }
    answer(&session, args, listen).await
}

async fn fill(session: &Session, root: &Path, name: &str, backups: usize, seed: u64) -> Result<(), Failure> {
    for number in 0..backups {
        let folder = root.to_path_buf();
        let made = tokio::task::spawn_blocking(move || match number {
            0 => generate(&folder, FILES, seed),
            1 => edit(&folder, seed),
            day => {
                std::fs::write(folder.join(format!("notes-{day}.md")), format!("Day {day}: nothing broke.\n"))
            }
        });
        made.await.map_err(std::io::Error::other).and_then(|made| made).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the demonstration's files cannot be made").with_source(error)
        })?;
        let args = BackupArgs {
            directory: Some(root.to_path_buf()),
            workspace: Some(name.to_owned()),
            name: Some(format!("day {}", number + 1)),
            ..BackupArgs::default()
        };
        crate::run::backup::back_up(session, &args).await?;
    }
    Ok(())
}
