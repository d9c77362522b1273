//! Commands for schedules, tokens and holds.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use stillpoint_core::{PAGE_LIMIT_MAX, Result};
use stillpoint_server::access::TokenRecord;
use stillpoint_server::document::{BackupDetail, OperationItem, OperationPage, ScheduleItem, SchedulePage};

use super::client::{Client, open};
use super::work::{order, seconds};
use crate::args::{
    HoldArgs, MissedPolicy, OverlapPolicy, ScheduleArgs, ScheduleCommand, SetScheduleArgs, TokenArgs,
    TokenCommand,
};
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::run::{hold as kept, schedule as shown, token as told};

/// Every operation under way.
pub(super) async fn all_under_way(client: &Client) -> Result<Vec<OperationItem>> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", PAGE_LIMIT_MAX.to_string())];
        query.extend(after.map(|after| ("after", after)));
        let page: OperationPage = client.get(&["operations"], &query).await?;
        found.extend(page.operations);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

pub(super) async fn hold(client: &Client, output: &Output, args: &HoldArgs) -> Outcome {
    let method = if args.release { Method::DELETE } else { Method::PUT };
    let path = ["backups", &args.backup, "hold"];
    let held: BackupDetail = client.send(method, &path, None, None).await?;
    kept::tell(output, &held)
}

pub(super) async fn schedule(client: &Client, output: &Output, args: &ScheduleArgs) -> Outcome {
    let named = |name: &str, verb: &str| {
        let path = ["schedules", name, verb].map(str::to_owned);
        async move {
            let path = path.each_ref().map(String::as_str);
            client.send::<ScheduleItem>(Method::POST, &path, None, None).await
        }
    };
    match &args.command {
        ScheduleCommand::Set(args) => set(client, output, args).await,
        ScheduleCommand::List => list(client, output).await,
        ScheduleCommand::Pause(wanted) => {
            shown::tell(output, &shown::ScheduleItem::of(&named(&wanted.name, "pause").await?), "is paused")
        }
        ScheduleCommand::Unpause(wanted) => {
            shown::tell(output, &shown::ScheduleItem::of(&named(&wanted.name, "resume").await?), "goes on")
        }
        ScheduleCommand::Remove(wanted) => {
            open(client.call(Method::DELETE, &["schedules", &wanted.name], &[])?).await?;
            shown::removed(output, &wanted.name)
        }
        ScheduleCommand::Run(_) => {
            Err(Failure::usage("a server begins the runs of schedules by itself; leave --server out"))
        }
    }
}

async fn set(client: &Client, output: &Output, args: &SetScheduleArgs) -> Outcome {
    let (None, Some(workspace)) = (&args.backup.directory, &args.backup.workspace) else {
        return Err(Failure::usage(
            "a server backs up workspaces that it knows; give --workspace ID and no directory",
        ));
    };
    if args.backup.dry_run {
        return Err(Failure::usage("a server does not take --dry-run for a schedule"));
    }
    let body = json!({
        "workspace": workspace,
        "every_seconds": seconds(args.every),
        "cron": args.cron,
        "zone": args.zone,
        "jitter_seconds": args.jitter.as_secs(),
        "grace_seconds": args.grace.as_secs(),
        "when_missed": match args.when_missed {
            MissedPolicy::RunOnce => "run_once",
            MissedPolicy::Skip => "skip",
        },
        "overlap": match args.overlap {
            OverlapPolicy::Skip => "skip",
            OverlapPolicy::Queue => "queue",
            OverlapPolicy::Replace => "replace",
        },
        "blackouts": args.blackouts(),
        "alarm_after_seconds": seconds(args.alarm_after),
        "backup": order(&args.backup)?,
    });
    let path = ["schedules", args.schedule.as_str()];
    let put: ScheduleItem = client.send(Method::PUT, &path, None, Some(&body)).await?;
    let done = if put.revision == 1 { "is set" } else { "is changed" };
    shown::tell(output, &shown::ScheduleItem::of(&put), done)
}

async fn list(client: &Client, output: &Output) -> Outcome {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", PAGE_LIMIT_MAX.to_string())];
        query.extend(after.map(|after| ("after", after)));
        let page: SchedulePage = client.get(&["schedules"], &query).await?;
        output.note_damaged("schedule", &page.damaged);
        found.extend(page.schedules.iter().map(shown::ScheduleItem::of));
        match page.next {
            Some(next) => after = Some(next),
            None => return shown::list_all(output, &found),
        }
    }
}

/// What a server answers of tokens.
#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<TokenRecord>,
}

/// What a server answers of a token that it made.
#[derive(Deserialize)]
struct Made {
    token: String,
    record: TokenRecord,
}

pub(super) async fn token(client: &Client, output: &Output, args: &TokenArgs) -> Outcome {
    match &args.command {
        TokenCommand::Create(wanted) => {
            let role = told::role(wanted.role);
            let body = json!({
                "name": wanted.name.clone().unwrap_or_else(|| format!("a {role}, made from afar")),
                "role": role.as_str(),
                "environment": wanted.environment,
                "expires_seconds": seconds(wanted.expires),
            });
            let made: Made = client.send(Method::POST, &["tokens"], None, Some(&body)).await?;
            told::created(output, &made.token, &made.record)
        }
        TokenCommand::List => {
            let listed: Tokens = client.get(&["tokens"], &[]).await?;
            told::list(output, &listed.tokens)
        }
        TokenCommand::Revoke { id } => {
            open(client.call(Method::DELETE, &["tokens", id], &[])?).await?;
            told::revoked(output, id)
        }
    }
}
