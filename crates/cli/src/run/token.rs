//! `stillpoint token`.

use serde_json::json;
use stillpoint_core::{Clock, Error, ErrorKind, SystemClock, SystemEntropy};
use stillpoint_server::access::{AccessStore, NewToken, Role, TokenRecord, keep_token};

use crate::args::{RoleName, TokenArgs, TokenCommand, TokenCreateArgs};
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &TokenArgs) -> Outcome {
    let (_, access) = session.catalog_and_access().await?;
    match &args.command {
        TokenCommand::Create(wanted) => create(session, access.as_ref(), wanted).await,
        TokenCommand::List => list(&session.output, &access.tokens().await?),
        TokenCommand::Revoke { id } => {
            if !access.remove_token(id).await? {
                let message =
                    format!("there is no token {id:?}; `stillpoint token list` shows what there is");
                return Err(Error::new(ErrorKind::NotFound, message).into());
            }
            revoked(&session.output, id)
        }
    }
}

async fn create(session: &Session, access: &dyn AccessStore, args: &TokenCreateArgs) -> Outcome {
    let role = role(args.role);
    let name = args.name.clone().unwrap_or_else(|| format!("a {role}, made by {}", session.creator()));
    let mut made = NewToken::new(name, role);
    made.environment.clone_from(&args.environment);
    made.expires = args.expires;
    made.created_by = Some(session.creator());
    let (secret, record) = made.make(&SystemClock::default(), &SystemEntropy::default())?;
    if !keep_token(access, &record, SystemClock::default().now()).await? {
        return Err(Error::new(ErrorKind::Conflict, "the token could not be stored; try again").into());
    }
    created(&session.output, secret.expose(), &record)
}

/// The role of this name.
pub(crate) fn role(name: RoleName) -> Role {
    match name {
        RoleName::Viewer => Role::Viewer,
        RoleName::Operator => Role::Operator,
        RoleName::Administrator => Role::Administrator,
    }
}

/// Shows a token that was made.
pub(crate) fn created(output: &Output, secret: &str, record: &TokenRecord) -> Outcome {
    if output.is_json() {
        output.document(&json!({ "token": secret, "record": record }))?;
    } else {
        output.note(format_args!("token {} for a {}, shown this once:", record.id, record.role));
        output.line(secret)?;
    }
    Ok(Exit::Done)
}

/// Says that a token is revoked.
pub(crate) fn revoked(output: &Output, id: &str) -> Outcome {
    match output.is_json() {
        true => output.document(&json!({ "revoked": id }))?,
        false => output.line(format_args!("token {id} is revoked"))?,
    }
    Ok(Exit::Done)
}

/// Shows tokens.
pub(crate) fn list(output: &Output, tokens: &[TokenRecord]) -> Outcome {
    if output.is_json() {
        output.document(&json!({ "tokens": tokens }))?;
        return Ok(Exit::Done);
    }
    if tokens.is_empty() {
        output.line("there is no token yet; `stillpoint serve` or `stillpoint token create` makes one")?;
    }
    for token in tokens {
        let environment = token.environment.as_deref().unwrap_or("all environments");
        let end = token.expires_at.map_or_else(|| "for ever".to_owned(), |end| format!("until {end}"));
        let line = format!("{}  {:<13}  {environment}  {end}  {}", token.id, token.role.as_str(), token.name);
        output.line(line)?;
    }
    Ok(Exit::Done)
}
