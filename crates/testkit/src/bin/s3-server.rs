//! The test kit's S3 server, run by hand: `cargo xtask s3-server --root DIR`.
#![expect(clippy::print_stdout, reason = "a command line program tells how to reach it")]

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use stillpoint_testkit::s3::{Backing, Options, Server};
use tokio::signal::unix::{SignalKind, signal};

/// Serves S3 on loopback until it is interrupted or asked to terminate.
///
/// Example: cargo xtask s3-server --root /var/tmp/objects --listen 127.0.0.1:9000
#[derive(Debug, Parser)]
struct Flags {
    /// Keep objects as files under this directory; they are in memory by default.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Address and port; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// Bucket that exists from the start.
    #[arg(long, default_value = "bucket")]
    bucket: String,
    /// Wait added to every request, in milliseconds, to stand in for a network.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

fn main() -> io::Result<()> {
    let flags = Flags::parse();
    let server = Server::start_with(Options {
        backing: flags.root.map_or(Backing::Memory, Backing::Directory),
        listen: flags.listen,
        bucket: flags.bucket,
        latency: Duration::from_millis(flags.latency_ms),
        ..Options::default()
    })?;
    println!("# {} serves bucket {}", server.endpoint(), server.bucket());
    for (name, value) in server.env() {
        println!("export {name}={value}");
    }
    println!("# store: {}", server.url("stillpoint"));
    wait_for_the_end()?;
    let seen = server.requests();
    println!("# {} requests, {} bytes in, {} bytes out", seen.total(), seen.bytes_in, seen.bytes_out);
    for (name, count) in seen.by_operation {
        println!("# {name}: {count}");
    }
    Ok(())
}

fn wait_for_the_end() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    })
}
