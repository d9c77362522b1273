//! What a restore would make of a directory, as text and as JSON.

use serde_json::{Value, json};
use stillpoint_provider_s3sync::{Fate, FileKind, Foreseen, RestorePreview, path_to_text};
use stillpoint_server::text::Bytes;

/// Entries that are shown one by one, at most; the totals count all. JSON has as many as the preview lists.
const LINES_MAX: usize = 1000;

/// One component's preview, as JSON has it.
pub(crate) fn document(found: &RestorePreview) -> Value {
    let preview = &found.preview;
    let counts: serde_json::Map<String, Value> =
        Fate::ALL.iter().map(|fate| (fate.as_str().to_owned(), preview.count(*fate).into())).collect();
    let items: Vec<Value> = preview.items.items().iter().map(item).collect();
    json!({
        "component": found.component,
        "target": path_to_text(&found.target),
        "counts": counts,
        "bytes_to_write": preview.bytes,
        "items": items,
        "items_omitted": preview.items.omitted(),
    })
}

fn item(entry: &Foreseen) -> Value {
    json!({
        "path": path_to_text(&entry.path),
        "kind": kind(entry.kind),
        "fate": entry.fate.as_str(),
        "bytes": entry.bytes,
    })
}

const fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "dir",
        FileKind::Symlink => "symlink",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
        FileKind::CharDevice => "chardev",
        FileKind::BlockDevice => "dev",
    }
}

/// One component's preview for people.
pub(crate) fn lines(found: &RestorePreview) -> Vec<String> {
    let preview = &found.preview;
    let shown = preview.items.items().iter().take(LINES_MAX);
    let mut lines = vec![format!("  into    {}", path_to_text(&found.target))];
    lines.extend(shown.map(|entry| {
        let path = if entry.path.as_os_str().is_empty() { ".".to_owned() } else { path_to_text(&entry.path) };
        format!("{}  {path}", sign(entry.fate))
    }));
    let left = preview.items.total().saturating_sub(LINES_MAX as u64);
    if left > 0 {
        lines.push(format!("   and {left} more"));
    }
    let told = |fates: &[Fate]| {
        let counted = fates.iter().filter(|fate| preview.count(**fate) > 0);
        let words: Vec<_> =
            counted.map(|fate| format!("{} {}", preview.count(*fate), words(*fate))).collect();
        if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
    };
    let writes = [Fate::Created, Fate::Replaced, Fate::Attributes];
    lines.push(format!("  writes  {}; {} of content", told(&writes), Bytes(preview.bytes)));
    lines.push(format!("  leaves  {}", told(&[Fate::Unchanged, Fate::Kept, Fate::Foreign])));
    let open = [Fate::Conflict, Fate::Withheld, Fate::Damaged, Fate::Unseen];
    if open.iter().any(|fate| preview.count(*fate) > 0) {
        lines.push(format!("  but     {}", told(&open)));
    }
    lines.push("  removes nothing".to_owned());
    lines
}

const fn sign(fate: Fate) -> &'static str {
    match fate {
        Fate::Created => "+",
        Fate::Replaced => "M",
        Fate::Attributes => "U",
        Fate::Unchanged | Fate::Kept => "=",
        Fate::Foreign => "*",
        _ => "!",
    }
}

const fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::Created => "created",
        Fate::Replaced => "replaced",
        Fate::Attributes => "with other attributes only",
        Fate::Unchanged => "as they are",
        Fate::Kept => "that differ and are kept",
        Fate::Conflict => "in the way that cannot be replaced",
        Fate::Withheld => "left out without --privileged",
        Fate::Damaged => "that the backup lacks",
        Fate::Unseen => "that could not be looked at",
        Fate::Foreign => "that only the target has",
        _ => "of another kind",
    }
}
