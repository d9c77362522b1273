//! Directory listings: restic's tree blobs and the nodes in them.

mod decode;
mod encode;
mod mode;
mod name;
mod node;

pub(crate) use encode::{TreeMeter, TreeWriter, Unlistable};
pub use mode::Mode;
pub use node::{ExtendedAttribute, Node, NodeKind};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use name::{quoted, unquote};

use crate::error::{Error, Result};
use crate::id::Id;

/// Longest name a node may have, in bytes: what Linux file systems allow.
pub const MAX_NAME: usize = 255;
/// Most entries one directory may have.
pub const MAX_NODES: usize = 4 << 20;
/// Most extended attributes one node may have.
pub const MAX_ATTRIBUTES: usize = 4096;

/// The entries of one directory, in ascending order of their names' bytes, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// Sorts `nodes` into a listing.
    ///
    /// # Errors
    /// `InvalidInput` if a name is one that no directory can hold, or occurs twice.
    pub fn new(mut nodes: Vec<Node>) -> Result<Self> {
        nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        validate(&nodes)
            .map_err(|fault| Error::invalid(format!("the directory cannot be stored: {fault}")))?;
        Ok(Self { nodes })
    }

    /// Reads a tree blob that was found under `id`.
    ///
    /// Hostile input is expected: names, order, counts and sizes are checked before anything is returned.
    ///
    /// # Errors
    /// `Corrupt` if it is not a valid listing.
    pub fn decode(id: &Id, json: &[u8]) -> Result<Self> {
        let object = || format!("tree {id}");
        let nodes = decode::nodes(json).map_err(|source| {
            Error::corrupt(object(), "it is not a directory listing").with_source(source)
        })?;
        validate(&nodes).map_err(|fault| Error::corrupt(object(), fault))?;
        Ok(Self { nodes })
    }

    /// The bytes of the tree blob: the same for the same nodes, and the same as restic's.
    pub fn encode(&self) -> Vec<u8> {
        encode::tree(&self.nodes)
    }

    /// The nodes in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes in order, by value.
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// The node called `name`.
    pub fn find(&self, name: &[u8]) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|node| node.name.as_slice().cmp(name)).ok()?;
        self.nodes.get(at)
    }
}

/// True if a directory can hold an entry of this name.
pub fn is_valid_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name != b"."
        && name != b".."
        && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}

fn validate(nodes: &[Node]) -> Result<(), String> {
    if nodes.len() > MAX_NODES {
        return Err(format!("it has {} entries, more than {MAX_NODES}", nodes.len()));
    }
    nodes.iter().try_for_each(validate_node)?;
    match nodes.windows(2).find(|pair| pair[0].name >= pair[1].name) {
        Some(pair) => Err(out_of_order(&pair[1])),
        None => Ok(()),
    }
}

fn validate_node(node: &Node) -> Result<(), String> {
    let shown = || node.name.escape_ascii();
    if !is_valid_name(&node.name) {
        return Err(format!("the entry name \"{}\" is not allowed", shown()));
    }
    if node.kind == NodeKind::Dir && node.subtree.is_none() {
        return Err(format!("the directory \"{}\" has no listing", shown()));
    }
    if node.extended_attributes.len() > MAX_ATTRIBUTES {
        return Err(format!("the entry \"{}\" has too many extended attributes", shown()));
    }
    Ok(())
}

fn out_of_order(node: &Node) -> String {
    format!("the entry \"{}\" occurs twice or out of order", node.name.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &[u8]) -> Node {
        let mut node = Node::new(name, NodeKind::File);
        node.content = Some(Vec::new());
        node
    }

    #[test]
    fn a_listing_survives_its_blob_form() {
        let mut link = Node::new(b"link", NodeKind::Symlink);
        link.link_target = b"a\xff\"<b>\n".to_vec();
        let mut dir = Node::new(b"dir \xe2\x98\x83", NodeKind::Dir);
        dir.subtree = Some(Id::of(b"sub"));
        let mut rich = file(b"z\xff\\\"\x01\x7f\xc2\xad");
        rich.mode = Mode::from_unix(0o4755);
        rich.content = Some(vec![Id::of(b"1"), Id::of(b"2")]);
        rich.extended_attributes.push(ExtendedAttribute::new(b"user.k", b"\x00v"));
        rich.extended_attributes.push(ExtendedAttribute::new(b"user.empty", b""));
        (rich.user, rich.group) = ("root & co".to_owned(), "wheel".to_owned());
        (rich.inode, rich.device_id, rich.size, rich.links, rich.uid) = (u64::MAX, 2, 3, 4, 5);
        let tree = Tree::new(vec![rich, link, dir, file(b"a")]).unwrap();
        let json = tree.encode();
        let id = Id::of(&json);
        assert_eq!(Tree::decode(&id, &json).unwrap(), tree);
        assert!(tree.find(b"link").is_some() && tree.find(b"lin").is_none());
    }

    #[test]
    fn names_that_escape_and_repeat_are_refused() {
        for name in ["", ".", "..", "a/b", "/", "a\0b", &"x".repeat(256)] {
            assert!(Tree::new(vec![file(name.as_bytes())]).is_err(), "{name:?}");
        }
        assert!(Tree::new(vec![file(b"a"), file(b"a")]).is_err());
        let id = Id::of(b"");
        let entry = |name: &str| {
            let times = r#""mtime":"2020-01-01T00:00:00Z","atime":"2020-01-01T00:00:00Z","ctime":"2020-01-01T00:00:00Z""#;
            format!(r#"{{"name":"{name}","type":"file",{times},"uid":0,"gid":0,"content":[]}}"#)
        };
        let tree = |names: &[&str]| {
            format!(
                "{{\"nodes\":[{}]}}\n",
                names.iter().map(|name| entry(name)).collect::<Vec<_>>().join(",")
            )
        };
        assert_eq!(Tree::decode(&id, tree(&["a", "b"]).as_bytes()).unwrap().nodes().len(), 2);
        for names in
            [&["b", "a"][..], &["a", "a"], &["..", "a"], &["a/b"], &[r"a\\x00"], &[r"a\\x2fb"], &[r"a\\q"]]
        {
            assert!(Tree::decode(&id, tree(names).as_bytes()).is_err(), "{names:?}");
        }
    }

    #[test]
    fn a_directory_without_listing_is_refused() {
        assert!(Tree::new(vec![Node::new(b"d", NodeKind::Dir)]).is_err());
    }
}
