//! Malicious snapshots, written listing by listing as an attacker with the password would.

use std::path::Path;

use serde_json::{Value, json};
use stillpoint_localfs::{ExtractOptions, Landing};
use stillpoint_repository::{
    BlobKind, BlobWriter, Id, Repository, RestoreOptions, Snapshot, Timestamp, WriterOptions,
};

/// What a restore of a malicious snapshot must come to. Nothing outside the target changes in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It fails, or lists what it left out.
    Noticed,
    /// It is legal though odd: nothing needs to be said.
    Harmless,
}

/// What is done to the target, and to the folder outside, before a restore.
type Prepare = Box<dyn Fn(&Path, &Path) + Send + Sync>;

/// One malicious snapshot and the target it is restored into.
pub(super) struct Case {
    pub(super) label: String,
    /// The listing at the top, and any others it names.
    pub(super) listings: Vec<Vec<u8>>,
    pub(super) outcome: Outcome,
    pub(super) landing: Landing,
    /// Fills the target before the restore; it also gets the folder outside.
    pub(super) prepare: Prepare,
}

impl Case {
    /// A top listing of these nodes for an empty target.
    pub(super) fn new(label: impl Into<String>, nodes: &[Value]) -> Self {
        Self::raw(label, listing(nodes))
    }

    /// A top listing of these very bytes.
    pub(super) fn raw(label: impl Into<String>, top: Vec<u8>) -> Self {
        Self {
            label: label.into(),
            listings: vec![top],
            outcome: Outcome::Noticed,
            landing: Landing::EmptyTarget,
            prepare: Box::new(|_, _| {}),
        }
    }

    pub(super) fn harmless(mut self) -> Self {
        self.outcome = Outcome::Harmless;
        self
    }

    /// With further listings, which nodes name by [`id_of`].
    pub(super) fn with(mut self, listings: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.listings.extend(listings);
        self
    }

    pub(super) fn landing(mut self, landing: Landing) -> Self {
        self.landing = landing;
        self
    }

    pub(super) fn prepared(mut self, prepare: impl Fn(&Path, &Path) + Send + Sync + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    pub(super) fn options(&self) -> RestoreOptions {
        let mut options = RestoreOptions::new("op");
        options.extract = ExtractOptions::landing(self.landing);
        options.repeated_entries_max = 1000;
        options
    }
}

/// Stores all cases, and one blob of file content called [`CONTENT`]; answers with their snapshots.
pub(super) async fn store(repository: &Repository, cases: &[Case]) -> Vec<Id> {
    let writer = BlobWriter::new(repository, WriterOptions::default()).await.unwrap();
    writer.add(BlobKind::Data, Id::of(CONTENT), CONTENT.to_vec()).await.unwrap();
    let mut snapshots = Vec::new();
    for case in cases {
        for listing in &case.listings {
            writer.add(BlobKind::Tree, Id::of(listing), listing.clone()).await.unwrap();
        }
        let top = Id::of(&case.listings[0]);
        let time = Timestamp::new(1_700_000_000 + snapshots.len() as i64, 0);
        snapshots.push(Snapshot::new(time, top, Vec::new(), repository.origin()));
    }
    writer.finish().await.unwrap();
    let mut ids = Vec::new();
    for snapshot in &snapshots {
        ids.push(repository.save_snapshot(snapshot).await.unwrap());
    }
    ids
}

/// What every malicious file holds.
pub(super) const CONTENT: &[u8] = b"evil";

/// The name of a listing or blob as nodes write it.
pub(super) fn id_of(bytes: &[u8]) -> String {
    Id::of(bytes).to_hex()
}

/// The bytes of a listing, in the order given.
pub(super) fn listing(nodes: &[Value]) -> Vec<u8> {
    serde_json::to_vec(&json!({ "nodes": nodes })).unwrap()
}

/// An empty listing.
pub(super) fn empty() -> Vec<u8> {
    listing(&[])
}

/// A node of a kind with nothing wrong about it but its name.
pub(super) fn node(kind: &str, name: &str) -> Value {
    let time = "2020-01-01T00:00:00Z";
    let mut node = json!({
        "name": name, "type": kind, "mode": 0o644, "mtime": time, "atime": time, "ctime": time,
        "uid": 0, "gid": 0, "inode": 7, "device_id": 1, "links": 1, "content": null,
    });
    match kind {
        "file" => {
            node["content"] = json!([id_of(CONTENT)]);
            node["size"] = json!(CONTENT.len());
        }
        "dir" => {
            // A directory's mode has Go's bit for one.
            node["mode"] = json!(0x8000_01ed_u32);
            node["subtree"] = json!(id_of(&empty()));
        }
        "symlink" => node["linktarget"] = json!("../outside/canary"),
        _ => {}
    }
    node
}

/// A node with one field changed.
pub(super) fn changed(kind: &str, name: &str, field: &str, value: Value) -> Value {
    let mut node = node(kind, name);
    node[field] = value;
    node
}

/// A directory node with these entries, and the listing it names.
pub(super) fn folder(name: &str, entries: &[Value]) -> (Value, Vec<u8>) {
    let below = listing(entries);
    (changed("dir", name, "subtree", json!(id_of(&below))), below)
}
