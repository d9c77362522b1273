//! The provider against a real account: what the fake AWS is trusted with, tried where it counts.
//!
//! Backs a small volume and a small file system up, tries what a crash would do, restores both into new resources,
//! discards those, and deletes every recovery point that it made. It touches nothing that does not carry its own marks,
//! and costs a few cents. It does nothing unless the environment (or the flags of the same names) says on what. Each call and
//! what AWS answered go into a journal; the fake's tool then says where the fake is wrong.
//!
//! ```sh
//! export STILLPOINT_LIVE_VOLUME=arn:aws:ec2:REGION:ACCOUNT:volume/vol-1
//! export STILLPOINT_LIVE_FILE_SYSTEM=arn:aws:elasticfilesystem:REGION:ACCOUNT:file-system/fs-1
//! export STILLPOINT_LIVE_VAULT=my-vault STILLPOINT_LIVE_ZONE=us-east-1a
//! export STILLPOINT_LIVE_ROLE=arn:aws:iam::ACCOUNT:role/AWSBackupDefaultServiceRole
//! cargo run -p stillpoint-provider-aws --features managed --example live -- --journal live.jsonl
//! # The same with AWS_ENDPOINT_URL set to a fake that has such resources, into fake.jsonl; then, in tools/fake-aws:
//! python -m fake_aws.heard live.jsonl fake.jsonl
//! ```
#![expect(clippy::print_stdout, reason = "a run is told as it goes")]

mod journal;
mod story;

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use stillpoint_core::{Clock, Component, SystemClock, SystemEntropy};
use stillpoint_provider_aws::managed::{AwsProvider, BackupSettings, VaultPlace};
use stillpoint_provider_aws::{Connection, WireJournal};

use journal::Journal;
use story::{Setting, Story, Told};

#[derive(Debug, Parser)]
struct Live {
    /// A volume to protect: small, and in use or not
    #[arg(long, env = "STILLPOINT_LIVE_VOLUME")]
    volume: String,
    /// A file system to protect: small
    #[arg(long, env = "STILLPOINT_LIVE_FILE_SYSTEM")]
    file_system: String,
    /// The vault that recovery points go to, without a lock
    #[arg(long, env = "STILLPOINT_LIVE_VAULT")]
    vault: String,
    /// The role that AWS Backup takes on
    #[arg(long, env = "STILLPOINT_LIVE_ROLE")]
    role: String,
    /// The zone of the restored volume
    #[arg(long, env = "STILLPOINT_LIVE_ZONE")]
    zone: String,
    /// Where each step, and each call with its answer, is written, one JSON document a line
    #[arg(long, env = "STILLPOINT_LIVE_JOURNAL")]
    journal: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let live = Live::parse();
    let region = live.volume.split(':').nth(3).unwrap_or_default().to_owned();
    let journal = live.journal.as_deref().map(Journal::create).transpose()?.map(Arc::new);
    let mut connection = Connection::from_environment(Some(&region)).await?;
    if let Some(journal) = &journal {
        connection = connection.with_wire_journal(Arc::clone(journal) as Arc<dyn WireJournal>);
    }
    let id = "aws".parse()?;
    let provider = AwsProvider::new(id, connection, [VaultPlace::new(&region, &live.vault)]);
    let settings = BackupSettings::new(&live.vault, &live.role);
    let component = |id: &str, kind: &str, resource: &str| -> Result<Component, Box<dyn StdError>> {
        Ok(settings.clone().on(Component::new(id.parse()?, kind, "aws".parse()?, resource)))
    };
    let tell = |told: &Told| -> std::io::Result<()> {
        println!("{told}");
        journal.as_ref().map_or(Ok(()), |journal| journal.write(&told.json()))
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
    if let Some(journal) = journal {
        journal.end()?;
    }
    if failures == 0 { Ok(()) } else { Err(format!("{failures} steps did not go as expected").into()) }
}
