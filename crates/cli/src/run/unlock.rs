//! `stillpoint unlock`.

use serde_json::{Value, json};
use stillpoint_repository::FoundLock;

use crate::args::UnlockArgs;
use crate::engine;
use crate::exit::{Exit, Outcome};
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &UnlockArgs) -> Outcome {
    let repository = session.repository().await?;
    let found = repository.unlock(args.remove_all).await.map_err(engine::error)?;
    let output = &session.output;
    if output.is_json() {
        output.document(&json!({ "locks": found.iter().map(item).collect::<Vec<_>>() }))?;
        return Ok(Exit::Done);
    }
    for lock in &found {
        output.line(line(lock))?;
    }
    let standing = found.iter().filter(|lock| !lock.removed).count();
    match (found.len() - standing, standing) {
        (0, 0) => output.line("the repository is not locked")?,
        (removed, 0) => output.line(format_args!("{removed} locks removed, none stays"))?,
        (removed, standing) => output.line(format_args!(
            "{removed} locks removed, {standing} stay because their holders may live; once they are surely dead, \
             `stillpoint unlock --remove-all` removes them"
        ))?,
    }
    Ok(Exit::Done)
}

fn item(lock: &FoundLock) -> Value {
    json!({ "id": lock.id.to_string(), "holder": lock.holder, "exclusive": lock.exclusive, "removed": lock.removed })
}

fn line(lock: &FoundLock) -> String {
    let what = match (lock.exclusive, &lock.holder) {
        (Some(true), Some(holder)) => format!("the exclusive lock of {holder}"),
        (_, Some(holder)) => format!("the lock of {holder}"),
        (_, None) => format!("the lock {}, which cannot be read,", lock.id),
    };
    format!("{what} {}", if lock.removed { "is removed" } else { "stays" })
}
