//! A host that is killed again and again in the middle of its backup, and goes on each time.
//!
//! Without arguments it plays the outside world: it makes a tree, starts itself as the host, kills it, and lets the
//! next host recover. As the host (`resume_after_crash FOLDER`) it does what any host does at its start: recover
//! what was left, ask for the operation it wants (always under the same id), and wait.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::*;
use stillpoint_provider_s3sync::*;

type Outcome<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How often the host is killed.
const KILLS: u64 = 5;
const OPERATION: &str = "tonight";

fn main() -> Outcome {
    match std::env::args().nth(1) {
        Some(folder) => runtime()?.block_on(host(Path::new(&folder))),
        None => outside_world(),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn outside_world() -> Outcome {
    let folder = tempfile::tempdir()?;
    make_tree(&folder.path().join("home"))?;
    for kill in 1..=KILLS {
        let mut child = Command::new(std::env::current_exe()?).arg(folder.path()).spawn()?;
        std::thread::sleep(Duration::from_millis(120 * kill));
        child.kill()?;
        child.wait()?;
        println!("host {kill} is killed");
    }
    let last = Command::new(std::env::current_exe()?).arg(folder.path()).status()?;
    if !last.success() {
        return Err("the last host failed".into());
    }
    let backups = runtime()?.block_on(async {
        let catalog = open_catalog(folder.path()).await?;
        Outcome::Ok(catalog.backups(&BackupQuery::all()).await?.items.len())
    })?;
    println!("after {KILLS} kills there is {backups} backup");
    if backups == 1 { Ok(()) } else { Err("one operation makes one backup".into()) }
}

async fn open_catalog(folder: &Path) -> Result<SqlCatalog> {
    let path = folder.join("catalog.db");
    SqlCatalog::open(&format!("sqlite:{}", path.display()), SqlOptions::default()).await
}

async fn host(folder: &Path) -> Outcome {
    let store = format!("file://{}", folder.join("store").display());
    let credentials = Credentials::password("correct horse battery staple".to_owned())?;
    let home = DirectoryWorkspace::new(folder.join("home"))?;
    let workspace = home.id().clone();
    let orchestrator = LocalOrchestrator::builder(Arc::new(open_catalog(folder).await?))
        .provider(Arc::new(S3SyncProvider::new(RepositorySource::new(
            &store,
            &StoreSettings::default(),
            credentials,
        )?)))
        .workspace(Arc::new(home))
        .build();
    let recovered = orchestrator.recover().await?;
    println!("host starts, recovers {} operations", recovered.len());

    // The same id in each host: whoever comes later joins what is there.
    let id: OperationId = OPERATION.parse()?;
    orchestrator.submit(Request::Backup(BackupRequest::new(id.clone(), workspace))).await?;
    let status = orchestrator.wait(&id).await?;
    println!("operation {id} is {}", status.operation.state.as_str());
    match status.operation.state {
        OperationState::Completed => Ok(()),
        _ => Err(format!("{:?}", status.operation.error).into()),
    }
}

/// Files with content that cannot be compressed, so that the backup takes a moment.
fn make_tree(home: &Path) -> Outcome {
    let random = SeededEntropy::new(1);
    let mut content = vec![0u8; 1 << 20];
    for folder in 0..8 {
        let folder = home.join(format!("run-{folder}"));
        std::fs::create_dir_all(&folder)?;
        for file in 0..8 {
            random.fill(&mut content);
            std::fs::write(folder.join(format!("checkpoint-{file}.bin")), &content)?;
        }
    }
    Ok(())
}
