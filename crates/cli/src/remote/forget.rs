//! Applying a retention policy on a server.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use stillpoint_core::{BackupId, PAGE_LIMIT_MAX, Result};
use stillpoint_server::document::{BackupPage, ForgottenDocument, RetentionDocument};

use super::client::Client;
use super::work::seconds;
use crate::args::ForgetArgs;
use crate::exit::{Failure, Outcome};
use crate::output::{Output, retention};
use crate::run::forget::{described, policy};

/// Backups that one call removes.
const REMOVED_TOGETHER: usize = 100;

pub(super) async fn run(client: &Client, output: &Output, args: &ForgetArgs) -> Outcome {
    // What is refused here is refused there, too.
    policy(args)?;
    let mut body = order(args);
    let path = ["retention", "preview"];
    let previewed: RetentionDocument = client.send(Method::POST, &path, None, Some(&body)).await?;
    if !output.is_json() {
        let known = known(client, args.workspace.as_deref()).await?;
        let told = |id: &BackupId| known.get(id).cloned().unwrap_or_else(|| id.to_string());
        retention::preview(output, &previewed, told, args.dry_run)?;
    }
    let (mut done, mut stopped) = (ForgottenDocument::default(), None);
    let going = if args.dry_run { &[][..] } else { &previewed.remove };
    // The oldest first, in parts that fit a request.
    let patient = client.patient()?;
    for part in going.rchunks(REMOVED_TOGETHER) {
        body["remove"] = json!(part);
        let answered: Result<ForgottenDocument> =
            patient.send(Method::POST, &["retention", "apply"], None, Some(&body)).await;
        match answered {
            Ok(answered) => {
                done.deleted.extend(answered.deleted);
                done.kept.extend(answered.kept);
                done.failed.extend(answered.failed);
            }
            Err(error) => {
                stopped = Some(Failure::from(error));
                break;
            }
        }
    }
    retention::outcome(output, &previewed, &done, stopped.as_ref(), args.dry_run)
}

fn order(args: &ForgetArgs) -> Value {
    let policy = json!({
        "keep_last": args.keep_last,
        "keep_hourly": args.keep_hourly,
        "keep_daily": args.keep_daily,
        "keep_weekly": args.keep_weekly,
        "keep_monthly": args.keep_monthly,
        "keep_yearly": args.keep_yearly,
        "keep_within_seconds": seconds(args.keep_within),
        "keep_names": args.keep_name,
        "keep_good": args.keep_good,
    });
    json!({ "workspace": args.workspace, "policy": policy })
}

/// How each backup is told.
async fn known(client: &Client, workspace: Option<&str>) -> Result<BTreeMap<BackupId, String>> {
    let (mut known, mut after) = (BTreeMap::new(), None::<String>);
    loop {
        let mut query = vec![("limit", PAGE_LIMIT_MAX.to_string())];
        query.extend(workspace.map(|workspace| ("workspace", workspace.to_owned())));
        query.extend(after.map(|after| ("after", after)));
        let page: BackupPage = client.get(&["backups"], &query).await?;
        known.extend(
            page.backups.iter().map(|backup| {
                (backup.id.clone(), described(&backup.id, backup.created_at, &backup.workspace))
            }),
        );
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(known),
        }
    }
}
