//! Everything that reads bytes a hostile store may have made, as functions of those bytes.
//!
//! Fuzzing engines call them, and the tests replay their corpora. A target panics when it finds a fault; what it is
//! given may be anything.

use crate::cache::targets;
use crate::compression::decompress_up_to;
use crate::config::Config;
use crate::id::Id;
use crate::index::IndexFile;
use crate::key::KeyFile;
use crate::lock;
use crate::pack::{pack_length, parse_plain_header};
use crate::repository::record_value;
use crate::snapshot::Snapshot;
use crate::store::{Store, StoreSettings};
use crate::time::Timestamp;
use crate::tree::{self, Tree};

/// A name and what it does with any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets of this crate.
pub const TARGETS: [Target; 17] = [
    ("cache-bound", targets::bound),
    ("cache-head", targets::head),
    ("cache-objects", targets::objects),
    ("cache-record", targets::record),
    ("cache-relied", targets::relied),
    ("config", config),
    ("index", index),
    ("key", key),
    ("lock", a_lock),
    ("name", name),
    ("pack-header", pack_header),
    ("record", record),
    ("snapshot", snapshot),
    ("store-url", store_url),
    ("time", time),
    ("tree", tree),
    ("zstd", zstd),
];

/// The longest text that a compressed object may become here.
const EXPANDED: usize = 1 << 20;

fn config(bytes: &[u8]) {
    let Ok(config) = Config::from_json(bytes) else { return };
    assert!((1..=2).contains(&config.version));
    let again = config.to_json().and_then(|json| Config::from_json(&json));
    assert!(again.is_ok_and(|again| again == config));
}

fn index(bytes: &[u8]) {
    let Ok(file) = IndexFile::from_json("index/x", bytes) else { return };
    for pack in &file.packs {
        let entries: Vec<_> = pack.blobs.iter().map(crate::index::IndexedBlob::entry).collect();
        assert!(pack_length(&entries) >= 36);
    }
    let index = crate::index::of_one_file(&file);
    for (pack, entries) in index.by_pack() {
        assert!(entries.iter().all(|entry| index.locate(entry.kind, &entry.id).is_some()), "{pack}");
    }
}

/// The password's derivation is left out, since a key file may ask for seconds of work.
fn key(bytes: &[u8]) {
    let Ok(file) = KeyFile::from_json("keys/x", bytes) else { return };
    let again = file.to_json().and_then(|json| KeyFile::from_json("keys/x", &json));
    assert!(again.is_ok_and(|again| again.is_usable() == file.is_usable()));
}

fn a_lock(bytes: &[u8]) {
    assert!(lock::parse(bytes).is_none_or(|conflict| !conflict.to_string().is_empty()));
}

/// Any name survives its quoted form, and any text is either refused or the quoted form of something.
fn name(bytes: &[u8]) {
    assert!(tree::unquote(&tree::quoted(bytes)).is_some_and(|name| name == bytes));
    if let Some(name) = std::str::from_utf8(bytes).ok().and_then(tree::unquote) {
        assert!(name.len() <= bytes.len());
    }
}

fn pack_header(bytes: &[u8]) {
    let Ok(entries) = parse_plain_header(bytes) else { return };
    let mut end = 0;
    for entry in &entries {
        assert_eq!(u64::from(entry.offset), end, "blobs follow each other");
        end += u64::from(entry.length);
    }
    assert!(pack_length(&entries) >= end);
}

fn record(bytes: &[u8]) {
    let key = "stillpoint/backups/one";
    if let Some(value) = record_value(key, bytes) {
        assert_eq!(bytes.len(), value.len() + key.len() + 2);
    }
}

fn snapshot(bytes: &[u8]) {
    let Ok(snapshot) = Snapshot::from_json("snapshots/x", bytes) else { return };
    let again = snapshot.to_json().and_then(|json| Snapshot::from_json("snapshots/x", &json));
    assert!(again.is_ok_and(|again| again.tree == snapshot.tree && again.tags == snapshot.tags));
}

fn store_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(store) = Store::from_url(text, &StoreSettings::default()) {
        assert!(!store.description().is_empty());
    }
}

fn time(bytes: &[u8]) {
    let Some(time) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return;
    };
    // An offset may lead out of the years that the text form can say; those are clamped.
    let once = time.to_string().parse::<Timestamp>();
    assert!(once.is_ok_and(|once| once.to_string() == time.to_string()));
}

fn tree(bytes: &[u8]) {
    let id = Id::of(bytes);
    let Ok(tree) = Tree::decode(&id, bytes) else { return };
    for node in tree.nodes() {
        assert!(tree::is_valid_name(&node.name));
    }
    // What was read is written in one form only, whatever form it had.
    let written = tree.encode();
    let again = Tree::decode(&id, &written);
    assert!(again.is_ok_and(|again| again.encode() == written));
}

fn zstd(bytes: &[u8]) {
    if let Ok(data) = decompress_up_to(bytes, EXPANDED) {
        assert!(data.len() <= EXPANDED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corpora_and_their_mutations_find_no_fault() {
        for (name, target) in TARGETS {
            // Making a client loads the certificates that it trusts.
            let mutations = if name == "store-url" { 100 } else { 10_000 };
            stillpoint_testkit::fuzz::replay(name, 1, mutations, target);
        }
    }
}
