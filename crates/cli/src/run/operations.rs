//! `stillpoint operations`.

use stillpoint_core::OperationQuery;
use stillpoint_server::document::OperationItem;

use crate::args::OperationsArgs;
use crate::exit::{Exit, Outcome};
use crate::output::operation;
use crate::output::stream::ListDocument;
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &OperationsArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let mut query = if args.all { OperationQuery::all() } else { OperationQuery::unfinished() };
    let output = &session.output;
    let mut document =
        output.is_json().then(|| ListDocument::begin(output, &[], "operations")).transpose()?;
    let mut count = 0;
    loop {
        let page = catalog.operations(&query).await?;
        output.note_damaged("operation", &page.damaged);
        for stored in &page.items {
            let item = OperationItem::stored(stored);
            match &mut document {
                Some(document) => document.push(&item)?,
                None => output.line(operation::line(&item))?,
            }
        }
        count += page.items.len();
        match page.next {
            Some(next) => query.after = Some(next),
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
