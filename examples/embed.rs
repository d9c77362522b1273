//! A host in about thirty lines: backs a directory up, loses it, and restores it into a new one.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::Arc;

use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::*;
use stillpoint_provider_s3sync::*;

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(at("home"))?;
    std::fs::write(at("home/notes.txt"), "all I know")?;

    // What a host composes: a catalog, a provider, a workspace, and a provisioner for restores.
    let catalog = SqlCatalog::open(&format!("sqlite:{}", at("catalog.db")), SqlOptions::default()).await?;
    let credentials = Credentials::password("correct horse battery staple".to_owned())?;
    let store =
        RepositorySource::new(&format!("file://{}", at("store")), &StoreSettings::default(), credentials)?;
    let home = DirectoryWorkspace::new(at("home"))?;
    let workspace = home.id().clone();
    let orchestrator = LocalOrchestrator::builder(Arc::new(catalog))
        .provider(Arc::new(S3SyncProvider::new(store)))
        .workspace(Arc::new(home))
        .provisioner("directory", Arc::new(DirectoryProvisioner::default()))
        .build();
    orchestrator.recover().await?; // Whatever an earlier process left unfinished goes on now.

    let id = OperationId::generate(&SystemEntropy::default());
    orchestrator.submit(Request::Backup(BackupRequest::new(id.clone(), workspace))).await?;
    let backup = orchestrator.wait(&id).await?.backup.ok_or("the backup did not complete")?;
    println!("backup {} of {} is {}", backup.id, backup.workspace, backup.state.as_str());

    std::fs::remove_dir_all(at("home"))?;

    let id = OperationId::generate(&SystemEntropy::default());
    let settings = [("path".to_owned(), at("home-again").into())].into();
    let target = at("home-again").parse()?;
    let request = RestoreRequest::new(id.clone(), backup.id, target, "directory", settings);
    orchestrator.submit(Request::Restore(request)).await?;
    println!("restore is {}", orchestrator.wait(&id).await?.operation.state.as_str());
    println!("{}", std::fs::read_to_string(at("home-again/notes.txt"))?);
    Ok(())
}
