//! TLS of the server's own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{Cancellation, ErrorKind, LocalOrchestrator};
use stillpoint_server::access::MemoryAccess;
use stillpoint_server::{ControlPlane, Listen, serve};

/// A certificate for loopback that signs itself.
fn certificate(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", key.to_str().unwrap(), "-out", certificate.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

#[tokio::test]
async fn over_tls_browsers_are_told_to_stay_there_and_a_client_that_says_nothing_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let catalog = Arc::new(MemoryCatalog::new());
    let orchestrator = Arc::new(LocalOrchestrator::builder(catalog.clone()).build());
    let plane = ControlPlane::new(catalog, orchestrator, Arc::new(MemoryAccess::default()));
    let listen = Listen::new("127.0.0.1:0".parse().unwrap()).tls(certificate.clone(), key);
    let bound = listen.bind().await.unwrap();
    let (address, stop) = (bound.address(), Cancellation::new());
    assert!(bound.url().starts_with("https://"));
    let serving = tokio::spawn(serve(plane, bound, stop.clone()));
    let silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let root = reqwest::Certificate::from_pem(&std::fs::read(&certificate).unwrap()).unwrap();
    let http =
        reqwest::Client::builder().tls_certs_only([root]).timeout(Duration::from_secs(10)).build().unwrap();
    let answer = http.get(format!("https://{address}/healthz")).send().await.unwrap();
    assert!(answer.headers()["strict-transport-security"].to_str().unwrap().contains("max-age"));
    assert_eq!(answer.text().await.unwrap(), "ok\n");
    stop.cancel();
    drop(http);
    let ended = tokio::time::timeout(Duration::from_secs(5), serving).await;
    ended.expect("the server stops when it is told to").unwrap().unwrap();
    drop(silent);
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_refused_before_anything_listens() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let anywhere = || Listen::new("127.0.0.1:0".parse().unwrap());
    let refused = anywhere().tls(key.clone(), certificate.clone()).bind().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidConfig);
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let (_, foreign) = self::certificate(&other);
    let refused = anywhere().tls(certificate, foreign).bind().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidConfig, "{refused}");
}
