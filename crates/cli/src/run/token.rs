//! `stillpoint token`.

use serde_json::json;
use stillpoint_core::{Error, ErrorKind, SystemClock, SystemEntropy};
use stillpoint_server::access::{AccessStore, NewToken, Role, TokenRecord};

use crate::args::{RoleName, TokenArgs, TokenCommand, TokenCreateArgs};
use crate::exit::{Exit, Outcome};
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &TokenArgs) -> Outcome {
    let (_, access) = session.catalog_and_access().await?;
    match &args.command {
        TokenCommand::Create(wanted) => create(session, access.as_ref(), wanted).await,
        TokenCommand::List => list(session, &access.tokens().await?),
        TokenCommand::Revoke { id } => {
            if !access.remove_token(id).await? {
                let message =
                    format!("there is no token {id:?}; `stillpoint token list` shows what there is");
                return Err(Error::new(ErrorKind::NotFound, message).into());
            }
            match session.output.is_json() {
                true => session.output.document(&json!({ "revoked": id }))?,
                false => session.output.line(format_args!("token {id} is revoked"))?,
            }
            Ok(Exit::Done)
        }
    }
}

async fn create(session: &Session, access: &dyn AccessStore, args: &TokenCreateArgs) -> Outcome {
    let role = match args.role {
        RoleName::Viewer => Role::Viewer,
        RoleName::Operator => Role::Operator,
        RoleName::Administrator => Role::Administrator,
    };
    let name = args.name.clone().unwrap_or_else(|| format!("a {role}, made by {}", session.creator()));
    let mut made = NewToken::new(name, role);
    made.environment.clone_from(&args.environment);
    made.expires = args.expires;
    made.created_by = Some(session.creator());
    let (secret, record) = made.make(&SystemClock::default(), &SystemEntropy::default())?;
    if !access.put_token(&record).await? {
        return Err(Error::new(ErrorKind::Conflict, "the token could not be stored; try again").into());
    }
    if session.output.is_json() {
        session.output.document(&json!({ "token": secret.expose(), "record": record }))?;
    } else {
        session.output.note(format_args!("token {} for a {role}, shown this once:", record.id));
        session.output.line(secret.expose())?;
    }
    Ok(Exit::Done)
}

fn list(session: &Session, tokens: &[TokenRecord]) -> Outcome {
    if session.output.is_json() {
        session.output.document(&json!({ "tokens": tokens }))?;
        return Ok(Exit::Done);
    }
    if tokens.is_empty() {
        session
            .output
            .line("there is no token yet; `stillpoint serve` or `stillpoint token create` makes one")?;
    }
    for token in tokens {
        let environment = token.environment.as_deref().unwrap_or("all environments");
        let end = token.expires_at.map_or_else(|| "for ever".to_owned(), |end| format!("until {end}"));
        let line = format!("{}  {:<13}  {environment}  {end}  {}", token.id, token.role.as_str(), token.name);
        session.output.line(line)?;
    }
    Ok(Exit::Done)
}
