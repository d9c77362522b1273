//! Logs, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts logging: errors only, more with each `-v`, or whatever `RUST_LOG` says.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "info,sqlx=warn,hyper=warn,reqwest=warn",
        2 => "debug,sqlx=info,hyper=info,reqwest=info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
