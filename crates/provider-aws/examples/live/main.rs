//! The provider against a real account: what the fake AWS is trusted with, tried where it counts.
//!
//! Backs a small volume and a small file system up, tries what a crash would do, restores both into new resources,
//! discards those, and deletes every recovery point that it made. It touches nothing that does not carry its own marks,
//! and costs a few cents. What AWS answered goes into a journal, to correct the fake by.
//!
//! ```sh
//! cargo run -p stillpoint-provider-aws --features managed --example live -- \
//!     --volume arn:aws:ec2:REGION:ACCOUNT:volume/vol-1 --file-system arn:aws:elasticfilesystem:REGION:ACCOUNT:file-system/fs-1 \
//!     --vault my-vault --role arn:aws:iam::ACCOUNT:role/AWSBackupDefaultServiceRole --zone us-east-1a --journal live.jsonl
//! ```
#![expect(clippy::print_stdout, reason = "a run is told as it goes")]

mod story;

use std::error::Error as StdError;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use stillpoint_core::{Clock, Component, SystemClock, SystemEntropy};
use stillpoint_provider_aws::Connection;
use stillpoint_provider_aws::managed::{AwsProvider, BackupSettings, VaultPlace};

use story::{Setting, Story, Told};

#[derive(Debug, Parser)]
struct Live {
    /// A volume to protect: small, and in use or not
    #[arg(long)]
    volume: String,
    /// A file system to protect: small
    #[arg(long)]
    file_system: String,
    /// The vault that recovery points go to, without a lock
    #[arg(long)]
    vault: String,
    /// The role that AWS Backup takes on
    #[arg(long)]
    role: String,
    /// The zone of the restored volume
    #[arg(long)]
    zone: String,
    /// Where each step is written, one JSON document a line
    #[arg(long)]
    journal: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let live = Live::parse();
    let region = live.volume.split(':').nth(3).unwrap_or_default().to_owned();
    let connection = Connection::from_environment(Some(&region)).await?;
    let id = "aws".parse()?;
    let provider = AwsProvider::new(id, connection, [VaultPlace::new(&region, &live.vault)]);
    let settings = BackupSettings::new(&live.vault, &live.role);
    let component = |id: &str, kind: &str, resource: &str| -> Result<Component, Box<dyn StdError>> {
        Ok(settings.clone().on(Component::new(id.parse()?, kind, "aws".parse()?, resource)))
    };
    let mut journal = match &live.journal {
        Some(path) => Some(BufWriter::new(File::create(path)?)),
        None => None,
    };
    let tell = |told: &Told| -> std::io::Result<()> {
        println!("{told}");
        match &mut journal {
            Some(journal) => writeln!(journal, "{}", told.json()).and_then(|()| journal.flush()),
            None => Ok(()),
        }
    };
    let setting = Setting {
        volume: component("volume", "ebs", &live.volume)?,
        file_system: component("file-system", "efs", &live.file_system)?,
        zone: live.zone,
        clock: Arc::new(SystemClock::default()) as Arc<dyn Clock>,
        patience: Duration::from_secs(6 * 3600),
        entropy: Arc::new(SystemEntropy::default()),
    };
    let failures = Story::new(&provider, setting, tell)?.run().await?;
    if failures == 0 { Ok(()) } else { Err(format!("{failures} steps did not go as expected").into()) }
}
