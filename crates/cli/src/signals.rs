//! Interrupts from the keyboard and requests to end.

use stillpoint_core::{Error, ErrorKind, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::output::Output;

/// SIGINT, SIGTERM and SIGHUP, while somebody listens for them.
#[derive(Debug)]
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    /// Listens from now on; the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// `Unexpected` where the system refuses.
    pub(crate) fn listen() -> Result<Self> {
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

    /// Returns at the next of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    /// Ends the process where it stands, as a crash would. Every operation can be resumed.
    pub(crate) fn end_at_once(&self, output: &Output) -> ! {
        output.note("interrupted; the same command again, or `stillpoint resume`, goes on from here");
        std::process::exit(i32::from(Exit::Interrupted.code()))
    }
}
