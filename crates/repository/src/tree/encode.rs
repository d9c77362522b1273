//! Writing tree blobs byte for byte as Go's `encoding/json` does, so that equal directories get equal ids.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Node, name};
use crate::id::Id;
use crate::time::Timestamp;

const BEGIN: &[u8] = b"{\"nodes\":[";
const END: &[u8] = b"]}\n";

pub(super) fn tree(nodes: &[Node]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nodes.len() * 512 + 16);
    out.extend_from_slice(BEGIN);
    nodes.iter().for_each(|node| append(&mut out, node));
    out.extend_from_slice(END);
    out
}

fn append(out: &mut Vec<u8>, node: &Node) {
    if out.len() > BEGIN.len() {
        out.push(b',');
    }
    write_node(out, node);
}

/// A listing that is written node by node, so that no more of it is in memory than its bytes.
#[derive(Debug)]
pub(crate) struct TreeWriter {
    out: Vec<u8>,
    last: Vec<u8>,
    count: usize,
    bytes_max: usize,
}

/// Why a listing cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unlistable {
    /// It would have more bytes or entries than a listing may have.
    TooLong,
    /// An entry is one that no directory can have.
    Invalid(String),
}

impl TreeWriter {
    /// A listing of at most so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { out: BEGIN.to_vec(), last: Vec::new(), count: 0, bytes_max }
    }

    /// Adds the next node in the order of names.
    pub(crate) fn push(&mut self, node: &Node) -> Result<(), Unlistable> {
        super::validate_node(node).map_err(Unlistable::Invalid)?;
        if self.count > 0 && self.last >= node.name {
            return Err(Unlistable::Invalid(super::out_of_order(node)));
        }
        append(&mut self.out, node);
        self.last.clone_from(&node.name);
        self.count += 1;
        let fits = self.out.len() + END.len() <= self.bytes_max && self.count <= super::MAX_NODES;
        if fits { Ok(()) } else { Err(Unlistable::TooLong) }
    }

    /// The whole listing.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(END);
        self.out
    }
}

/// Adds up the bytes of listings without keeping them.
#[derive(Debug)]
pub(crate) struct TreeMeter {
    node: Vec<u8>,
    bytes: usize,
    count: usize,
    bytes_max: usize,
}

impl TreeMeter {
    /// Of a listing of at most so many bytes.
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { node: Vec::new(), bytes: BEGIN.len() + END.len(), count: 0, bytes_max }
    }

    /// Adds a node, and says whether the listing is still one that can be stored.
    pub(crate) fn fits(&mut self, node: &Node) -> bool {
        self.node.clear();
        write_node(&mut self.node, node);
        self.bytes += self.node.len() + usize::from(self.count > 0);
        self.count += 1;
        self.bytes <= self.bytes_max && self.count <= super::MAX_NODES
    }
}

fn write_node(out: &mut Vec<u8>, node: &Node) {
    let mut quoted = String::with_capacity(node.name.len());
    name::quote(&node.name, &mut quoted);
    out.extend_from_slice(b"{\"name\":");
    string(out, quoted.as_bytes());
    out.extend_from_slice(b",\"type\":");
    string(out, node.kind.as_str().as_bytes());
    number_unless_zero(out, "mode", node.mode.bits().into());
    time(out, "mtime", node.mtime);
    time(out, "atime", node.atime);
    time(out, "ctime", node.ctime);
    number(out, "uid", node.uid.into());
    number(out, "gid", node.gid.into());
    string_unless_empty(out, "user", node.user.as_bytes());
    string_unless_empty(out, "group", node.group.as_bytes());
    number_unless_zero(out, "inode", node.inode);
    number_unless_zero(out, "device_id", node.device_id);
    number_unless_zero(out, "size", node.size);
    number_unless_zero(out, "links", node.links);
    write_link_target(out, &node.link_target);
    write_attributes(out, node);
    number_unless_zero(out, "device", node.device);
    field(out, "content");
    match &node.content {
        Some(ids) => write_ids(out, ids),
        None => out.extend_from_slice(b"null"),
    }
    if let Some(id) = &node.subtree {
        field(out, "subtree");
        write_id(out, id);
    }
    string_unless_empty(out, "error", node.error.as_bytes());
    out.push(b'}');
}

/// The text form loses bytes that are not UTF-8; the raw form is added only then, as restic does since 0.17.
fn write_link_target(out: &mut Vec<u8>, target: &[u8]) {
    string_unless_empty(out, "linktarget", target);
    if std::str::from_utf8(target).is_err() {
        field(out, "linktarget_raw");
        string(out, STANDARD.encode(target).as_bytes());
    }
}

