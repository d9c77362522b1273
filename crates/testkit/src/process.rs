//! Child processes that are measured while they run, or killed at a chosen moment.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::wait::{eventually, now};

/// What a child cost and said.
#[derive(Debug, Clone)]
pub struct Measured {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
    /// From start to end.
    pub wall: Duration,
    /// Processor time of all its threads, in user mode.
    pub user: Duration,
    /// Processor time of all its threads, in the kernel.
    pub system: Duration,
    /// Highest resident memory, in bytes, as the kernel's high-water mark read every few milliseconds.
    pub peak_rss_bytes: u64,
}

/// Runs `command` to its end with its output captured, and measures it.
///
/// # Errors
/// When the child cannot be started or waited for.
pub fn measure(command: &mut Command) -> io::Result<Measured> {
    let start = now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let mut peak_rss_bytes = 0;
    let id = Pid::from_child(&child);
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while rustix::process::waitid(WaitId::Pid(id), options)?.is_none() {
        peak_rss_bytes = peak_rss_bytes.max(high_water_mark(child.id()).unwrap_or(0));
        thread::sleep(Duration::from_millis(4));
    }
    let wall = start.elapsed();
    // The child has ended and is not yet waited for, so the kernel still has its times.
    let (user, system) = processor_times(child.id())?;
    let status = child.wait()?;
    Ok(Measured { status, stdout: join(stdout)?, stderr: join(stderr)?, wall, user, system, peak_rss_bytes })
}

type Drain = thread::JoinHandle<io::Result<Vec<u8>>>;

fn drain(pipe: Option<impl Read + Send + 'static>) -> Drain {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes))?;
        Ok(bytes)
    })
}

fn join(drain: Drain) -> io::Result<Vec<u8>> {
    drain.join().unwrap_or_else(|_| Err(io::Error::other("the thread that reads a child's output panicked")))
}

fn high_water_mark(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn processor_times(pid: u32) -> io::Result<(Duration, Duration)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    // The second field is the program's name in parentheses and may hold blanks; user and system time are the
    // 14th and 15th field of proc(5).
    let after_name = stat.rsplit_once(')').map_or(stat.as_str(), |(_, rest)| rest);
    let mut fields = after_name.split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>());
    let mut next = || match fields.next() {
        Some(Ok(ticks)) => Ok(Duration::from_millis(ticks * 1000 / ticks_per_second)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc/PID/stat")),
    };
    Ok((next()?, next()?))
}

/// When a child is killed.
#[derive(Debug, Clone)]
pub enum KillAt {
    /// After this much time.
    Delay(Duration),
    /// As soon as a line of its standard error or standard output contains this text.
    Line(String),
}

/// How a child that was to be killed ended.
#[derive(Debug)]
pub struct Ended {
    /// `true` when the signal met it alive.
    pub killed: bool,
    /// How it ended.
    pub status: ExitStatus,
    /// What it had printed on either stream until then, line by line as it arrived.
    pub lines: Vec<String>,
}

/// Starts `command` in a process group of its own and sends the whole group SIGKILL at the given moment, unless it
/// ends before.
///
/// # Errors
/// When the child cannot be started, killed or waited for.
pub fn kill_at(command: &mut Command, moment: &KillAt) -> io::Result<Ended> {
    let start = now();
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (sender, receiver) = mpsc::channel();
    forward(child.stdout.take(), sender.clone());
    forward(child.stderr.take(), sender);
    let mut lines = Vec::new();
    loop {
        let wait = match moment {
            KillAt::Delay(delay) => delay.saturating_sub(start.elapsed()),
            KillAt::Line(_) => Duration::from_secs(600),
        };
        match receiver.recv_timeout(wait) {
            Ok(line) => {
                let hit = matches!(moment, KillAt::Line(text) if line.contains(text));
                lines.push(line);
                if hit {
                    break;
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                // Both streams are closed, so the child is about to end by itself; it gets what is left of its time.
                eventually(wait, || !matches!(child.try_wait(), Ok(None)));
                break;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => break,
        }
    }
    let status = kill(&mut child)?;
    // Bounded, because a grandchild that left the group may hold the streams open for ever.
    while let Ok(line) = receiver.recv_timeout(Duration::from_secs(1)) {
        lines.push(line);
    }
    Ok(Ended { killed: status.signal() == Some(9), status, lines })
}

fn kill(child: &mut Child) -> io::Result<ExitStatus> {
    if child.try_wait()?.is_none() {
        rustix::process::kill_process_group(Pid::from_child(child), Signal::KILL)?;
    }
    child.wait()
}

fn forward(pipe: Option<impl Read + Send + 'static>, sender: mpsc::Sender<String>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
}
