//! Names that are no names, and names that occur twice.

use super::case::{Case, changed, empty, folder, listing, node};
use serde_json::json;

/// Names as a listing spells them: quoted as Go does, so a backslash begins an escape.
const NAMES: [&str; 30] = [
    "",
    ".",
    "..",
    "/",
    "//",
    "/etc/passwd",
    "/outside",
    "../outside/canary",
    "../outside",
    "../../outside/canary",
    "a/b",
    "a/../../outside/new",
    "./a",
    "a/",
    "a//b",
    r"\x2e\x2e",
    r"\x2e",
    r"\x2fetc",
    r"a\x2fb",
    r"a\x00b",
    r"\x00",
    r"\u002e\u002e",
    r"\u002f",
    r"\056\056",
    r"\057",
    r"\q",
    r"\x2",
    "\"",
    "\n",
    "..\u{0}",
];

const KINDS: [&str; 4] = ["file", "dir", "symlink", "fifo"];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = bad_names();
    cases.extend(duplicates());
    cases.extend(markers());
    cases
}

fn bad_names() -> Vec<Case> {
    let long = "x".repeat(256);
    let longer = "x".repeat(70_000);
    let mut cases = Vec::new();
    for name in NAMES.iter().copied().chain([long.as_str(), longer.as_str()]) {
        let shown: String = name.chars().take(20).collect();
        for kind in KINDS {
            let bad = node(kind, name);
            cases.push(
                Case::new(format!("a {kind} called {shown:?}"), std::slice::from_ref(&bad)).with([empty()]),
            );
            let (parent, below) = folder("parent", &[bad]);
            let label = format!("a {kind} called {shown:?} below a directory");
            cases.push(Case::new(label, &[parent]).with([below, empty()]));
        }
    }
    cases
}

fn duplicates() -> Vec<Case> {
    let mut cases = Vec::new();
    for first in KINDS {
        for second in KINDS {
            let mut other = node(second, "twin");
            other["mode"] = json!(0o600);
            let nodes = [node(first, "twin"), other];
            cases.push(Case::new(format!("a {first} and a {second} of one name"), &nodes).with([empty()]));
            let (parent, below) = folder("parent", &nodes);
            let label = format!("a {first} and a {second} of one name below a directory");
            cases.push(Case::new(label, &[parent]).with([below, empty()]));
        }
    }
    // A link to the outside and a directory of the same name whose files would go through it.
    let link = changed("symlink", "door", "linktarget", json!("../outside"));
    let (door, below) = folder("door", &[node("file", "canary"), node("file", "new")]);
    for (label, nodes) in [
        ("a link before the directory it stands in for", [link.clone(), door.clone()]),
        ("a link behind the directory it stands in for", [door, link]),
    ] {
        cases.push(Case::new(label, &nodes).with([below.clone()]));
    }
    cases.push(Case::new("names out of order", &[node("file", "b"), node("file", "a")]));
    cases
}

/// Entries that would meddle with the restore's own working directory.
fn markers() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS {
        let marker = node(kind, ".stillpoint-restore-op");
        cases.push(Case::new(format!("a {kind} called as the restore's marker"), &[marker]).with([empty()]));
    }
    let (marker, below) = folder(".stillpoint-restore-op", &[node("file", "0"), node("file", "1")]);
    cases.push(Case::new("files inside the restore's marker", &[marker]).with([below]));
    let (parent, below) = folder("p", &[node("file", ".stillpoint-restore-op")]);
    cases.push(Case::new("a marker's name further down", &[parent]).with([below]).harmless());
    cases.push(Case::raw("nothing", listing(&[])).harmless());
    cases
}
