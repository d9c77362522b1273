//! Entries whose fields lie: links, content, sizes, owners, modes, attributes, times, kinds and listings.

use serde_json::{Value, json};
use stillpoint_repository::Id;

use super::case::{CONTENT, Case, changed, empty, folder, id_of, listing, node};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = symbolic_links();
    cases.extend(hard_links());
    cases.extend(content());
    cases.extend(powers());
    cases.extend(attributes_and_times());
    cases.extend(kinds_and_listings());
    cases.extend(broken_listings());
    cases
}

/// Links may lead anywhere; nothing is ever written through one.
fn symbolic_links() -> Vec<Case> {
    let targets =
        ["/", "..", "../..", ".", "self", "../outside", "../outside/canary", "/proc/self/root", "a//b"];
    let mut cases: Vec<Case> = (targets.iter())
        .map(|target| {
            let link = changed("symlink", "self", "linktarget", json!(target));
            Case::new(format!("a link to {target}"), &[link]).harmless()
        })
        .collect();
    for (label, target) in
        [("nothing", String::new()), ("a NUL", "a\0b".into()), ("too much", "x".repeat(5000))]
    {
        let link = changed("symlink", "link", "linktarget", json!(target));
        cases.push(Case::new(format!("a link to {label}"), &[link]));
    }
    cases.push(Case::new(
        "a link in base64 that is none",
        &[changed("symlink", "l", "linktarget_raw", json!("%"))],
    ));
    let chain: Vec<Value> = (0..50)
        .map(|at| changed("symlink", &format!("{at:02}"), "linktarget", json!(format!("{:02}", at + 1))))
        .collect();
    cases.push(Case::new("a long chain of links", &chain).harmless());
    cases
}

fn hard_links() -> Vec<Case> {
    let shared = |kind: &str, name: &str| {
        let mut node = node(kind, name);
        (node["links"], node["inode"], node["device_id"]) = (json!(2), json!(9), json!(3));
        node
    };
    let with = |mut node: Value, field: &str, value: Value| {
        node[field] = value;
        node
    };
    let content = |name: &str, ids: Value| with(shared("file", name), "content", ids);
    let unknown = id_of(b"unknown");
    vec![
        Case::new("two names of one file", &[shared("file", "a"), shared("file", "b")]).harmless(),
        Case::new("a link and a file of one inode", &[shared("symlink", "a"), shared("file", "b")])
            .harmless(),
        Case::new("a directory and a file of one inode", &[shared("dir", "a"), shared("file", "b")])
            .with([empty()])
            .harmless(),
        Case::new("names of one inode with other content", &[shared("file", "a"), content("b", json!([]))])
            .harmless(),
        Case::new(
            "a further name of a lost file",
            &[content("a", json!([unknown])), content("b", json!([unknown]))],
        ),
        Case::new(
            "no inode but many links",
            &[with(shared("file", "a"), "inode", json!(0)), with(shared("file", "b"), "inode", json!(0))],
        )
        .harmless(),
        Case::new("all the links there can be", &[with(shared("file", "a"), "links", json!(u64::MAX))])
            .harmless(),
        Case::new("empty names of one file", &[content("a", json!([])), content("b", json!([]))]).harmless(),
        Case::new("a device with many names", &[shared("chardev", "a"), shared("chardev", "b")]),
    ]
}

fn content() -> Vec<Case> {
    let evil = id_of(CONTENT);
    let mut cases = Vec::new();
    for size in [0, 1, 1 << 40, u64::MAX] {
        let file = changed("file", "f", "size", json!(size));
        cases.push(Case::new(format!("a size of {size}"), &[file]).harmless());
    }
    for (label, ids) in [
        ("of an unknown blob", json!([id_of(b"unknown")])),
        ("that ends in an unknown blob", json!([evil, id_of(b"unknown")])),
        ("that is a listing", json!([id_of(&empty())])),
        ("that is no identifier", json!(["../../outside/canary"])),
        ("of half an identifier", json!([&evil[..40]])),
        ("that is a number", json!([7])),
        ("that is text", json!(evil)),
        ("of nested lists", json!([[evil]])),
    ] {
        cases.push(
            Case::new(format!("content {label}"), &[changed("file", "f", "content", ids)]).with([empty()]),
        );
    }
    let many = json!(vec![evil; 20_000]);
    cases.push(Case::new("one blob over and over", &[changed("file", "f", "content", many)]).harmless());
    cases.push(Case::new("no content", &[changed("file", "f", "content", Value::Null)]).harmless());
    cases
}

/// Devices, sockets, set-id bits and privileged attributes are withheld and listed.
fn powers() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in ["chardev", "dev", "socket"] {
        for device in [0_u64, 259, 0x801, u64::MAX] {
            let special = changed(kind, "special", "device", json!(device));
            cases.push(Case::new(format!("a {kind} of number {device}"), &[special]));
        }
    }
    // Go's bits for set-user-id, set-group-id and sticky.
    for (name, bit) in [("set-user-id", 1_u32 << 23), ("set-group-id", 1 << 22)] {
        for kind in ["file", "dir"] {
            let directory = if kind == "dir" { 1_u32 << 31 } else { 0 };
            let powerful = changed(kind, "powerful", "mode", json!(directory | bit | 0o777));
            cases.push(Case::new(format!("a {kind} with {name}"), &[powerful]).with([empty()]));
        }
    }
    for name in ["security.capability", "security.selinux", "trusted.overlay.opaque", "trusted.x"] {
        for kind in ["file", "dir"] {
            let attribute = json!([{ "name": name, "value": "AQAAAg==" }]);
            let powerful = changed(kind, "powerful", "extended_attributes", attribute);
            cases.push(Case::new(format!("a {kind} with {name}"), &[powerful]).with([empty()]));
        }
    }
    cases
}

