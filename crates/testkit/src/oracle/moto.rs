//! Moto: an S3 with versions and retention locks, which the server in [`crate::s3`] does not have.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{found, tools_dir};
use crate::wait::eventually;

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    port: u16,
    python: PathBuf,
}

/// Starts moto on a free port of loopback, or says that it is not installed.
#[expect(clippy::expect_used, reason = "a test cannot go on without the program it asked for")]
pub fn moto() -> Option<Moto> {
    let bin = tools_dir().join("moto/bin");
    let server = found("moto", bin.join("moto_server"))?;
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).map(|at| at.port());
    let port = port.expect("loopback has a free port");
    let child = Command::new(server)
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("moto can be started");
    let moto = Moto { child, port, python: bin.join("python") };
    let answers = || TcpStream::connect(("127.0.0.1", moto.port)).is_ok();
    assert!(eventually(Duration::from_secs(120), answers), "moto does not answer");
    Some(moto)
}

impl Moto {
    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Settings under which a client reaches it.
    pub fn env(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Runs a few lines of Python in which `s3` is a boto3 client of this server, and returns what they print.
    #[expect(clippy::expect_used, reason = "a test cannot go on without the program it asked for")]
    pub fn python(&self, script: &str) -> String {
        let script = format!("import boto3, datetime, json\ns3 = boto3.client('s3')\n{script}");
        let output = Command::new(&self.python)
            .args(["-c", &script])
            .envs(self.env())
            .output()
            .expect("python can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        drop(ended);
    }
}
