//! Serving the catalog, and the tokens of those who may call.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::value::duration;

/// Serve the catalog: its page, and the API under /api/v1
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  stillpoint serve
  stillpoint serve --demo
  stillpoint serve --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem

The first start prints one administrator token on standard error; `stillpoint token create` makes others. What is not
said here may stand in the table [serve] of the configuration.")]
pub(crate) struct ServeArgs {
    /// Where to listen; 127.0.0.1:8080 unless told otherwise. Beyond this machine it takes TLS, or --behind-proxy
    #[arg(long, value_name = "ADDRESS", env = "STILLPOINT_LISTEN", hide_env_values = true)]
    pub(crate) listen: Option<SocketAddr>,
    /// The certificate chain in PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        env = "STILLPOINT_TLS_CERT",
        hide_env_values = true
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        env = "STILLPOINT_TLS_KEY",
        hide_env_values = true
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// A proxy in front of the server speaks TLS, and nobody else reaches it
    #[arg(long, env = "STILLPOINT_BEHIND_PROXY", hide_env_values = true)]
    pub(crate) behind_proxy: bool,
    /// How long a shutdown waits for operations under way before it hands them over; 5s unless told otherwise
    #[arg(long, value_name = "TIME", value_parser = duration, env = "STILLPOINT_SHUTDOWN_GRACE", hide_env_values = true)]
    pub(crate) shutdown_grace: Option<Duration>,
    /// Where restores of directories may land: each new workspace becomes a folder in it
    #[arg(long, value_name = "DIR", env = "STILLPOINT_RESTORE_ROOT", hide_env_values = true)]
    pub(crate) restore_root: Option<PathBuf>,
    /// How many calls a second each token may make; 50 unless told otherwise
    #[arg(long, value_name = "NUMBER", env = "STILLPOINT_CALLS_PER_SECOND", hide_env_values = true)]
    pub(crate) calls_per_second: Option<u32>,
    /// Serve an invented catalog to look at, which is gone afterwards
    #[arg(long)]
    pub(crate) demo: bool,
}

/// Manage the tokens of those who may call a server of this catalog
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  stillpoint token create --name ci --role operator --environment staging --expires 90d
  stillpoint token list
  stillpoint token revoke 4f1a0c22d9e1")]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

/// What to do with tokens.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is printed once and cannot be shown again
    Create(TokenCreateArgs),
    /// List tokens, without their secrets
    #[command(after_help = "Example:
  stillpoint token list --json")]
    List,
    /// Revoke a token at once
    #[command(after_help = "Example:
  stillpoint token revoke 4f1a0c22d9e1")]
    Revoke {
        /// Its id, as the list shows it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// A token to make.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:
  stillpoint token create --name ci --role operator --environment staging --expires 90d")]
pub(crate) struct TokenCreateArgs {
    /// What its holder may do
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: RoleName,
    /// Whose or what for it is
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The only environment that it may see
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<String>,
    /// How long it lasts: 12h, 90d. For ever where nothing is said
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) expires: Option<Duration>,
}

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Looks.
    Viewer,
    /// Backs up, verifies, plans and restores, and stops what runs.
    Operator,
    /// Deletes, holds, sets schedules and retention, and manages tokens.
    Administrator,
}
