//! The files of one component of a backup.

use maud::{Markup, html};
use stillpoint_core::BackupRecord;

use super::part;
use super::text::{self, Bytes};
use crate::document::FileItem;

/// One folder of a component.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) backup: &'a BackupRecord,
    pub(crate) component: &'a str,
    /// The folder, without a slash at either end; empty for the root.
    pub(crate) folder: &'a str,
    pub(crate) entries: &'a [FileItem],
    pub(crate) next: Option<&'a str>,
    pub(crate) later: bool,
}

impl View<'_> {
    fn address(&self, folder: &str, after: Option<&str>) -> String {
        let own = part::path(&["backups", self.backup.id.as_str(), "files", self.component]);
        let mut query = Vec::new();
        if !folder.is_empty() {
            query.push(format!("path={}", part::encode(folder)));
        }
        query.extend(after.map(|after| format!("after={}", part::encode(after))));
        if query.is_empty() { own } else { format!("{own}?{}", query.join("&")) }
    }
}

/// The page's content.
pub(crate) fn render(view: &View<'_>) -> Markup {
    let backup = view.backup;
    html! {
        (part::crumbs(&[("Backups", "/".into()), (part::backup_name(backup.name.as_deref(), &backup.id), part::backup_path(&backup.id))]))
        div.head {
            div {
                h1 { "Files of " (part::foreign(view.component)) }
                p.lede { "as captured by " a href=(part::backup_path(&backup.id)) { (part::foreign(part::backup_name(backup.name.as_deref(), &backup.id))) } " of " (part::workspace_link(backup.workspace.as_str())) }
            }
        }
        (place(view))
        @if view.entries.is_empty() { (part::empty("This folder is empty", &html! { p { "Nothing was in it when it was captured." } })) } @else {
            div.scroll role="region" aria-label="Files" tabindex="0" {
                table.grid.files {
                    caption.unseen { "Files in /" (view.folder) }
                    thead { tr {
                        th scope="col" { "Name" } th.number scope="col" { "Size" } th scope="col" { "Mode" } th scope="col" { "Modified" }
                    } }
                    tbody { @for entry in view.entries { (row(view, entry)) } }
                }
            }
            @let next = view.next.map(|next| view.address(view.folder, Some(next)));
            @let first = view.later.then(|| view.address(view.folder, None));
            (part::pager(first.as_deref(), next.as_deref(), view.entries.len(), ("entry", "entries")))
        }
    }
}

fn place(view: &View<'_>) -> Markup {
    let parts: Vec<_> = view.folder.split('/').filter(|part| !part.is_empty()).collect();
    html! {
        nav.place aria-label="Folder" {
            ol {
                li { a href=(view.address("", None)) { (part::foreign(view.component)) } }
                @for (index, name) in parts.iter().enumerate() {
                    li {
                        @if index + 1 == parts.len() { span aria-current="page" { (part::foreign(name)) } }
                        @else { a href=(view.address(&parts[..=index].join("/"), None)) { (part::foreign(name)) } }
                    }
                }
            }
        }
    }
}

fn row(view: &View<'_>, entry: &FileItem) -> Markup {
    let path = entry.path.trim_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    let folder = matches!(entry.kind.as_str(), "dir" | "directory");
    html! {
        tr {
            th scope="row" {
                @if folder { a.folder href=(view.address(path, None)) { (part::foreign(name)) "/" } } @else { (part::foreign(name)) }
                @if let Some(target) = &entry.link_target { span.sub { "→ " (part::foreign(target)) } }
                @else if !folder && entry.kind != "file" { span.sub { (entry.kind) } }
            }
            td.number { @if !folder { (Bytes(entry.size_bytes)) } }
            td { code { (mode(entry.mode)) } }
            td { @if let Some(time) = entry.modified_at { (text::minute(time)) } }
        }
    }
}

/// Permissions as `ls` writes them.
fn mode(mode: u32) -> String {
    let letters = ['r', 'w', 'x'];
    (0..9).map(|bit| if mode & (0o400 >> bit) == 0 { '-' } else { letters[bit as usize % 3] }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn modes_read_like_ls() {
        assert_eq!(super::mode(0o100_754), "rwxr-xr--");
    }
}
