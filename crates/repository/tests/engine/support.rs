//! What the tests share.

use std::collections::BTreeMap;
use std::path::Path;

use stillpoint_repository::tree::{Mode, Node, NodeKind, Tree};
use stillpoint_repository::{
    BlobKind, BlobWriter, Credentials, Id, Origin, Repository, Snapshot, Store, StoreSettings, Timestamp,
    WriterOptions,
};

pub(crate) const PASSWORD: &str = "a password that is long enough for machines";

/// Credentials that open quickly.
pub(crate) fn credentials() -> Credentials {
    Credentials::machine_key(PASSWORD.to_owned()).unwrap()
}

pub(crate) fn local(dir: &Path) -> Store {
    Store::from_url(dir.to_str().unwrap(), &StoreSettings::default()).unwrap()
}

pub(crate) async fn create(store: Store) -> Repository {
    Repository::init(store, &credentials(), Origin::detect()).await.unwrap()
}

pub(crate) async fn open(store: Store) -> Repository {
    Repository::open(store, &credentials(), Origin::detect()).await.unwrap()
}

/// Files by path; one blob each.
pub(crate) type Files<'a> = BTreeMap<&'a str, Vec<u8>>;

pub(crate) fn some_files() -> Files<'static> {
    BTreeMap::from([
        ("empty", Vec::new()),
        ("notes.txt", b"mind the gap\n".to_vec()),
        ("sub/deeper/text", "all quiet on the western front ".repeat(5000).into_bytes()),
        ("sub/noise", noise(7, 300_000)),
        ("sub/zero", vec![0; 100_000]),
    ])
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// Writes `files` as one snapshot and returns its identifier.
pub(crate) async fn save(repository: &Repository, files: &Files<'_>) -> Id {
    save_after(repository, files, None).await
}

/// Writes `files` as one snapshot that was built on `parent`.
pub(crate) async fn save_after(repository: &Repository, files: &Files<'_>, parent: Option<Id>) -> Id {
    let writer = BlobWriter::new(repository, WriterOptions::default()).await.unwrap();
    let tree =
        save_folder(&writer, files.iter().map(|(path, data)| (*path, data.as_slice())).collect()).await;
    writer.finish().await.unwrap();
    let paths = vec!["/workspace".to_owned()];
    let mut snapshot = Snapshot::new(Timestamp::new(1_700_000_000, 5), tree, paths, repository.origin());
    snapshot.parent = parent;
    repository.save_snapshot(&snapshot).await.unwrap()
}

async fn save_folder(writer: &BlobWriter, files: Vec<(&str, &[u8])>) -> Id {
    let mut nodes = Vec::new();
    let mut folders: BTreeMap<&str, Vec<(&str, &[u8])>> = BTreeMap::new();
    for (path, data) in files {
        match path.split_once('/') {
            Some((folder, rest)) => folders.entry(folder).or_default().push((rest, data)),
            None => nodes.push(save_file(writer, path, data).await),
        }
    }
    for (name, files) in folders {
        let mut node = Node::new(name, NodeKind::Dir);
        node.mode = Mode::from_unix(0o040_755);
        node.subtree = Some(Box::pin(save_folder(writer, files)).await);
        nodes.push(node);
    }
    let json = Tree::new(nodes).unwrap().encode();
    let id = Id::of(&json);
    writer.add(BlobKind::Tree, id, json).await.unwrap();
    id
}

async fn save_file(writer: &BlobWriter, name: &str, data: &[u8]) -> Node {
    let mut node = Node::new(name, NodeKind::File);
    node.mode = Mode::from_unix(0o100_644);
    node.mtime = Timestamp::new(1_600_000_000, 123_456_789);
    node.size = u64::try_from(data.len()).unwrap();
    let mut content = Vec::new();
    if !data.is_empty() {
        let id = Id::of(data);
        writer.add(BlobKind::Data, id, data.to_vec()).await.unwrap();
        content.push(id);
    }
    node.content = Some(content);
    node
}

/// Reads a whole snapshot back: path and content of every file.
pub(crate) async fn read_back(repository: &Repository, tree: Id) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![(String::new(), tree)];
    while let Some((prefix, id)) = waiting.pop() {
        let json = repository.load_blob(BlobKind::Tree, &id).await.unwrap();
        for node in Tree::decode(&id, &json).unwrap().into_nodes() {
            let path = format!("{prefix}{}", node.name.escape_ascii());
            if let Some(subtree) = node.subtree {
                waiting.push((path + "/", subtree));
            } else if let Some(content) = node.content {
                let blobs = repository.load_blobs(BlobKind::Data, &content).await.unwrap();
                files.insert(path, blobs.concat());
            }
        }
    }
    files
}
