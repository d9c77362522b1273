//! Interrupts from the keyboard and requests to end.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use stillpoint_core::{Error, ErrorKind, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Outcome};
use crate::output::Output;

/// How many parts of the command listen. The process is its own registry of signals, so this is, too.
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

/// SIGINT, SIGTERM and SIGHUP, while somebody listens for them.
#[derive(Debug)]
pub(crate) struct Interrupts {
    signals: Signals,
    /// One was heard that somebody else listened for, too.
    heard: bool,
}

#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        LISTENERS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs a command. As long as none of its parts listens for interrupts, nothing is under way that has to end in order:
/// then an interrupt ends the process, however long what is being opened takes to answer.
pub(crate) async fn guard(output: &Output, command: impl Future<Output = Outcome>) -> Outcome {
    let mut signals = Signals::listen()?;
    let mut command = pin!(command);
    loop {
        tokio::select! {
            biased;
            outcome = &mut command => return outcome,
            () = signals.next() => {
                if LISTENERS.load(Ordering::SeqCst) == 0 {
                    end_at_once(output);
                }
            }
        }
    }
}

fn end_at_once(output: &Output) -> ! {
    output.note("interrupted; the same command again, or `stillpoint resume`, goes on from here");
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

impl Interrupts {
    /// Listens from now on; the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// `Unexpected` where the system refuses.
    pub(crate) fn listen() -> Result<Self> {
        let signals = Signals::listen()?;
        LISTENERS.fetch_add(1, Ordering::SeqCst);
        Ok(Self { signals, heard: false })
    }

    /// Returns at the next of them, or where one was heard meanwhile.
    pub(crate) async fn next(&mut self) {
        if !std::mem::take(&mut self.heard) {
            self.signals.next().await;
        }
    }

    /// Returns at the next of them for which nobody else listens; others are kept for [`Interrupts::next`].
    pub(crate) async fn next_alone(&mut self) {
        loop {
            self.signals.next().await;
            if LISTENERS.load(Ordering::SeqCst) == 1 {
                return;
            }
            self.heard = true;
        }
    }

    /// Ends the process where it stands, as a crash would. Every operation can be resumed.
    pub(crate) fn end_at_once(&self, output: &Output) -> ! {
        end_at_once(output)
    }
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Error::new(ErrorKind::Unexpected, "signals cannot be listened for").with_source(error)
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
