//! `stillpoint operations`.

use serde_json::json;
use stillpoint_core::{Catalog, OperationQuery, Result};
use stillpoint_server::document::OperationItem;

use crate::args::OperationsArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::stream::ListDocument;
use crate::output::{Output, operation};
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &OperationsArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let query = if args.all { OperationQuery::all() } else { OperationQuery::unfinished() };
    let output = &session.output;
    let mut document = output.is_json().then(|| ListDocument::begin(output, &[], "operations"));
    let left = session.left_holds(&catalog).await;
    let listed = each(output, catalog.as_ref(), query, &mut document).await;
    match document {
        Some(document) => {
            let held = [("held", json!(left))];
            return document.end_as(listed.map(drop).map_err(Failure::from), &held);
        }
        None if listed? == 0 => output.line("no operation is under way")?,
        None => {}
    }
    left.iter().try_for_each(|held| output.line(held.sentence()))?;
    Ok(Exit::Done)
}

/// Prints each operation, a page at a time, and answers how many there were.
async fn each(
    output: &Output,
    catalog: &dyn Catalog,
    mut query: OperationQuery,
    document: &mut Option<ListDocument<'_>>,
) -> Result<usize> {
    let mut count = 0;
    loop {
        let page = catalog.operations(&query).await?;
        output.note_damaged("operation", &page.damaged);
        for stored in &page.items {
            let item = OperationItem::stored(stored);
            match document {
                Some(document) => document.push(&item)?,
                None => output.line(operation::line(&item))?,
            }
        }
        count += page.items.len();
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(count),
        }
    }
}
