//! TLS: certificates and their key.

use std::path::Path;
use std::sync::Arc;

use stillpoint_core::{Error, ErrorKind, Result};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads the certificate chain and its key.
///
/// # Errors
/// `InvalidConfig` where one of them cannot be read or they do not fit each other.
pub(super) fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor> {
    let wrong = |path: &Path, what: &str| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("{} holds no {what} in PEM that can be used", path.display()),
        )
    };
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificates, "certificate").with_source(error))?;
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, "private key").with_source(error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(certificates, "certificate").with_source(error))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| wrong(key, "private key for that certificate").with_source(error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
