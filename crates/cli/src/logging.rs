//! Logs, on standard error.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

use stillpoint_core::{Error, ErrorKind, Result};

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

/// Sends everything that goes to standard error to the end of this file from now on.
///
/// # Errors
/// `PermissionDenied` where it cannot be written.
pub(crate) fn into_file(path: &Path) -> Result<()> {
    let refused = |error: io::Error| {
        let message = format!("the log file {} cannot be written", path.display());
        Error::new(ErrorKind::PermissionDenied, message).with_source(error)
    };
    let file = File::options().create(true).append(true).open(path).map_err(refused)?;
    rustix::stdio::dup2_stderr(&file).map_err(|error| refused(error.into()))
}
