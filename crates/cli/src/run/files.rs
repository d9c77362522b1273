//! `stillpoint files`.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use stillpoint_core::{Entry, EntryPage, Error, ErrorKind, OpContext, Provider, Result, Snapshot, Timestamp};

use crate::args::FilesArgs;
use crate::engine;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::output::stream::ListDocument;
use crate::session::Session;

/// One entry, as JSON has it.
#[derive(Debug, Serialize)]
struct EntryItem<'a> {
    component: &'a str,
    path: &'a str,
    kind: &'a str,
    size_bytes: u64,
    mode: u32,
    modified_at: Option<Timestamp>,
    link_target: Option<&'a str>,
}

/// Where entries are printed, a page at a time.
enum Sink<'a> {
    Text(&'a Output),
    Json(ListDocument<'a>),
}

pub(super) async fn run(session: &Session, args: &FilesArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
    let wanted = |id: &str| args.component.as_deref().is_none_or(|component| component == id);
    let kept = backup
        .components
        .iter()
        .filter_map(|component| Some((component.component.id.as_str(), component.snapshot.as_ref()?)));
    let (files, others): (Vec<_>, Vec<_>) =
        kept.partition(|(id, snapshot)| wanted(id) && engine::keeps_files(&snapshot.provider));
    if files.is_empty() {
        let others: Vec<_> = others.iter().map(|(id, _)| *id).collect();
        let message = format!(
            "backup {} holds no files of {}; besides it holds: {}",
            backup.id,
            args.component.as_deref().unwrap_or("any component"),
            others.join(", ")
        );
        return Err(Error::new(ErrorKind::NotFound, message).into());
    }
    let provider = session.provider().await?;
    // The first page comes before anything is printed, so that a wrong path is an error and not half a document.
    let path = args.path.as_deref().unwrap_or("").trim_matches('/');
    let cx = OpContext::background();
    let mut listings = Vec::new();
    let mut missing = None;
    for (component, reference) in files {
        let snapshot = provider.open(&cx, reference).await?;
        match snapshot.entries(&cx, path, None).await {
            Ok(page) => listings.push(Listing { component, snapshot, page }),
            Err(error) if error.kind() == ErrorKind::NotFound => missing = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(error) = missing.filter(|_| listings.is_empty()) {
        return Err(error.into());
    }
    let mut sink = if session.output.is_json() {
        let head = [("backup_id", json!(backup.id)), ("path", json!(path))];
        Sink::Json(ListDocument::begin(&session.output, &head, "entries"))
    } else {
        Sink::Text(&session.output)
    };
    let listed = list(path, listings, &mut sink).await.map_err(Failure::from);
    match sink {
        Sink::Json(document) => document.end_as(listed, &[]),
        Sink::Text(_) => listed.map(|()| Exit::Done),
    }
}

/// One component's snapshot and the page of it that is printed next.
struct Listing<'a> {
    component: &'a str,
    snapshot: Arc<dyn Snapshot>,
    page: EntryPage,
}

async fn list(path: &str, listings: Vec<Listing<'_>>, sink: &mut Sink<'_>) -> Result<()> {
    let cx = OpContext::background();
    for mut listing in listings {
        loop {
            for entry in &listing.page.entries {
                sink.print(listing.component, entry)?;
            }
            let Some(next) = listing.page.next else { break };
            listing.page = listing.snapshot.entries(&cx, path, Some(&next)).await?;
        }
    }
    Ok(())
}

impl Sink<'_> {
    fn print(&mut self, component: &str, entry: &Entry) -> Result<()> {
        match self {
            Self::Json(document) => document.push(&EntryItem {
                component,
                path: &entry.path,
                kind: &entry.kind,
                size_bytes: entry.size_bytes,
                mode: entry.mode,
                modified_at: entry.modified_at,
                link_target: entry.link_target.as_deref(),
            }),
            Self::Text(output) => {
                let modified =
                    entry.modified_at.map(|time| time.to_string()).unwrap_or_else(|| "-".to_owned());
                let target =
                    entry.link_target.as_deref().map(|target| format!(" -> {target}")).unwrap_or_default();
                output.line(format_args!(
                    "{}  {:>12}  {modified:>24}  {}{target}",
                    mode(&entry.kind, entry.mode),
                    entry.size_bytes,
                    entry.path
                ))
            }
        }
    }
}

/// Kind and permission bits as `ls -l` writes them.
fn mode(kind: &str, mode: u32) -> String {
    let kind = match kind {
        "dir" => 'd',
        "symlink" => 'l',
        "fifo" => 'p',
        "socket" => 's',
        "dev" => 'b',
        "chardev" => 'c',
        _ => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, false) => 'x',
            (false, false) => '-',
            (true, true) => set,
            (false, true) => unset,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::mode;

    #[test]
    fn modes_read_as_in_a_long_listing() {
        assert_eq!(mode("file", 0o100_644), "-rw-r--r--");
        assert_eq!(mode("dir", 0o041_777), "drwxrwxrwt");
        assert_eq!(mode("file", 0o104_755), "-rwsr-xr-x");
        assert_eq!(mode("symlink", 0o120_777), "lrwxrwxrwx");
    }
}
