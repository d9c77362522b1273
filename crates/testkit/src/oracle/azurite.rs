//! Azurite: Azure's own emulator of Blob Storage.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{found, tools_dir};
use crate::wait::eventually;

/// The account that every emulator of Azure Storage has, and its key, which Microsoft publishes.
/// Source: <https://learn.microsoft.com/azure/storage/common/storage-connect-azurite>.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Sends one signed request to the emulator: a method, a path below the account, a query, and headers of its own.
const REQUEST: &str = r#"
const [endpoint, account, key, method, path, query, own] = process.argv.slice(1);
const headers = {...JSON.parse(own), 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2021-12-02'};
const named = Object.keys(headers).sort().map(name => `${name}:${headers[name]}`);
const pairs = query.split('&').filter(Boolean).sort().map(pair => '\n' + pair.replace('=', ':')).join('');
const signed = [method, '', '', '', '', '', '', '', '', '', '', '',
  ...named, `/${account}/${account}${path}${pairs}`].join('\n');
const hash = require('crypto').createHmac('sha256', Buffer.from(key, 'base64')).update(signed, 'utf8').digest('base64');
fetch(`${endpoint}${path}?${query}`, {method, headers: {...headers, Authorization: `SharedKey ${account}:${hash}`}})
  .then(async answer => { console.log(await answer.text()); process.exit(answer.ok ? 0 : 1); });
"#;

/// A running emulator, which keeps everything in memory; it stops when dropped.
#[derive(Debug)]
pub struct Azurite {
    child: Child,
    port: u16,
}

/// Starts Azurite on a free port of loopback, or says that it is not installed.
#[expect(clippy::expect_used, reason = "a test cannot go on without the program it asked for")]
pub fn azurite() -> Option<Azurite> {
    let script: PathBuf = tools_dir().join("azurite/node_modules/azurite/dist/src/blob/main.js");
    let script = found("Azurite", script)?;
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).map(|at| at.port());
    let port = port.expect("loopback has a free port");
    let child = Command::new("node")
        .arg(script)
        .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--inMemoryPersistence"])
        .args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Azurite can be started");
    let azurite = Azurite { child, port };
    let answers = || TcpStream::connect(("127.0.0.1", azurite.port)).is_ok();
    assert!(eventually(Duration::from_secs(120), answers), "Azurite does not answer");
    Some(azurite)
}

impl Azurite {
    /// Where it listens, without the account that its addresses name in their paths.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Settings under which a client reaches it.
    pub fn env(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AZURE_STORAGE_ACCOUNT", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_KEY", KEY.to_owned()),
            ("AZURE_STORAGE_ENDPOINT", self.endpoint()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Makes a container.
    pub fn create_container(&self, name: &str) {
        self.request("PUT", &format!("/{name}"), "restype=container", "{}");
    }

    /// What the list of a container says, as XML.
    pub fn list(&self, container: &str) -> String {
        self.request("GET", &format!("/{container}"), "comp=list&restype=container", "{}")
    }

    /// Takes a lease without an end on a blob, named by `CONTAINER/NAME`.
    pub fn lease(&self, blob: &str) {
        let asked = r#"{"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}"#;
        self.request("PUT", &format!("/{blob}"), "comp=lease", asked);
    }

    /// Takes a snapshot of a blob, named by `CONTAINER/NAME`.
    pub fn snapshot(&self, blob: &str) {
        self.request("PUT", &format!("/{blob}"), "comp=snapshot", "{}");
    }

    #[expect(clippy::expect_used, reason = "a test cannot go on without the program it asked for")]
    fn request(&self, method: &str, path: &str, query: &str, headers: &str) -> String {
        let endpoint = format!("{}/{ACCOUNT}", self.endpoint());
        let words = [endpoint.as_str(), ACCOUNT, KEY, method, path, query, headers];
        let output =
            Command::new("node").args(["-e", REQUEST]).args(words).output().expect("node can be started");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        drop(ended);
    }
}
