//! Where the server listens, and what it refuses to listen on.

mod connection;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;

use stillpoint_core::{Error, ErrorKind, Result};
use tokio::net::TcpListener;

pub(crate) use connection::Connections;

/// Where to listen.
///
/// ```
/// use stillpoint_server::Listen;
///
/// assert!(Listen::new("127.0.0.1:8080".parse().unwrap()).check().is_ok());
/// let everywhere = Listen::new("0.0.0.0:8080".parse().unwrap());
/// assert!(everywhere.check().is_err(), "tokens would travel in the clear");
/// assert!(everywhere.behind_proxy(true).check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listen {
    address: SocketAddr,
    tls: Option<(PathBuf, PathBuf)>,
    behind_proxy: bool,
}

impl Listen {
    /// At `address`, without TLS.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, tls: None, behind_proxy: false }
    }

    /// With TLS: the certificate chain and its private key, both in PEM.
    #[must_use]
    pub fn tls(mut self, certificates: PathBuf, key: PathBuf) -> Self {
        self.tls = Some((certificates, key));
        self
    }

    /// Whether a proxy in front of the server speaks TLS and nobody else reaches it.
    #[must_use]
    pub fn behind_proxy(mut self, behind: bool) -> Self {
        self.behind_proxy = behind;
        self
    }

    /// Refuses an address beyond this machine where tokens would travel in the clear.
    ///
    /// # Errors
    /// `InvalidConfig`.
    pub fn check(&self) -> Result<()> {
        if self.address.ip().is_loopback() || self.tls.is_some() || self.behind_proxy {
            return Ok(());
        }
        let message = format!(
            "{} can be reached from other machines, and tokens would travel in the clear; give --tls-cert and \
             --tls-key, or --behind-proxy where a proxy speaks TLS",
            self.address
        );
        Err(Error::new(ErrorKind::InvalidConfig, message))
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// As [`Listen::check`]; `InvalidConfig` where certificate or key cannot be used; `Unavailable` where the address is
    /// taken.
    pub async fn bind(self) -> Result<Bound> {
        self.check()?;
        let tls = self.tls.map(|(certificates, key)| tls::acceptor(&certificates, &key)).transpose()?;
        let listener = TcpListener::bind(self.address).await.map_err(|error| {
            let message = format!("cannot listen at {}", self.address);
            Error::new(ErrorKind::Unavailable, message).with_source(error)
        })?;
        let address = listener.local_addr().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the listener has no address").with_source(error)
        })?;
        let secure = tls.is_some() || self.behind_proxy;
        Ok(Bound { listener, tls, address, secure })
    }
}

/// A listener that is there.
pub struct Bound {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
    address: SocketAddr,
    secure: bool,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Whether browsers reach it over TLS, its own or a proxy's.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}
