//! Commands that look.

use reqwest::Method;
use serde::Serialize;
use serde_json::json;
use stillpoint_core::PAGE_LIMIT_MAX;
use stillpoint_server::document::{
    BackupDetail, BackupPage, FileItem, FilePage, OperationPage, PreflightDocument,
};

use super::client::Client;
use crate::args::{FilesArgs, ListArgs, OperationsArgs, PreflightArgs, ShowArgs};
use crate::exit::{Exit, Outcome};
use crate::output::stream::ListDocument;
use crate::output::{Output, operation};
use crate::run::{list, preflight, show};

pub(super) async fn list(client: &Client, output: &Output, args: &ListArgs) -> Outcome {
    let mut document = output.is_json().then(|| ListDocument::begin(output, &[], "backups")).transpose()?;
    let (mut left, mut after) = (args.limit.unwrap_or(usize::MAX), None::<String>);
    let mut count = 0;
    while left > 0 {
        let mut query = vec![("limit", left.min(PAGE_LIMIT_MAX).to_string())];
        query.extend(args.workspace.clone().map(|workspace| ("workspace", workspace)));
        query.extend(args.name.clone().map(|name| ("name", name)));
        query.extend(after.map(|after| ("after", after)));
        let page: BackupPage = client.get(&["backups"], &query).await?;
        output.note_damaged("backup", &page.damaged);
        for item in page.backups.iter().take(left) {
            match &mut document {
                Some(document) => document.push(item)?,
                None => output.line(list::line(item))?,
            }
        }
        count += page.backups.len();
        left -= page.backups.len().min(left);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    match document {
        Some(document) => document.end(&[])?,
        None if count == 0 => output.line("there is no backup yet")?,
        None => {}
    }
    Ok(Exit::Done)
}

pub(super) async fn show(client: &Client, output: &Output, args: &ShowArgs) -> Outcome {
    let detail: BackupDetail = client.get(&["backups", &args.backup], &[]).await?;
    show::tell(output, &detail)
}

pub(super) async fn files(client: &Client, output: &Output, args: &FilesArgs) -> Outcome {
    let backup: BackupDetail = client.get(&["backups", &args.backup], &[]).await?;
    let id = backup.item.id.as_str();
    let path = args.path.as_deref().unwrap_or_default().trim_matches('/').to_owned();
    let mut after = None::<String>;
    let mut document = None;
    loop {
        let mut query = vec![("path", path.clone())];
        query.extend(args.component.clone().map(|component| ("component", component)));
        query.extend(after.map(|after| ("after", after)));
        let page: FilePage = client.get(&["backups", id, "files"], &query).await?;
        // The first page comes before anything is printed, so that a wrong path is an error and not half a document.
        if output.is_json() && document.is_none() {
            let head = [("backup_id", json!(id)), ("path", json!(path))];
            document = Some(ListDocument::begin(output, &head, "entries")?);
        }
        for entry in &page.entries {
            match &mut document {
                Some(document) => document.push(&OfComponent { component: &page.component, entry })?,
                None => {
                    output.line(format_args!("{:<8} {:>12}  {}", entry.kind, entry.size_bytes, entry.path))?
                }
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    document.map_or(Ok(()), |document| document.end(&[]))?;
    Ok(Exit::Done)
}

/// An entry, with the component that it is in.
#[derive(Serialize)]
struct OfComponent<'a> {
    component: &'a str,
    #[serde(flatten)]
    entry: &'a FileItem,
}

pub(super) async fn operations(client: &Client, output: &Output, args: &OperationsArgs) -> Outcome {
    let mut document =
        output.is_json().then(|| ListDocument::begin(output, &[], "operations")).transpose()?;
    let (mut after, mut count) = (None::<String>, 0);
    loop {
        let mut query = vec![("all", args.all.to_string()), ("limit", PAGE_LIMIT_MAX.to_string())];
        query.extend(after.map(|after| ("after", after)));
        let page: OperationPage = client.get(&["operations"], &query).await?;
        output.note_damaged("operation", &page.damaged);
        for item in &page.operations {
            match &mut document {
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
    match document {
        Some(document) => document.end(&[])?,
        None if count == 0 => output.line("no operation is under way")?,
        None => {}
    }
    Ok(Exit::Done)
}

pub(super) async fn preflight(client: &Client, output: &Output, args: &PreflightArgs) -> Outcome {
    let body = json!({ "waivers": args.skip_check });
    let path = ["workspaces", &args.workspace, "preflight"];
    let document: PreflightDocument = client.send(Method::POST, &path, None, Some(&body)).await?;
    preflight::tell(output, &document)
}
