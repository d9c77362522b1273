//! Interrupts from the keyboard and requests to end.

use std::pin::pin;
use std::sync::LazyLock;

use stillpoint_core::{Error, ErrorKind, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::exit::{Exit, Outcome};
use crate::output::Output;

/// Tells the parts of the command that listen. The process is its own registry of signals, so this is, too.
static HEARD: LazyLock<watch::Sender<()>> = LazyLock::new(|| watch::Sender::new(()));

/// Interrupts, while somebody listens for them.
#[derive(Debug)]
pub(crate) struct Interrupts {
    heard: watch::Receiver<()>,
    /// One was heard that somebody else listened for, too.
    kept: bool,
}

/// SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
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
                if !deliver(&HEARD) {
                    end_at_once(output, GOES_ON);
                }
            }
        }
    }
}

/// Tells a signal to everybody who listens. Answers whether anybody does; whoever begins to in this moment either is told
/// or does not count, so that no signal is lost between the two.
fn deliver(heard: &watch::Sender<()>) -> bool {
    let listened = heard.receiver_count() > 0;
    if listened {
        heard.send_replace(());
    }
    listened
}

/// What is true where nothing was asked to stop.
const GOES_ON: &str = "interrupted; the same command again, or `stillpoint resume`, goes on from here";
/// What is true where the request to stop may be stored: whoever takes the operation over stops it.
const STOPS_FIRST: &str = "interrupted before it had stopped; the same command again stops it first and then goes on, \
    `stillpoint resume` only brings it to its end";

fn end_at_once(output: &Output, message: &str) -> ! {
    output.note(message);
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

impl Interrupts {
    /// Listens from now on; the signals no longer end the process by themselves.
    pub(crate) fn listen() -> Self {
        Self::to(&HEARD)
    }

    fn to(heard: &watch::Sender<()>) -> Self {
        Self { heard: heard.subscribe(), kept: false }
    }

    /// Returns at the next of them, or where one was heard meanwhile.
    pub(crate) async fn next(&mut self) {
        if !std::mem::take(&mut self.kept) {
            self.one().await;
        }
    }

    /// Returns at the next of them for which nobody else listens; others are kept for [`Interrupts::next`].
    pub(crate) async fn next_alone(&mut self) {
        loop {
            self.one().await;
            if HEARD.receiver_count() == 1 {
                return;
            }
            self.kept = true;
        }
    }

    async fn one(&mut self) {
        if self.heard.changed().await.is_err() {
            // Nobody tells any more.
            std::future::pending::<()>().await;
        }
    }

    /// Ends the process where it stands, as a crash would. Every operation can be resumed; one that was `stopping` is
    /// stopped by whoever takes it over.
    pub(crate) fn end_at_once(&self, output: &Output, stopping: bool) -> ! {
        end_at_once(output, if stopping { STOPS_FIRST } else { GOES_ON })
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

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn hears(interrupts: &mut Interrupts) -> bool {
        pin!(interrupts.next()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_signal_that_comes_before_anybody_listens_and_is_told_after_is_heard() {
        let heard = watch::Sender::new(());
        assert!(!deliver(&heard), "nobody listens");
        // The signal is there by now, and the guard has not looked yet.
        let mut first = Interrupts::to(&heard);
        assert!(!hears(&mut first));
        assert!(deliver(&heard));
        let mut late = Interrupts::to(&heard);
        assert!(hears(&mut first) && !hears(&mut first), "once");
        assert!(!hears(&mut late), "that one was for others");
        drop((first, late));
        assert!(!deliver(&heard));
    }
}