fn write_attributes(out: &mut Vec<u8>, node: &Node) {
    if node.extended_attributes.is_empty() {
        return;
    }
    field(out, "extended_attributes");
    for (at, attribute) in node.extended_attributes.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[{\"name\":" } else { b",{\"name\":" });
        string(out, &attribute.name);
        out.extend_from_slice(b",\"value\":");
        string(out, STANDARD.encode(&attribute.value).as_bytes());
        out.push(b'}');
    }
    out.push(b']');
}

fn write_ids(out: &mut Vec<u8>, ids: &[Id]) {
    out.push(b'[');
    for (at, id) in ids.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_id(out, id);
    }
    out.push(b']');
}

fn write_id(out: &mut Vec<u8>, id: &Id) {
    out.push(b'"');
    id.write_hex(out);
    out.push(b'"');
}

fn field(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    field(out, name);
    out.extend_from_slice(value.to_string().as_bytes());
}

fn number_unless_zero(out: &mut Vec<u8>, name: &str, value: u64) {
    if value != 0 {
        number(out, name, value);
    }
}

fn time(out: &mut Vec<u8>, name: &str, time: Timestamp) {
    field(out, name);
    out.push(b'"');
    time.write(out);
    out.push(b'"');
}

fn string_unless_empty(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    if !text.is_empty() {
        field(out, name);
        string(out, text);
    }
}

/// A JSON string with exactly the escapes of Go, which also protects HTML and JavaScript.
///
/// Go writes the escape of U+FFFD, one per byte, for bytes that are no text, and U+FFFD itself as it is.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        chunk.valid().chars().for_each(|c| character(out, c));
        chunk.invalid().iter().for_each(|_| out.extend_from_slice(b"\\ufffd"));
    }
    out.push(b'"');
}

fn character(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '<' | '>' | '&' | '\0'..'\x20' | '\u{2028}' | '\u{2029}' => {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
        }
        _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ExtendedAttribute, Mode, NodeKind};
    use super::*;

    #[test]
    fn a_node_is_written_in_restics_field_order() {
        let mut node = Node::new(b"a<b>\n\xff", NodeKind::File);
        node.mode = Mode::from_unix(0o644);
        node.mtime = Timestamp::new(1, 500);
        (node.user, node.size, node.inode, node.links) = ("u".to_owned(), 3, 9, 1);
        node.content = Some(vec![Id::of(b"abc")]);
        node.extended_attributes.push(ExtendedAttribute::new(b"user.x", b"v"));
        let expected = concat!(
            r#"{"nodes":[{"name":"a\u003cb\u003e\\n\\xff","type":"file","mode":420,"#,
            r#""mtime":"1970-01-01T00:00:01.0000005Z","atime":"1970-01-01T00:00:00Z","ctime":"1970-01-01T00:00:00Z","#,
            r#""uid":0,"gid":0,"user":"u","inode":9,"size":3,"links":1,"#,
            r#""extended_attributes":[{"name":"user.x","value":"dg=="}],"#,
            r#""content":["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]}]}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(tree(&[node])).unwrap(), expected);
    }

    #[test]
    fn link_targets_that_are_no_text_are_kept_beside_their_text_form() {
        let mut node = Node::new(b"l", NodeKind::Symlink);
        node.link_target = b"a\xff\xfe".to_vec();
        let json = String::from_utf8(tree(&[node])).unwrap();
        assert!(
            json.contains(r#""linktarget":"a\ufffd\ufffd","linktarget_raw":"Yf/+","content":null"#),
            "{json}"
        );
    }

    #[test]
    fn a_listing_written_node_by_node_has_the_same_bytes_up_to_its_longest() {
        let nodes = [Node::new(b"a", NodeKind::Fifo), Node::new(b"b", NodeKind::Fifo)];
        let whole = tree(&nodes);
        let write = |nodes: &[&Node], bytes_max| {
            let mut writer = TreeWriter::new(bytes_max);
            nodes.iter().try_for_each(|node| writer.push(node)).map(|()| writer.finish())
        };
        assert_eq!(write(&[&nodes[0], &nodes[1]], whole.len()).unwrap(), whole);
        assert_eq!(write(&[], 20).unwrap(), tree(&[]));
        assert_eq!(write(&[&nodes[0], &nodes[1]], whole.len() - 1), Err(Unlistable::TooLong));
        assert!(matches!(write(&[&nodes[1], &nodes[0]], whole.len()), Err(Unlistable::Invalid(_))));
        assert!(matches!(write(&[&nodes[0], &nodes[0]], whole.len()), Err(Unlistable::Invalid(_))));
    }

    #[test]
    fn an_empty_directory_has_restics_bytes() {
        assert_eq!(tree(&[]), b"{\"nodes\":[]}\n");
    }
}
