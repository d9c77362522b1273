//! The parsers of cached files as functions of bytes. Where a file ends in a checksum, what is given is sealed with one
//! first: nothing else would ever get past it.

use super::bound::Bound;
use super::codec::{self, Reader};
use super::head::{Head, TAIL};
use super::objects;
use super::record::Record;
use super::relied::Relied;

fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    codec::seal(&mut out, 0);
    out
}

pub(crate) fn bound(bytes: &[u8]) {
    let Some(bound) = Bound::decode(&sealed(bytes)) else { return };
    assert_eq!(Bound::decode(&bound.encode()), Some(bound));
}

pub(crate) fn head(bytes: &[u8]) {
    let Some(head) = Head::decode(&sealed(bytes)) else { return };
    for number in 0..head.directories() {
        assert!(head.place(number).is_some());
    }
    assert!(head.find((0, 1)).is_none_or(|place| place.key == (0, 1)));
    let whole = head.encode(0);
    let (body, tail) = whole.split_at(whole.len() - TAIL);
    let place = tail.first_chunk().and_then(|tail| Head::locate(tail, whole.len() as u64));
    assert_eq!(place, Some(0..body.len() as u64));
    assert_eq!(Head::decode(body), Some(head));
}

pub(crate) fn objects(bytes: &[u8]) {
    let Some(objects) = objects::decode(&sealed(bytes)) else { return };
    assert_eq!(objects::decode(&objects::encode(&objects)), Some(objects));
}

pub(crate) fn relied(bytes: &[u8]) {
    let Some((generation, relied)) = Relied::decode(&sealed(bytes)) else { return };
    assert!(relied.indexes.len() + relied.packs.len() <= bytes.len() / 32);
    assert_eq!(Relied::decode(&relied.encode(generation)), Some((generation, relied)));
}

pub(crate) fn record(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut before = reader.remaining();
    while let Some(record) = Record::read(&mut reader, 1) {
        assert!(record.attributes().len() <= bytes.len() && record.name.len() <= bytes.len());
        assert!(record.subtree().is_none() || bytes.len() > 32);
        assert!(reader.remaining() < before, "each record takes some bytes");
        before = reader.remaining();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_in_the_corpora_are_read() {
        let read =
            |name: &str| std::fs::read(stillpoint_testkit::fuzz::corpus_folder(name).join("whole")).unwrap();
        assert!(Bound::decode(&sealed(&read("cache-bound"))).is_some_and(|bound| bound.snapshots.len() == 2));
        assert!(Head::decode(&sealed(&read("cache-head"))).is_some_and(|head| head.directories() == 3));
        assert!(objects::decode(&sealed(&read("cache-objects"))).is_some_and(|objects| objects.len() == 2));
        let relied = Relied::decode(&sealed(&read("cache-relied"))).unwrap().1;
        assert_eq!((relied.indexes.len(), relied.packs.len()), (2, 1));
        let records = read("cache-record");
        let mut reader = Reader::new(&records);
        let found = std::iter::from_fn(|| Record::read(&mut reader, 1)).map(|record| record.name.to_vec());
        assert_eq!(found.collect::<Vec<_>>(), [&b"file"[..], b"dir", b"link"]);
    }
}
