//! One hook as a process: a group of its own, its output bounded, stopped as a whole.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{HookCall, WITHHELD};

/// Waits for a word on standard input, so that nothing runs before its process is noted; then becomes the hook.
const GATE: &str = "IFS= read -r go && exec /bin/sh -c \"$0\" </dev/null";
/// How much of standard output is kept; the rest is read and dropped.
pub(super) const STDOUT_MAX: usize = 64 * 1024;
/// How much of the end of standard error is kept.
const STDERR_MAX: usize = 4 * 1024;
/// How often the process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Looks between asking it to stop and killing it: five seconds.
const LOOKS_UNTIL_KILLED: u32 = 250;
/// Looks for the rest of the output after its end: whatever it left in the background may keep the pipes open.
const LOOKS_FOR_OUTPUT: u32 = 25;

/// How a hook ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// The beginning of what it printed; `None` for more than [`STDOUT_MAX`] bytes.
    pub(super) stdout: Option<Vec<u8>>,
    /// The end of what it said on standard error.
    pub(super) stderr: Vec<u8>,
}

/// A hook's process. Dropped before its end, it is stopped with everything it started.
#[derive(Debug)]
pub(super) struct Running {
    child: Option<Child>,
    group: Arc<Group>,
}

/// The process group, as long as its leader is not waited for.
#[derive(Debug, Default)]
struct Group {
    leader: Mutex<Option<Pid>>,
    stopping: Mutex<bool>,
}

impl Running {
    /// Starts the process, which waits for [`Self::begin`].
    pub(super) fn spawn(call: &HookCall<'_>) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GATE, call.line]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in WITHHELD {
            command.env_remove(name);
        }
        command.envs(call.environment.iter().map(|(name, value)| (name, value)));
        let child = command.spawn()?;
        let group = Arc::new(Group::default());
        *lock(&group.leader) = Some(Pid::from_child(&child));
        Ok(Self { child: Some(child), group })
    }

    /// Its process id, which is its group's, too.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Lets the hook itself begin.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        match self.child.as_mut().and_then(|child| child.stdin.take()) {
            Some(mut gate) => gate.write_all(b"go\n"),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits for its end.
    pub(super) async fn ended(mut self) -> io::Result<Ended> {
        let Some(mut child) = self.child.take() else { return Err(io::ErrorKind::NotFound.into()) };
        let group = Arc::clone(&self.group);
        let waiting = tokio::task::spawn_blocking(move || {
            let stdout = Kept::reader(child.stdout.take(), STDOUT_MAX, End::First);
            let stderr = Kept::reader(child.stderr.take(), STDERR_MAX, End::Last);
            let status = group.wait(&mut child)?;
            let (stdout, cut) = stdout.finished();
            Ok(Ended { status, stdout: (!cut).then_some(stdout), stderr: stderr.finished().0 })
        });
        waiting.await.map_err(io::Error::other)?
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.group.stop();
    }
}

impl Group {
    /// Asks all its processes to stop; whoever waits for the leader sees to it that they do.
    fn stop(&self) {
        *lock(&self.stopping) = true;
        if let Some(leader) = *lock(&self.leader) {
            // One that is gone needs no signal.
            let _gone = kill_process_group(leader, Signal::TERM).is_err();
        }
    }

    /// Waits for the leader. Until it is waited for its number is nobody else's, so signals reach this group only.
    fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let leader = Pid::from_child(child);
        let mut looks = 0;
        loop {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            let over = waitid(WaitId::Pid(leader), options)?.is_some();
            let stopping = *lock(&self.stopping);
            if stopping {
                looks += 1;
            }
            if stopping && (over || looks == LOOKS_UNTIL_KILLED) {
                let _gone = kill_process_group(leader, Signal::KILL).is_err();
            }
            if over {
                *lock(&self.leader) = None;
                return child.wait();
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Which end of an output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// What is kept of an output while a thread reads it.
#[derive(Debug)]
struct Kept {
    text: Arc<Mutex<(Vec<u8>, bool)>>,
    reader: Option<JoinHandle<()>>,
}

impl Kept {
    fn reader(output: Option<impl Read + Send + 'static>, most: usize, end: End) -> Self {
        let text = Arc::new(Mutex::new((Vec::new(), false)));
        let kept = Arc::clone(&text);
        let reader = output.map(|output| std::thread::spawn(move || read(output, &kept, most, end)));
        Self { text, reader }
    }

    /// What was read, and whether that is not all.
    fn finished(self) -> (Vec<u8>, bool) {
        for _ in 0..LOOKS_FOR_OUTPUT {
            if self.reader.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        std::mem::take(&mut *lock(&self.text))
    }
}

fn read(mut output: impl Read, kept: &Mutex<(Vec<u8>, bool)>, most: usize, end: End) {
    let mut buffer = [0; 4096];
    loop {
        let count = match output.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let (text, cut) = &mut *lock(kept);
        let room = if end == End::First { most - text.len() } else { count };
        text.extend_from_slice(&buffer[..count.min(room)]);
        *cut |= count > room || text.len() > most;
        text.drain(..text.len().saturating_sub(most));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
