//! The provider against a real subscription: what the fake Azure is trusted with, tried where it counts.
//!
//! Backs a small disk, and a share and a NetApp volume where they are named, up, tries what a crash would do, restores into new
//! resources, discards those, and deletes every snapshot that it made. It touches nothing that does not carry its own
//! marks, and costs a few cents (a NetApp volume: its capacity for an hour). What Azure answered goes into a journal, to correct
//! the fake by. Credentials come from the environment, as the command line's do.
//!
//! ```sh
//! cargo run -p stillpoint-provider-azure --example live-azure -- --journal live.jsonl \
//!     --disk /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Compute/disks/NAME
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
use stillpoint_core::{Component, SystemClock, SystemEntropy};
use stillpoint_provider_azure::Connection;
use stillpoint_provider_azure::managed::{AzureProvider, GroupPlace};

use story::{Setting, Story, Told};

#[derive(Debug, Parser)]
struct Live {
    /// A disk to protect: small, and in use or not
    #[arg(long)]
    disk: String,
    /// A file share to protect
    #[arg(long)]
    share: Option<String>,
    /// A NetApp volume to protect: of the least size
    #[arg(long)]
    volume: Option<String>,
    /// Where each step is written, one JSON document a line
    #[arg(long)]
    journal: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let live = Live::parse();
    let mut parts = live.disk.split('/').skip(2).step_by(2);
    let (subscription, group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let place = GroupPlace::new(subscription, group);
    let provider = AzureProvider::new("azure".parse()?, Connection::from_environment()?, [place]);
    let provider = provider.looking_in(live.share.iter().chain(&live.volume))?;
    let component = |kind: &str, resource: &str| -> Result<Component, Box<dyn StdError>> {
        Ok(Component::new(kind.parse()?, kind, "azure".parse()?, resource))
    };
    let mut components = vec![component("disk", &live.disk)?];
    for (kind, resource) in [("file-share", &live.share), ("netapp-volume", &live.volume)] {
        components.extend(resource.as_ref().map(|resource| component(kind, resource)).transpose()?);
    }
    let mut journal = live.journal.as_ref().map(File::create).transpose()?.map(BufWriter::new);
    let tell = |told: &Told| -> std::io::Result<()> {
        println!("{told}");
        match &mut journal {
            Some(journal) => writeln!(journal, "{}", told.json()).and_then(|()| journal.flush()),
            None => Ok(()),
        }
    };
    let setting = Setting {
        components,
        clock: Arc::new(SystemClock::default()),
        patience: Duration::from_secs(6 * 3600),
        entropy: Arc::new(SystemEntropy::default()),
    };
    let failures = Story::new(&provider, setting, tell)?.run().await?;
    if failures == 0 { Ok(()) } else { Err(format!("{failures} steps did not go as expected").into()) }
}
