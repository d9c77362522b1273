//! Following an operation on a server to its end.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use stillpoint_core::{Error, ErrorKind, OperationState, Progress, Result, Retry};
use stillpoint_server::document::{OperationItem, OperationResult};

use super::client::{Client, open};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::output::progress::Shown;
use crate::signals::Interrupts;

/// How long a reader waits before it comes back.
const COME_BACK_AFTER: Duration = Duration::from_secs(1);
/// How often in a row a server may not be there.
const ABSENCES_MAX: u32 = 60;
/// The longest event, in bytes.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// What an operation came to, and how the run ends.
pub(super) struct Followed {
    pub(super) result: OperationResult,
    pub(super) exit: Exit,
}

/// For what an operation is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// This run asked for it: an interrupt asks it to stop, and what it ends with is this run's result. Past its deadline it
    /// is not waited for.
    Result,
    /// To look on, until it has ended or is past its deadline.
    Look,
    /// To see it ended, however long that takes.
    End,
}

impl Aim {
    /// Whether there is nothing more to wait for.
    fn is_reached(self, state: OperationState) -> bool {
        state.is_terminal() || (state == OperationState::Detached && self != Self::End)
    }
}

/// Follows an operation. The first interrupt asks it to stop, where this run had asked for it; the second ends this process,
/// and the operation goes on at the server.
///
/// # Errors
/// The operation's own error where it ended without a result; whatever following it can meet.
pub(super) async fn follow(
    output: &Output,
    client: &Client,
    begun: &OperationItem,
    aim: Aim,
) -> std::result::Result<Followed, Failure> {
    let id = begun.id.as_str();
    let mut interrupts = Interrupts::listen();
    let mut shown = Shown::new(output, &begun.kind);
    let mut interrupted = false;
    let mut ended = Box::pin(to_its_end(client, id, aim, &mut shown));
    loop {
        tokio::select! {
            biased;
            ended = &mut ended => { ended?; break }
            () = interrupts.next() => {
                if interrupted || aim != Aim::Result {
                    return Err(Failure::of_operation(gone_on(id).record(), begun.id.clone()).with_exit(Exit::Interrupted));
                }
                interrupted = true;
                output.note("asking the server to stop it; interrupt again to leave it to the server");
                let path = ["operations", id, "cancel"];
                match client.send::<OperationItem>(Method::POST, &path, None, None).await {
                    // It ended in the same moment; how is what is followed to its end.
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    answered => drop(answered?),
                }
            }
        }
    }
    drop(ended);
    drop(shown);
    let result: OperationResult = client.get(&["operations", id, "result"], &[]).await?;
    let operation = &result.operation;
    let exit = match Exit::of_operation(operation.state, operation.error.as_ref()) {
        Exit::Cancelled if interrupted => Exit::Interrupted,
        exit => exit,
    };
    let fruitless = matches!(operation.state, OperationState::Failed | OperationState::Cancelled);
    match &operation.error {
        Some(error) if fruitless && aim == Aim::Result => {
            Err(Failure::of_operation(error.clone(), operation.id.clone()).with_exit(exit))
        }
        _ => Ok(Followed { result, exit }),
    }
}

fn gone_on(id: &str) -> Error {
    let message =
        format!("interrupted; operation {id} goes on at the server, and `stillpoint watch` follows it");
    Error::new(ErrorKind::Cancelled, message)
}

/// Reads events until the last one, and comes back where the stream is cut off.
async fn to_its_end(client: &Client, id: &str, aim: Aim, shown: &mut Shown<'_>) -> Result<()> {
    let (mut seen, mut absences) = (None::<String>, 0);
    loop {
        match read(client, id, aim, shown, &mut seen).await {
            Ok(true) => return Ok(()),
            Ok(false) => absences = 0,
            Err(error) if matches!(error.retry(), Retry::After { .. }) && absences < ABSENCES_MAX => {
                absences += 1
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(COME_BACK_AFTER).await;
    }
}

/// Reads one stream. Answers whether there is nothing more to wait for.
async fn read(
    client: &Client,
    id: &str,
    aim: Aim,
    shown: &mut Shown<'_>,
    seen: &mut Option<String>,
) -> Result<bool> {
    let mut request = client.call(Method::GET, &["operations", id, "events"], &[])?;
    if let Some(seen) = seen {
        request = request.header("last-event-id", seen.as_str());
    }
    let mut response = open(request).await?;
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(true);
    }
    let mut text = Vec::new();
    // A stream that is cut off is begun again.
    while let Ok(Some(bytes)) = response.chunk().await {
        text.extend_from_slice(&bytes);
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            if one(&String::from_utf8_lossy(&event), aim, shown, seen)? {
                return Ok(true);
            }
        }
        if text.len() > EVENT_BYTES_MAX {
            return Err(Error::new(ErrorKind::Unexpected, "the server sends an event without an end"));
        }
    }
    Ok(false)
}

/// Shows one event. Answers whether it is the last one that is waited for.
fn one(event: &str, aim: Aim, shown: &mut Shown<'_>, seen: &mut Option<String>) -> Result<bool> {
    let field =
        |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let Some(data) = field("data") else { return Ok(false) };
    let item: OperationItem = serde_json::from_str(data).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "an event of the server cannot be read").with_source(error)
    })?;
    let mut progress = Progress::default();
    progress.bytes_done = item.progress.bytes_done;
    progress.bytes_total = item.progress.bytes_total;
    progress.files_done = item.progress.files_done;
    shown.step(&item.step);
    shown.progress(&progress, item.progress.last_advance);
    *seen = field("id").map(str::to_owned).or(seen.take());
    Ok(field("event") == Some("ended") || aim.is_reached(item.state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_past_its_deadline_is_waited_for_only_to_see_it_ended() {
        let reached = |aim: Aim| {
            [OperationState::Running, OperationState::Detached, OperationState::Completed]
                .map(|state| aim.is_reached(state))
        };
        assert_eq!(reached(Aim::Result), [false, true, true]);
        assert_eq!(reached(Aim::Look), [false, true, true]);
        assert_eq!(reached(Aim::End), [false, false, true]);
    }
}
