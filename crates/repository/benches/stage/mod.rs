//! The stages, each by name with a fixed input, shared by the timed and the counted bench.

use std::hint::black_box;

use stillpoint_repository::stages::{Pack, Sealed, Stages, index};
use stillpoint_repository::tree::{Node, NodeKind, Tree};
use stillpoint_repository::{BlobKind, Id};

/// One stage: its name, the bytes it works on, and the work.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) bytes: u64,
    pub(crate) work: Box<dyn FnMut()>,
}

/// Every stage with inputs of about `size` bytes.
pub(crate) fn all(size: usize) -> Vec<Stage> {
    let (text, noise) = (text(size), noise(size));
    let bytes = size as u64;
    let mut stages = Vec::new();
    let mut add = |name, bytes, work: Box<dyn FnMut()>| stages.push(Stage { name, bytes, work });

    let (kit, data) = (Stages::new().unwrap(), noise.clone());
    add("chunk", bytes, boxed(move || kit.chunk(&data).unwrap()));
    let data = noise.clone();
    add("hash", bytes, boxed(move || Id::of(&data)));
    for (name, data) in [("compress text", &text), ("compress noise", &noise)] {
        let (kit, data) = (Stages::new().unwrap(), data.clone());
        add(name, bytes, boxed(move || kit.compress(&data).unwrap()));
    }
    let kit = Stages::new().unwrap();
    let compressed = kit.compress(&text).unwrap();
    add("decompress text", bytes, boxed(move || kit.decompress(&compressed, size).unwrap()));
    let (kit, data) = (Stages::new().unwrap(), noise.clone());
    add("encrypt", bytes, boxed(move || kit.encrypt(&data).unwrap()));
    let kit = Stages::new().unwrap();
    let sealed = kit.encrypt(&noise).unwrap();
    add("decrypt", bytes, boxed(move || kit.decrypt(&sealed).unwrap()));
    for (name, data) in [("seal text", &text), ("seal noise", &noise)] {
        let (kit, data) = (Stages::new().unwrap(), data.clone());
        add(name, bytes, boxed(move || kit.seal(&data).unwrap()));
    }
    for (name, verifies) in [("pack", false), ("verify pack", true)] {
        let kit = Stages::new().unwrap();
        let blobs: Vec<Sealed> = text.chunks(64 << 10).map(|blob| kit.seal(blob).unwrap()).collect();
        let pack: Pack = kit.pack(&blobs).unwrap();
        let work = if verifies {
            boxed(move || kit.verify(&pack).unwrap())
        } else {
            boxed(move || kit.pack(&blobs).unwrap())
        };
        add(name, bytes, work);
    }
    let tree = tree(size / 400);
    let json = tree.encode();
    let (length, id) = (json.len() as u64, Id::of(&json));
    add("encode tree", length, boxed(move || tree.encode()));
    add("decode tree", length, boxed(move || Tree::decode(&id, &json).unwrap()));
    let packs = u32::try_from(size / 10_000).unwrap();
    add("fill index", u64::from(packs) * 100, boxed(move || index(packs)));
    let filled = index(packs);
    let names: Vec<Id> = (0..packs * 100).map(|number| Id::of(&number.to_le_bytes())).collect();
    let lookups = names.len() as u64;
    let look_up = move || {
        let found = names.iter().filter(|name| filled.contains(BlobKind::Data, name)).count();
        assert_eq!(found as u64, lookups);
    };
    add("look up index", lookups, Box::new(look_up));
    stages
}

/// Work whose outcome the compiler must believe to be needed.
fn boxed<T>(mut work: impl FnMut() -> T + 'static) -> Box<dyn FnMut()> {
    Box::new(move || {
        black_box(work());
    })
}

/// 64-bit xorshift, so that every run and every machine has the same input.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn text(length: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "self",
        "tensor",
        "return",
        "index",
        "for",
        "layer",
        "import",
        "batch",
        "(",
        ")",
        "=",
        "\n    ",
        "loss",
        "None",
        "0.125",
        "optimizer",
    ];
    let mut text = Vec::with_capacity(length + 16);
    for byte in noise(length) {
        if text.len() >= length {
            break;
        }
        text.extend_from_slice(WORDS[usize::from(byte & 15)].as_bytes());
        text.push(b' ');
        if byte > 200 {
            text.extend_from_slice(byte.to_string().as_bytes());
        }
    }
    text.truncate(length);
    text
}

fn tree(files: usize) -> Tree {
    let nodes = (0..files).map(|number| {
        let name = format!("module_{number:05}.py").into_bytes();
        let mut node = Node::new(name, NodeKind::File);
        node.size = number as u64 * 37;
        node.content = Some(vec![Id::of(&number.to_le_bytes())]);
        node
    });
    Tree::new(nodes.collect()).unwrap()
}
