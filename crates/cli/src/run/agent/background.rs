//! Working in the background: the command that starts the agent returns at once, and a crash of the agent is repaired
//! by the process that watches it.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use stillpoint_core::{Clock, Error, ErrorKind, Result, SystemClock};

use crate::args::AgentArgs;
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::session::Session;
use crate::signals::Interrupts;

/// How much the agent steps back for whoever works in the space, as nice(1) counts.
const NICENESS: i32 = 10;
/// How often the working process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The wait before a crashed process is started again; doubled up to the longest one.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(300);
/// The exit code of a process that ended by a panic.
const PANICKED: i32 = 101;

/// Starts the watching process and returns. It is in a session of its own, so that the end of the script that started
/// it is not its end.
pub(super) fn detach(session: &Session, args: &AgentArgs) -> Outcome {
    let log = match &args.log_file {
        Some(file) => file.clone(),
        None => {
            session.settings.data_dir.make()?;
            session.settings.data_dir.agent_log()
        }
    };
    let refused = |error: std::io::Error| {
        let message = format!("the agent cannot write its log {}", log.display());
        Error::new(ErrorKind::PermissionDenied, message).with_source(error)
    };
    let file = File::options().create(true).append(true).open(&log).map_err(refused)?;
    let line = line().chain(["--supervise".into()]);
    let mut command = Command::new(program()?);
    command.args(line).stdin(Stdio::null()).stderr(file.try_clone().map_err(refused)?).stdout(file);
    let child = command.spawn().map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the agent's process cannot be started").with_source(error)
    })?;
    let (id, log) = (child.id(), log.display());
    if session.output.is_json() {
        session.output.document(&serde_json::json!({ "process": id, "log_file": log.to_string() }))?;
    } else {
        session
            .output
            .line(format_args!("the agent works in the background as process {id}; its log is {log}"))?;
    }
    Ok(Exit::Done)
}

/// Runs the agent in a process of its own and starts it again when it crashed. An end that the agent chose is its end.
pub(super) async fn supervise(output: &Output) -> Outcome {
    // Fails only for a process that leads a group already, and then nothing is to be done.
    let _already_leads = rustix::process::setsid().is_err();
    let (clock, mut interrupts) = (SystemClock::default(), Interrupts::listen());
    let mut wait = WAIT_FIRST;
    loop {
        let began = clock.now();
        let ended = match start() {
            Ok(mut child) => {
                let (status, asked) = follow(&mut child, &mut interrupts, &clock).await?;
                if asked || !has_crashed(status) {
                    return Ok(status.code().map_or(Exit::Failed, Exit::of_code));
                }
                format!("the agent crashed ({status})")
            }
            // Too little memory, or a program that is just being replaced: it passes.
            Err(error) => error.to_string_chain(),
        };
        if clock.now().since(began) > WAIT_MAX {
            wait = WAIT_FIRST;
        }
        output.note(format_args!("ALARM: {ended}; starting it again in {} s", wait.as_secs()));
        tokio::select! {
            () = clock.sleep(wait) => {}
            () = interrupts.next() => return Ok(Exit::Interrupted),
        }
        wait = wait.saturating_mul(2).min(WAIT_MAX);
    }
}

fn start() -> Result<Child> {
    let line = line().filter(|word| word != "--supervise").chain(["--foreground".into()]);
    Command::new(program()?).args(line).stdin(Stdio::null()).spawn().map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the agent's process cannot be started").with_source(error)
    })
}

/// Waits for the child's end, and hands a request to end on to it.
async fn follow(
    child: &mut Child,
    interrupts: &mut Interrupts,
    clock: &SystemClock,
) -> Result<(ExitStatus, bool)> {
    let mut asked = false;
    loop {
        let ended = child.try_wait().map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the agent's process cannot be waited for").with_source(error)
        })?;
        if let Some(status) = ended {
            return Ok((status, asked));
        }
        tokio::select! {
            () = clock.sleep(LOOK_EVERY) => {}
            () = interrupts.next() => {
                asked = true;
                let id = rustix::process::Pid::from_child(child);
                // A child that has just ended is seen by the next look.
                let _gone = rustix::process::kill_process(id, rustix::process::Signal::TERM).is_err();
            }
        }
    }
}

fn has_crashed(status: ExitStatus) -> bool {
    status.signal().is_some() || status.code() == Some(PANICKED)
}

/// Lets whoever works in the space go first.
pub(super) fn yield_to_the_notebook(output: &Output) {
    if let Err(error) = rustix::process::nice(NICENESS) {
        output.note(format_args!("the agent runs at normal priority: {error}"));
    }
}

/// The command line of this process, without the program's name.
fn line() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1)
}

fn program() -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(|error| {
        Error::new(ErrorKind::Unexpected, "this program's own file cannot be found").with_source(error)
    })?;
    // So the kernel says that the file was replaced; what replaced it has the name.
    let replaced = program.to_str().and_then(|name| name.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(replaced.unwrap_or(program))
}
