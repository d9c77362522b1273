//! The project's own fakes of clouds, `tools/fake-aws` and `tools/fake-azure`: every request and every answer is held
//! against the cloud's own models.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{found, tools_dir};

/// A running fake; it stops when dropped.
#[derive(Debug)]
pub struct FakeCloud {
    child: Child,
    port: u16,
}

/// Starts the fake AWS with a scenario (see `tools/fake-aws/README.md`), or says that its Python is not installed.
pub fn fake_aws(scenario: &Value) -> Option<FakeCloud> {
    start("the fake AWS's Python", "moto", "aws", scenario)
}

/// Starts the fake Azure with a scenario (see `tools/fake-azure/README.md`), or says that its Python is not installed.
pub fn fake_azure(scenario: &Value) -> Option<FakeCloud> {
    start("the fake Azure's Python", "azure", "azure", scenario)
}

#[expect(clippy::expect_used, reason = "a test cannot go on without the program it asked for")]
fn start(what: &str, environment: &str, cloud: &str, scenario: &Value) -> Option<FakeCloud> {
    let python = found(what, tools_dir().join(environment).join("bin/python"))?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tools/fake-{cloud}"));
    let mut child = Command::new(python)
        .args(["-m", &format!("fake_{cloud}"), "--announce", "--until-stdin-ends"])
        .env("PYTHONPATH", source)
        // Compiled once and for all, whatever the environment says: it is a third of a start.
        .env_remove("PYTHONDONTWRITEBYTECODE")
        // It ends with this process, whose end of the pipe closes however it ends.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the fake can be started");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("the fake announces its port");
    let announced: Value = serde_json::from_str(&line).expect("the announcement is JSON");
    let port = announced["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    let fake = FakeCloud { child, port: port.expect("the announcement names a port") };
    fake.post("reset", scenario);
    Some(fake)
}

impl FakeCloud {
    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Calls the control plane: `reset`, `advance`, `inject`, `set`, …
    pub fn post(&self, name: &str, body: &Value) -> Value {
        self.control("POST", name, &body.to_string())
    }

    /// Reads from the control plane: `journal`, `violations`, `state`, …
    pub fn get(&self, name: &str) -> Value {
        self.control("GET", name, "")
    }

    /// Fails when any request or answer so far was none that the cloud's models allow.
    #[track_caller]
    pub fn assert_no_violations(&self) {
        let violations = self.get("violations");
        assert_eq!(violations.as_array().map(Vec::len), Some(0), "{violations:#}");
    }

    #[expect(clippy::expect_used, reason = "a test cannot go on without an answer of its own fake")]
    fn control(&self, method: &str, name: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the fake listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
        let length = body.len();
        write!(
            stream,
            "{method} /_fake/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("the fake takes requests");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the fake answers");
        let (head, content) = answer.split_once("\r\n\r\n").expect("the answer has a head");
        assert!(head.contains(" 200 "), "{method} {name}: {answer}");
        serde_json::from_str(content).expect("the answer is JSON")
    }
}

impl Drop for FakeCloud {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        drop(ended);
    }
}
