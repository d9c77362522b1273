//! Commands that look.

use reqwest::Method;
use serde::Serialize;
use serde_json::json;
use stillpoint_core::{ErrorKind, PAGE_LIMIT_MAX};
use stillpoint_server::document::{
    BackupDetail, BackupPage, FileItem, FilePage, LeftHold, OperationPage, PreflightDocument, RolesDocument,
};

use super::client::Client;
use crate::args::{FilesArgs, ListArgs, OperationsArgs, PreflightArgs, ShowArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::stream::ListDocument;
use crate::output::{Output, operation};
use crate::run::{list, preflight, roles, show};

pub(super) async fn list(client: &Client, output: &Output, args: &ListArgs) -> Outcome {
    let under_way: OperationPage = client.get(&["operations"], &[("limit", "1".to_owned())]).await?;
    under_way.held.iter().for_each(|held| output.note(held.sentence()));
    let mut document = output.is_json().then(|| ListDocument::begin(output, &[], "backups"));
    let listed = each_backup(client, output, args, &mut document).await;
    let narrowed = args.workspace.is_some() || args.name.is_some() || args.limit == Some(0);
    match document {
        Some(document) => return document.end_as(listed.map(drop), &[]),
        None if listed? == 0 => output.line(list::nothing(narrowed))?,
        None => {}
    }
    Ok(Exit::Done)
}

/// Prints each backup, a page at a time, and answers how many there were.
async fn each_backup(
    client: &Client,
    output: &Output,
    args: &ListArgs,
    document: &mut Option<ListDocument<'_>>,
) -> Result<usize, Failure> {
    let (mut left, mut after) = (args.limit.unwrap_or(usize::MAX), None::<String>);
    let mut count = 0;
    while left > 0 {
        let mut query = vec![("limit", left.min(PAGE_LIMIT_MAX).to_string())];
        query.extend(args.workspace.clone().map(|workspace| ("workspace", workspace)));
        query.extend(args.name.clone().map(|name| ("name", name)));
        query.extend(args.sort.map(|sort| ("sort", sort.to_string())));
        query.extend(after.map(|after| ("after", after)));
        let page = match client.get::<BackupPage>(&["backups"], &query).await {
            // Nobody knows the workspace: that none of its backups fits is said as it is without a server.
            Err(error) if error.kind() == ErrorKind::NotFound && args.workspace.is_some() => break,
            page => page?,
        };
        output.note_damaged("backup", &page.damaged);
        for item in page.backups.iter().take(left) {
            match document {
                Some(document) => document.push(item)?,
                None => output.line(list::line(item, None))?,
            }
        }
        count += page.backups.len();
        left -= page.backups.len().min(left);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(count)
}

pub(super) async fn show(client: &Client, output: &Output, args: &ShowArgs) -> Outcome {
    if args.roles {
        let against: Vec<_> = args.against.clone().map(|against| ("against", against)).into_iter().collect();
        let found: RolesDocument = client.get(&["backups", &args.backup, "roles"], &against).await?;
        return roles::tell(output, &found);
    }
    let detail: BackupDetail = client.get(&["backups", &args.backup], &[]).await?;
    show::tell(output, &detail)
}

pub(super) async fn files(client: &Client, output: &Output, args: &FilesArgs) -> Outcome {
    let backup: BackupDetail = client.get(&["backups", &args.backup], &[]).await?;
    let id = backup.item.id.as_str();
    let path = args.path.as_deref().unwrap_or_default().trim_matches('/').to_owned();
    let head = [("backup_id", json!(id)), ("path", json!(path))];
    let mut document = output.is_json().then(|| ListDocument::begin(output, &head, "entries"));
    let query =
        [Some(("path", path.clone())), args.component.clone().map(|component| ("component", component))];
    let query: Vec<_> = query.into_iter().flatten().collect();
    let listed = each_file(client, output, id, query, &mut document).await;
    match document {
        Some(document) => document.end_as(listed, &[]),
        None => listed.map(|()| Exit::Done),
    }
}

/// Prints each entry of the backup `id`, a page at a time.
async fn each_file(
    client: &Client,
    output: &Output,
    id: &str,
    query: Vec<(&str, String)>,
    document: &mut Option<ListDocument<'_>>,
) -> Result<(), Failure> {
    let mut after = None::<String>;
    loop {
        let query: Vec<_> = query.iter().cloned().chain(after.map(|after| ("after", after))).collect();
        let page: FilePage = client.get(&["backups", id, "files"], &query).await?;
        for entry in &page.entries {
            match document {
                Some(document) => document.push(&OfComponent { component: &page.component, entry })?,
                None => {
                    output.line(format_args!("{:<8} {:>12}  {}", entry.kind, entry.size_bytes, entry.path))?
                }
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// An entry, with the component that it is in.
#[derive(Serialize)]
struct OfComponent<'a> {
    component: &'a str,
    #[serde(flatten)]
    entry: &'a FileItem,
}

pub(super) async fn operations(client: &Client, output: &Output, args: &OperationsArgs) -> Outcome {
    let mut document = output.is_json().then(|| ListDocument::begin(output, &[], "operations"));
    let mut left = Vec::new();
    let listed = each_operation(client, output, args, &mut document, &mut left).await;
    match document {
        Some(document) => return document.end_as(listed.map(drop), &[("held", json!(left))]),
        None if listed? == 0 => output.line("no operation is under way")?,
        None => {}
    }
    left.iter().try_for_each(|held| output.line(held.sentence()))?;
    Ok(Exit::Done)
}

/// Prints each operation, a page at a time, and answers how many there were; `left` is what the server's host knows to be
/// held still.
async fn each_operation(
    client: &Client,
    output: &Output,
    args: &OperationsArgs,
    document: &mut Option<ListDocument<'_>>,
    left: &mut Vec<LeftHold>,
) -> Result<usize, Failure> {
    let (mut after, mut count) = (None::<String>, 0);
    loop {
        let mut query = vec![("all", args.all.to_string()), ("limit", PAGE_LIMIT_MAX.to_string())];
        query.extend(after.map(|after| ("after", after)));
        let page: OperationPage = client.get(&["operations"], &query).await?;
        output.note_damaged("operation", &page.damaged);
        left.extend(page.held);
        for item in &page.operations {
            match document {
                Some(document) => document.push(item)?,
                None => output.line(operation::line(item))?,
            }
        }
        count += page.operations.len();
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(count)
}

pub(super) async fn preflight(client: &Client, output: &Output, args: &PreflightArgs) -> Outcome {
    let body = json!({ "waivers": args.skip_check });
    let path = ["workspaces", &args.workspace, "preflight"];
    let document: PreflightDocument = client.send(Method::POST, &path, None, Some(&body)).await?;
    preflight::tell(output, &document)
}
