//! `stillpoint key`.

use serde_json::{Value, json};
use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_repository::{Credentials, Id, StoredKey};

use crate::args::{KeyArgs, KeyCommand, NewPasswordArgs};
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::session::Session;
use crate::settings::PasswordSource;

pub(super) async fn run(session: &Session, args: &KeyArgs) -> Outcome {
    let output = &session.output;
    match &args.command {
        KeyCommand::List => {
            let repository = session.repository().await?;
            list(output, &repository.keys().await.map_err(engine::error)?)
        }
        KeyCommand::Add(new) => {
            let new = new_password(session, new)?;
            let added = session.repository().await?.add_key(&new).await.map_err(engine::error)?;
            let line = format!("the new password opens the repository, by its key {}", added.short());
            say(output, &json!({ "added": added.to_hex() }), &line)
        }
        KeyCommand::Remove { id } => {
            let repository = session.repository().await?;
            let removed = named(&repository.keys().await.map_err(engine::error)?, id)?;
            repository.remove_key(&removed).await.map_err(engine::error)?;
            let line = format!("the key {} is removed; its password opens nothing any more", removed.short());
            say(output, &json!({ "removed": removed.to_hex() }), &line)
        }
        KeyCommand::Passwd(new) => change(session, new).await,
    }
}

async fn change(session: &Session, new: &NewPasswordArgs) -> Outcome {
    let new = new_password(session, new)?;
    let repository = session.repository().await?;
    let keys = repository.keys().await.map_err(engine::error)?;
    let old = keys.iter().find(|key| key.current).map(|key| key.id.to_hex());
    let added = repository.change_key(&new).await.map_err(engine::error)?;
    if let PasswordSource::KeyFile(path) = &session.settings.password {
        let path = path.display();
        session.output.note(format_args!(
            "{path} opens nothing any more: put the new password in its place, or name it"
        ));
    }
    let line = format!(
        "the new password opens the repository, by its key {}, and the old one does not",
        added.short()
    );
    say(&session.output, &json!({ "added": added.to_hex(), "removed": old }), &line)
}

fn new_password(session: &Session, args: &NewPasswordArgs) -> Result<Credentials, Failure> {
    match PasswordSource::find_new(args) {
        Some(source) => Ok(session.settings.read_password_of(&source)?.ok_or_else(missing)?),
        None => Err(missing()),
    }
}

fn missing() -> Failure {
    Failure::usage(
        "no new password is given; name --new-password-file or --new-password-command, or set STILLPOINT_NEW_PASSWORD_FILE",
    )
}

/// The key whose id is `text` or begins with it.
fn named(keys: &[StoredKey], text: &str) -> Result<Id> {
    let mut fitting = keys.iter().filter(|key| !text.is_empty() && key.id.to_hex().starts_with(text));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only.id),
        (Some(_), Some(_)) => {
            Err(Error::new(ErrorKind::InvalidInput, format!("{text:?} is ambiguous: it fits several keys")))
        }
        (None, _) => {
            let message = format!("no key fits {text:?}; `stillpoint key list` shows what there is");
            Err(Error::new(ErrorKind::NotFound, message))
        }
    }
}

fn say(output: &Output, document: &Value, line: &str) -> Outcome {
    match output.is_json() {
        true => output.document(document)?,
        false => output.line(line)?,
    }
    Ok(Exit::Done)
}

fn list(output: &Output, keys: &[StoredKey]) -> Outcome {
    let created = |key: &StoredKey| key.created.map(|created| created.to_string());
    if output.is_json() {
        let keys = keys.iter().map(|key| {
            json!({
                "id": key.id.to_hex(),
                "current": key.current,
                "created_at": created(key),
                "username": key.username,
                "hostname": key.hostname,
                "damage": key.damage,
            })
        });
        output.document(&json!({ "keys": keys.collect::<Vec<_>>() }))?;
        return Ok(Exit::Done);
    }
    for key in keys {
        let mark = if key.current { '*' } else { ' ' };
        let (user, host) = (key.username.as_deref().unwrap_or("?"), key.hostname.as_deref().unwrap_or("?"));
        let created = created(key).unwrap_or_else(|| "?".to_owned());
        let damage = key.damage.as_ref().map(|damage| format!("  damaged: {damage}")).unwrap_or_default();
        output.line(format_args!("{mark} {}  {created}  {user}@{host}{damage}", key.id.short()))?;
    }
    Ok(Exit::Done)
}
