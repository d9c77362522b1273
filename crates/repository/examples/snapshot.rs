//! Backs a directory up into a repository, or restores the newest snapshot of one.
//!
//! ```text
//! cargo run --release -p stillpoint-repository --example snapshot -- backup REPOSITORY DIRECTORY
//! cargo run --release -p stillpoint-repository --example snapshot -- restore REPOSITORY TARGET
//! ```
//! The repository is a directory or a URL; its key is read from standard input.

use std::error::Error;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use stillpoint_repository::{
    BackupOptions, BackupSource, Cancellation, Credentials, NoProgress, Origin, Repository, RestoreOptions,
    Store, StoreSettings,
};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the outcome is what this program is for")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, url, directory] = arguments.as_slice() else {
        return Err("usage: snapshot backup|restore REPOSITORY DIRECTORY".into());
    };
    let mut key = String::new();
    std::io::stdin().read_to_string(&mut key)?;
    let store = Store::from_url(url, &StoreSettings::default())?;
    let repository =
        Repository::open_or_init(store, &Credentials::machine_key(key)?, Origin::detect()).await?;
    let (progress, cancellation) = (Arc::new(NoProgress), Cancellation::new());
    if verb == "backup" {
        let source = BackupSource::new(directory);
        let summary = repository.backup(&source, BackupOptions::default(), progress, &cancellation).await?;
        println!("{summary:#?}");
    } else {
        let snapshots = repository.snapshots().await?.readable;
        let newest = snapshots.last().ok_or("the repository holds no snapshot")?;
        let target = Path::new(directory);
        let options = RestoreOptions::new("example");
        let summary = repository.restore(&newest.id, target, options, progress, &cancellation).await?;
        println!("{summary:#?}");
    }
    Ok(())
}