fn attributes_and_times() -> Vec<Case> {
    let mut cases = Vec::new();
    for (label, name, value) in [
        ("no namespace", "name", "AA=="),
        ("no name", "", "AA=="),
        ("a name with NUL", "user.\u{0}", "AA=="),
        ("an access list that is none", "system.posix_acl_access", "AAAA"),
        ("a value that is no base64", "user.x", "%%%"),
        ("a name that is too long", &format!("user.{}", "x".repeat(300)), "AA=="),
    ] {
        let attribute = json!([{ "name": name, "value": value }]);
        cases.push(Case::new(label, &[changed("file", "f", "extended_attributes", attribute)]));
    }
    let many: Vec<_> = (0..5000).map(|n| json!({ "name": format!("user.{n}"), "value": "" })).collect();
    cases.push(Case::new("too many attributes", &[changed("file", "f", "extended_attributes", json!(many))]));
    for time in ["", "yesterday", "2020-13-01T00:00:00Z", "2020-01-01T00:00:00", "99999-01-01T00:00:00Z"] {
        cases.push(Case::new(format!("a time of {time:?}"), &[changed("file", "f", "mtime", json!(time))]));
    }
    for id in [u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX] {
        cases.push(Case::new(format!("an owner of {id}"), &[changed("file", "f", "uid", json!(id))]));
        cases.push(Case::new(format!("a group of {id}"), &[changed("file", "f", "gid", json!(id))]));
    }
    for mode in [0_u32, 0o7777, u32::MAX] {
        let file =
            Case::new(format!("a file of mode {mode:o}"), &[changed("file", "f", "mode", json!(mode))]);
        cases.push(if mode == u32::MAX { file } else { file.harmless() });
    }
    cases
}

fn kinds_and_listings() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in ["door", "irregular", "", "../dir", "FILE"] {
        cases.push(Case::new(format!("an entry of kind {kind:?}"), &[node(kind, "e")]));
    }
    for (label, subtree) in [
        ("no listing", Value::Null),
        ("an unknown listing", json!(id_of(b"unknown"))),
        ("file content for a listing", json!(id_of(CONTENT))),
        ("a path for a listing", json!("../../outside")),
    ] {
        cases
            .push(Case::new(format!("a directory with {label}"), &[changed("dir", "d", "subtree", subtree)]));
    }
    for kind in ["file", "symlink", "fifo"] {
        let (_, below) = folder("d", &[node("file", "canary")]);
        let pretender = changed(kind, "d", "subtree", json!(id_of(&below)));
        cases.push(Case::new(format!("a {kind} with a listing"), &[pretender]).with([below]).harmless());
    }
    cases.push(repeated(6));
    cases
}

/// Each level names the one below ten times, so that a few listings stand for a power of ten of files.
pub(super) fn repeated(levels: usize) -> Case {
    let mut listings = vec![listing(&[node("file", "f")])];
    for _ in 0..levels {
        let below = id_of(&listings[0]);
        let nodes: Vec<_> =
            (0..10).map(|n| changed("dir", &format!("{n}"), "subtree", json!(below))).collect();
        listings.insert(0, listing(&nodes));
    }
    let top = listings.remove(0);
    Case::raw(format!("ten to the {levels} files of few listings"), top).with(listings)
}

/// A tree with more levels than may be restored.
pub(super) fn too_deep() -> Case {
    let mut listings = vec![listing(&[node("file", "f")])];
    for _ in 0..stillpoint_localfs::DEPTH_MAX {
        let below = Id::of(&listings[listings.len() - 1]).to_hex();
        listings.push(listing(&[changed("dir", "d", "subtree", json!(below))]));
    }
    let top = listings.pop().unwrap();
    Case::raw("a tree that is too deep", top).with(listings)
}

fn broken_listings() -> Vec<Case> {
    let deep = format!("{{\"nodes\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let good = String::from_utf8(listing(&[node("file", "f")])).unwrap();
    let broken = [
        "",
        "{",
        "[]",
        "null",
        "7",
        "\"nodes\"",
        "{\"nodes\":7}",
        "{\"nodes\":{}}",
        "{\"nodes\":[7]}",
        "{\"nodes\":[null]}",
        "{\"nodes\":[{}]}",
        "{\"nodes\":[{\"name\":\"a\"}]}",
        "{\"nodes\":[]}{\"nodes\":[]}",
        "{\"nodes\":[],\"nodes\":[]}",
        "\u{feff}{\"nodes\":[]}",
        &deep,
        &good[..good.len() - 1],
        &good[..good.len() / 2],
        &good.replace("\"f\"", "\"\\ud800\""),
        &good.replace("\"uid\":0", "\"uid\":-1"),
        &good.replace("\"uid\":0", "\"uid\":1e400"),
        &good.replace("\"uid\":0", "\"uid\":[]"),
    ];
    broken
        .into_iter()
        .enumerate()
        .map(|(number, text)| Case::raw(format!("broken listing {number}"), text.as_bytes().to_vec()))
        .chain([Case::raw("bytes that are no text", vec![0xff; 100])])
        .collect()
}
