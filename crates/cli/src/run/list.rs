//! `stillpoint list`.

use stillpoint_core::{BackupQuery, Catalog, Origin, PAGE_LIMIT_MAX, WorkspaceId};
use stillpoint_server::document::BackupItem;
use stillpoint_server::text::Bytes;

use crate::args::{Layout, ListArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::output::backup::copied;
use crate::output::stream::ListDocument;
use crate::session::{Session, meant};

pub(super) async fn run(session: &Session, args: &ListArgs) -> Outcome {
    let workspace = meant(args.workspace.as_deref(), session.settings.only_workspace())?;
    let workspace = workspace.map(WorkspaceId::new).transpose()?;
    let catalog = session.catalog().await?;
    // Looking through the timestamps of every user there is would take long; `rebuild` does.
    if session.settings.layout == Layout::Mirror && session.settings.only.is_some() {
        session.catalogue_timestamps(catalog.as_ref()).await?;
    }
    for held in session.left_holds(&catalog).await {
        session.output.note(held.sentence());
    }
    let mut query = BackupQuery::all();
    query.workspace = workspace;
    query.name.clone_from(&args.name);
    if let Some(sort) = args.sort {
        (query.sort, query.oldest_first) = (sort.by, sort.upwards);
    }
    if session.output.is_json() {
        let mut document = ListDocument::begin(&session.output, &[], "backups");
        let listed = each(&session.output, catalog.as_ref(), query, args.limit, |item| document.push(item));
        let listed = listed.await;
        return document.end_as(listed.map(drop).map_err(Failure::from), &[]);
    }
    let narrowed = query.workspace.is_some() || query.name.is_some() || args.limit == Some(0);
    let count = each(&session.output, catalog.as_ref(), query, args.limit, |item| {
        session.output.line(line(item, Some(&session.settings.host)))
    })
    .await?;
    if count == 0 {
        session.output.line(nothing(narrowed))?;
    }
    Ok(Exit::Done)
}

/// What is said where no backup is listed.
pub(crate) fn nothing(narrowed: bool) -> &'static str {
    match narrowed {
        true => "no backup in the catalog fits",
        false => {
            "there is no backup in the catalog yet; `stillpoint backup DIR` makes one, and `stillpoint rebuild` finds \
             those that a store has already"
        }
    }
}

/// Calls `show` with each backup, a page at a time.
async fn each(
    output: &Output,
    catalog: &dyn Catalog,
    mut query: BackupQuery,
    limit: Option<usize>,
    mut show: impl FnMut(&BackupItem) -> stillpoint_core::Result<()> + Send,
) -> stillpoint_core::Result<usize> {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut count = 0;
    while left > 0 {
        query.limit = left.min(PAGE_LIMIT_MAX);
        let page = catalog.backups(&query).await?;
        output.note_damaged("backup", &page.damaged);
        for stored in page.items.iter().take(left) {
            show(&BackupItem::new(&stored.backup))?;
        }
        count += page.items.len().min(left);
        left -= page.items.len().min(left);
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    Ok(count)
}

/// Where the workspace of a backup came from, for people.
fn restored_from(origin: &Origin) -> String {
    format!("  (restored from {}, backup {})", origin.workspace, origin.backup)
}

/// The backup as one line for people, with its host where that is not `here`.
pub(crate) fn line(backup: &BackupItem, here: Option<&str>) -> String {
    let host = backup.host.as_deref().filter(|host| Some(*host) != here);
    format!(
        "{}  {}  {:<9}  {:>10}  {:>10} added  {}{}{}{}{}",
        backup.id,
        backup.created_at,
        backup.state.as_str(),
        Bytes(backup.size_bytes).to_string(),
        Bytes(backup.added_bytes).to_string(),
        backup.workspace,
        host.map(|host| format!("  on {host}")).unwrap_or_default(),
        backup.name.as_ref().map(|name| format!("  ({name})")).unwrap_or_default(),
        copied(backup).map(|copied| format!("  ({copied})")).unwrap_or_default(),
        backup.restored_from.as_ref().map(restored_from).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{BackupRecord, Definition, Timestamp};

    use super::*;

    #[test]
    fn a_copy_is_told_from_its_original_and_from_other_copies() {
        let definition = Definition::new("ml-prod".parse().unwrap());
        let at = Timestamp::from_millis(0);
        let mut copy = BackupRecord::new("b-2".parse().unwrap(), "op".parse().unwrap(), definition, at);
        let told = |record: &BackupRecord| line(&BackupItem::new(record), None);
        assert!(!told(&copy).contains("copy of"));
        copy.copy_of = Some("b-1".parse().unwrap());
        assert!(told(&copy).ends_with("(copy of b-1)"), "{}", told(&copy));
        copy.copied_to.insert("vault".into(), "far".into());
        copy.copied_to.insert("region".into(), "eu-west-1".into());
        assert!(told(&copy).ends_with("(copy of b-1, vault far in eu-west-1)"), "{}", told(&copy));
    }
}
