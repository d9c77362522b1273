//! Serves the demonstration: `cargo run -p stillpoint-server --example demo`.
//!
//! `--listen ADDRESS`, `--catalog FILE` (kept; else all is in memory), `--pace SECONDS` of a job, `--empty` for a catalog without
//! a past. The address and the tokens come on standard output, one a line.
#![expect(clippy::print_stdout, reason = "it tells where it listens, and the tokens")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{Cancellation, Catalog, Error, ErrorKind, Result};
use stillpoint_server::access::{AccessStore, MemoryAccess};
use stillpoint_server::demo::{DemoOptions, demo};
use stillpoint_server::{Listen, keep_going, serve};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (mut listen, mut file, mut options) = ("127.0.0.1:8080".to_owned(), None, DemoOptions::default());
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| wrong(&format!("{arg} needs a value")));
        match arg.as_str() {
            "--listen" => listen = value()?,
            "--catalog" => file = Some(value()?),
            "--pace" => {
                options.pace = Duration::from_secs_f64(
                    value()?.parse().map_err(|_no_number| wrong("--pace takes seconds"))?,
                )
            }
            "--empty" => options.history = false,
            _ => return Err(wrong(&format!("{arg} is not known"))),
        }
    }
    let (catalog, access): (Arc<dyn Catalog>, Arc<dyn AccessStore>) = match file {
        Some(file) => {
            let catalog = Arc::new(SqlCatalog::open(&format!("sqlite:{file}"), SqlOptions::default()).await?);
            (Arc::clone(&catalog) as _, catalog)
        }
        None => (Arc::new(MemoryCatalog::new()), Arc::new(MemoryAccess::default())),
    };
    let made = demo(catalog, access, options).await?;
    for (role, secret) in &made.tokens {
        println!("{role}: {}", secret.expose());
    }
    let address =
        listen.parse().map_err(|_no_address| wrong("--listen takes an address such as 127.0.0.1:8080"))?;
    let bound = Listen::new(address).bind().await?;
    println!("serving at {}", bound.url());
    let stop = Cancellation::new();
    let background = tokio::spawn(keep_going(made.plane.clone(), stop.clone()));
    let served = serve(made.plane, bound, stop).await;
    background.abort();
    served
}

fn wrong(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}
