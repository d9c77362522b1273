//! Reading tree blobs.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{ExtendedAttribute, MAX_NODES, Mode, Node, NodeKind, name};
use crate::id::Id;
use crate::time::Timestamp;

pub(super) fn nodes(json: &[u8]) -> serde_json::Result<Vec<Node>> {
    serde_json::from_slice::<Object<TreeJson>>(json).map(|tree| tree.0.nodes.0)
}

/// A JSON object and nothing else: a list of values would be taken for the fields in the order of their declaration.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

#[derive(Deserialize)]
struct TreeJson {
    #[serde(default)]
    nodes: Nodes,
}

/// Converted one by one, so that the JSON form of a large directory is never held as a whole.
#[derive(Default)]
struct Nodes(Vec<Node>);

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodesVisitor;
        impl<'de> Visitor<'de> for NodesVisitor {
            type Value = Nodes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of nodes")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Nodes, E> {
                Ok(Nodes::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Nodes, A::Error> {
                let mut nodes = Vec::new();
                while let Some(json) = seq.next_element::<Object<NodeJson<'de>>>()? {
                    if nodes.len() == MAX_NODES {
                        return Err(de::Error::custom("too many nodes"));
                    }
                    nodes.push(json.0.into_node().map_err(de::Error::custom)?);
                }
                Ok(Nodes(nodes))
            }
        }
        deserializer.deserialize_any(NodesVisitor)
    }
}

/// A node as restic and rustic write it; rustic leaves out, or writes as null, whatever it does not know.
#[derive(Deserialize)]
struct NodeJson<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    mode: Option<Mode>,
    mtime: Option<Timestamp>,
    atime: Option<Timestamp>,
    ctime: Option<Timestamp>,
    uid: Option<u32>,
    gid: Option<u32>,
    user: Option<String>,
    group: Option<String>,
    inode: Option<u64>,
    device_id: Option<u64>,
    size: Option<u64>,
    links: Option<u64>,
    linktarget: Option<String>,
    linktarget_raw: Option<String>,
    extended_attributes: Option<Vec<Object<AttributeJson>>>,
    device: Option<u64>,
    content: Option<Vec<Id>>,
    subtree: Option<Id>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct AttributeJson {
    name: String,
    value: Option<String>,
}

impl NodeJson<'_> {
    fn into_node(self) -> Result<Node, String> {
        let name = name::unquote(&self.name)
            .ok_or_else(|| format!("the name {:?} is not quoted well", self.name))?;
        let mut node = Node::new(name, NodeKind::parse(&self.kind));
        node.mode = self.mode.unwrap_or_default();
        node.mtime = self.mtime.unwrap_or_default();
        node.atime = self.atime.unwrap_or(node.mtime);
        node.ctime = self.ctime.unwrap_or(node.mtime);
        node.uid = self.uid.unwrap_or_default();
        node.gid = self.gid.unwrap_or_default();
        node.user = self.user.unwrap_or_default();
        node.group = self.group.unwrap_or_default();
        node.inode = self.inode.unwrap_or_default();
        node.device_id = self.device_id.unwrap_or_default();
        node.size = self.size.unwrap_or_default();
        node.links = self.links.unwrap_or_default();
        node.link_target = match self.linktarget_raw {
            Some(raw) => decode_base64(&raw)?,
            None => self.linktarget.unwrap_or_default().into_bytes(),
        };
        for Object(AttributeJson { name, value }) in self.extended_attributes.unwrap_or_default() {
            let value = value.as_deref().map_or_else(|| Ok(Vec::new()), decode_base64)?;
            node.extended_attributes.push(ExtendedAttribute::new(name, value));
        }
        node.device = self.device.unwrap_or_default();
        (node.content, node.subtree) = (self.content, self.subtree);
        node.error = self.error.unwrap_or_default();
        Ok(node)
    }
}

fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("a value is not base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unknown_fields_and_types_are_tolerated() {
        let json = br#"{"other":1,"nodes":[{"name":"n","type":"door","mtime":"2020-01-01T00:00:00Z",
            "atime":"2020-01-01T00:00:00+01:00","ctime":"2020-01-01T00:00:00Z","uid":0,"gid":0,"content":null,
            "generic_attributes":{"windows.creation_time":"x"}}]}"#;
        let nodes = nodes(json).unwrap();
        assert_eq!(nodes[0].kind, NodeKind::Irregular);
        let sparse = br#"{"nodes":[{"name":"home","type":"dir","mtime":null,"subtree":null}]}"#;
        assert_eq!(super::nodes(sparse).unwrap(), [Node::new(b"home", NodeKind::Dir)]);
        assert_eq!(super::nodes(b"{\"nodes\":null}\n").unwrap(), []);
    }

    #[test]
    fn lists_are_no_objects() {
        let attribute = br#"{"nodes":[{"name":"n","type":"file","extended_attributes":[["user.a",null]]}]}"#;
        let node = format!("{{\"nodes\":[[\"n\",\"file\"{}]]}}", ",null".repeat(20));
        for json in [&b"[]"[..], b"[[]]", b"[null]", attribute, node.as_bytes()] {
            assert!(nodes(json).is_err(), "{}", json.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(json in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(nodes(&json));
        }
    }
}
