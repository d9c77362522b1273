//! A PostgreSQL server on loopback, with a data directory of its own.
//!
//! The machine's own programs are used, else those that `cargo xtask tools` unpacked. All tests of a checkout share one
//! server, whatever processes they run in; each takes a schema of its own. A test that kills its server starts one of
//! its own. Either is stopped, and its data removed, a few seconds after its last user has ended, also where that was
//! killed: users hold a lock that the kernel takes from them, and a watchdog waits for that lock.

mod programs;
mod watchdog;

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use self::programs::Programs;
use crate::eventually;

/// How long a server may take to answer; a machine that builds at the same time is slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// Loopback is open to everybody on the machine, so there is a password; it need not be a secret.
const PASSWORD: &str = "loopback";
const USER: &str = "stillpoint";

/// A running server. It outlives the value for a few seconds.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    place: PathBuf,
    port: u16,
    /// Held for as long as the server is used.
    _user: File,
}

impl Postgres {
    /// The server that all tests of this checkout share; started if nobody uses it yet.
    ///
    /// # Panics
    /// Where it cannot be started: a test of a database without a database proves nothing.
    pub fn shared() -> Self {
        let checkout = env!("CARGO_MANIFEST_DIR").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let me = rustix::process::geteuid().as_raw();
        let place = std::env::temp_dir().join(format!("stillpoint-postgres-{me}-{checkout:016x}"));
        started(Self::at(place, false))
    }

    /// A server of the caller's own, which it may kill.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn own() -> Self {
        let place = TempDir::with_prefix("stillpoint-postgres-").map(TempDir::keep);
        started(place.and_then(|place| Self::at(place, true)))
    }

    fn at(place: PathBuf, own: bool) -> io::Result<Self> {
        let programs = Programs::find()?;
        fs::create_dir_all(&place)?;
        // Traversed by the user that the server runs as, listed by nobody else.
        fs::set_permissions(&place, fs::Permissions::from_mode(0o711))?;
        let starting = lock_file(&place.join("starting"))?;
        starting.lock()?;
        // Waits for a watchdog that is cleaning up.
        let user = lock_file(&place.join("users"))?;
        user.lock_shared()?;
        let mut server = Self { programs, place, port: 0, _user: user };
        match server.running() {
            Some(port) => server.port = port,
            None => {
                server.port = free_port()?;
                server.initialise()?;
                server.launch()?;
                fs::write(server.place.join("port"), server.port.to_string())?;
                watchdog::start(&server.place, own)?;
            }
        }
        Ok(server)
    }

    /// The port of a server that answers already.
    fn running(&self) -> Option<u16> {
        let port = fs::read_to_string(self.place.join("port")).ok()?.parse().ok()?;
        answers(port).then_some(port)
    }

    fn initialise(&self) -> io::Result<()> {
        let data = self.data();
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        fs::create_dir(&data)?;
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
        let password = self.place.join("password");
        fs::write(&password, PASSWORD)?;
        for path in [&data, &password] {
            self.programs.give_away(path)?;
        }
        let mut initdb = self.programs.command("initdb");
        initdb.args(["--no-sync", "--encoding", "UTF8", "--auth", "scram-sha-256", "--username", USER]);
        // A catalog orders its texts by their bytes, whatever the order of the database is.
        if self.programs.version()? >= 15 {
            initdb.args(["--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US"]);
        }
        initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(&data).current_dir(&self.place);
        let output = initdb.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(io::Error::other(format!("initdb failed: {said}"))) }
    }

    fn launch(&self) -> io::Result<()> {
        let log = File::create(self.place.join("log"))?;
        let mut server = self.programs.command("postgres");
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        // What is lost with the machine's power is of no interest here; what is lost with the server's process is.
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=300",
            "shared_buffers=64MB",
            "log_min_messages=warning",
        ] {
            server.args(["-c", setting]);
        }
        server
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .current_dir(&self.place)
            .process_group(0);
        let mut child = server.spawn()?;
        let mut ended = None;
        let up = eventually(PATIENCE, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some() || answers(self.port)
        });
        // The thread waits for the process, so that it leaves no zombie.
        std::thread::spawn(move || child.wait());
        if up && ended.is_none() {
            return Ok(());
        }
        let said = fs::read_to_string(self.place.join("log"))?;
        Err(io::Error::other(format!("postgres does not answer ({ended:?}): {said}")))
    }

    fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    /// Host and port, as they stand in an address.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of `schema` in the server's database.
    pub fn url(&self, schema: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@{}/postgres?schema={schema}", self.endpoint())
    }

    /// The address of a schema that nobody else uses; it need not exist.
    pub fn fresh_url(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        self.url(&format!("test_{process}_{number}"))
    }

    /// Ends the server and all its processes at once, as a crash would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self) -> io::Result<()> {
        let text = fs::read_to_string(self.data().join("postmaster.pid"))?;
        let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the server's process id cannot be read"))?;
        // Its processes are a group of their own each; they end when they see that the first one has.
        rustix::process::kill_process(pid, Signal::KILL)?;
        let gone = || rustix::process::test_kill_process(pid).is_err();
        if eventually(PATIENCE, gone) { Ok(()) } else { Err(io::Error::other("the server does not end")) }
    }

    /// Starts a server that was killed, on the same data and port.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&self) -> io::Result<()> {
        // Processes of the old server hold its shared memory until they notice its end.
        let mut last = Ok(());
        for _ in 0..50 {
            last = self.launch();
            if last.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        last
    }
}

#[expect(clippy::panic, reason = "a test cannot go on without the server it asked for")]
fn started(server: io::Result<Postgres>) -> Postgres {
    server.unwrap_or_else(|error| panic!("PostgreSQL is required and cannot be started: {error}"))
}

fn lock_file(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).open(path)
}

fn free_port() -> io::Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr().map(|address| address.port())
}

/// Whether a server takes connections: it answers a request for encryption with one letter only once it is up.
fn answers(port: u16) -> bool {
    let ask = || -> io::Result<bool> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // A start-up packet for a user without a password, who is refused by name (28…); a server that is starting
        // up or shutting down answers 57P03.
        let body = b"\0\x03\0\0user\0nobody\0database\0postgres\0\0";
        let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
        stream.write_all(&length.to_be_bytes())?;
        stream.write_all(body)?;
        let mut answer = [0; 1];
        io::Read::read_exact(&mut stream, &mut answer)?;
        // 'R' asks for the password: the server is up.
        Ok(answer[0] == b'R')
    };
    ask().unwrap_or(false)
}
