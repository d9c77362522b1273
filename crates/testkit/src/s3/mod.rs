//! An S3 server on loopback, in this process, with its objects in files or in memory.
//!
//! Either store lies behind a front that counts requests, adds latency and injects faults. Signatures are checked;
//! TCP_NODELAY is set.
//!
//! [`Backing::Memory`] answers as S3's documentation says, conditions of reads and deletions and refused digests
//! included, and costs the least. [`Backing::Temporary`] and [`Backing::Directory`] are `s3s-fs`: objects are plain
//! files, so a test can look at them, or damage them, directly.
//!
//! What `s3s-fs` 0.14.1 does not do as S3 does (measured): `If-Match` and `If-None-Match` of a GET and `If-Match` of a
//! DELETE are ignored; listings carry no entity tag; the keys `a` and `a/b` cannot both exist; no part of a key may be
//! longer than 255 bytes. An empty `delimiter`, which it would take for a delimiter, is removed by the front. Neither
//! store has versions or locks.

mod fault;
mod front;
mod memory;
mod objects;
mod request;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

pub use fault::{Fault, FaultRule};
use front::Front;
use memory::Memory;
pub use request::Requests;

/// Name of the server's threads, by which its processor time can be told from that of the program around it.
pub const THREAD_NAME: &str = "s3-server";

/// Where objects are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Backing {
    /// Files in a temporary directory that is removed with the server.
    #[default]
    Temporary,
    /// Files under this directory.
    Directory(PathBuf),
    /// Memory of this process.
    Memory,
}

/// Where and how to serve; the defaults suit a test.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where objects are kept.
    pub backing: Backing,
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Bucket that exists from the start.
    pub bucket: String,
    /// Access key that clients must sign with.
    pub access_key: String,
    /// Secret key that clients must sign with.
    pub secret_key: String,
    /// Added to every request before it is served.
    pub latency: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backing: Backing::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            bucket: "bucket".to_owned(),
            access_key: "AKIATESTTESTTESTTEST".to_owned(),
            secret_key: "test/secret/test/secret/test/secret/test".to_owned(),
            latency: Duration::ZERO,
        }
    }
}

/// What the server reads and writes.
#[derive(Debug)]
enum Store {
    Files(PathBuf),
    Memory(Memory),
}

/// A running server; it stops when dropped, after the requests in progress.
#[derive(Debug)]
pub struct Server {
    options: Options,
    address: SocketAddr,
    store: Store,
    front: Arc<Front>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
    // Declared last, so that the directory is removed when nothing writes to it any more.
    _temporary: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a server on a free port, with its data in files in a temporary directory.
    ///
    /// # Errors
    /// When the address cannot be bound or the directory cannot be made.
    pub fn start() -> io::Result<Self> {
        Self::start_with(Options::default())
    }

    /// Starts a server on a free port, with its data in memory.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start_in_memory() -> io::Result<Self> {
        Self::start_with(Options { backing: Backing::Memory, ..Options::default() })
    }

    /// Starts a server as told.
    ///
    /// # Errors
    /// When the address cannot be bound or the directory cannot be made.
    pub fn start_with(options: Options) -> io::Result<Self> {
        let temporary = match options.backing {
            Backing::Temporary => Some(tempfile::tempdir()?),
            _ => None,
        };
        let store = match (&options.backing, &temporary) {
            (Backing::Directory(root), _) => Store::Files(root.clone()),
            (_, Some(dir)) => Store::Files(dir.path().to_owned()),
            (_, None) => Store::Memory(Memory::new(&options.bucket)),
        };
        if let Store::Files(root) = &store {
            fs::create_dir_all(root.join(&options.bucket))?;
        }
        let front = Arc::new(Front::new(&store, &options)?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREAD_NAME)
            .enable_all()
            .build()?;
        // Bound without the runtime, so that a server can be started from asynchronous tests too.
        let listener = TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&front);
        let thread = thread::spawn(move || runtime.block_on(front::serve(listener, serving, stopped)));
        Ok(Self {
            options,
            address,
            store,
            front,
            stop: Some(stop),
            thread: Some(thread),
            _temporary: temporary,
        })
    }

    /// `http://127.0.0.1:PORT`, without a final slash.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bucket made at the start.
    pub fn bucket(&self) -> &str {
        &self.options.bucket
    }

    /// Access key and secret key.
    pub fn keys(&self) -> (&str, &str) {
        (&self.options.access_key, &self.options.secret_key)
    }

    /// `s3://BUCKET/PREFIX`, as the `--store` flag takes it.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{}/{prefix}", self.options.bucket)
    }

    /// The environment that points AWS clients, the `stillpoint` command and restic at this server.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL_S3", self.endpoint()),
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", self.options.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.options.secret_key.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// What has been asked of the server so far.
    pub fn requests(&self) -> Requests {
        self.front.requests()
    }

    /// Sets the counts back to zero.
    pub fn reset_requests(&self) {
        self.front.reset_requests();
    }

    /// Adds a rule; the first rule that applies to a request decides.
    pub fn inject(&self, rule: FaultRule) {
        self.front.add_rule(rule);
    }

    /// Removes all rules.
    pub fn heal(&self) {
        self.front.clear_rules();
    }

    /// Changes the latency added to every request from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.front.set_latency(latency);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The thread may have ended already, in which case nobody receives.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed by its thread.
            drop(thread.join());
        }
    }
}
