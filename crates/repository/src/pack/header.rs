//! The header at the end of a pack: `sealed entries ‖ length of that in 4 bytes, little endian`.

use super::PackEntry;
use crate::blob::BlobKind;
use crate::crypto::{OVERHEAD, SealingKey};
use crate::error::Result;
use crate::id::Id;

/// Longest header stock restic accepts.
pub(crate) const MAX_HEADER: usize = 16 << 20;
/// Bytes of the length field.
const LENGTH: usize = 4;
const ID: usize = 32;
/// Bytes of a header entry without and with the plaintext length, and of seal and length field.
const ENTRY: u64 = 1 + 4 + 32;
const COMPRESSED_ENTRY: u64 = ENTRY + 4;
const FIXED: u64 = 32 + 4;

/// Appends the sealed header and its length to `pack`.
pub(super) fn append_header(key: &SealingKey, entries: &[PackEntry], pack: &mut Vec<u8>) -> Result<()> {
    let mut header = Vec::with_capacity(entries.len() * (1 + 4 + 4 + ID));
    for entry in entries {
        let kind = match entry.kind {
            BlobKind::Data => 0,
            BlobKind::Tree => 1,
        };
        match entry.uncompressed_length {
            None => {
                header.push(kind);
                header.extend_from_slice(&entry.length.to_le_bytes());
            }
            Some(uncompressed) => {
                header.push(kind + 2);
                header.extend_from_slice(&entry.length.to_le_bytes());
                header.extend_from_slice(&uncompressed.to_le_bytes());
            }
        }
        header.extend_from_slice(entry.id.as_bytes());
    }
    let start = pack.len();
    pack.reserve_exact(header.len() + OVERHEAD + LENGTH);
    key.seal_into(&header, pack)?;
    let length = u32::try_from(pack.len() - start).unwrap_or(u32::MAX);
    pack.extend_from_slice(&length.to_le_bytes());
    Ok(())
}

/// The length of a pack that holds exactly `entries`.
pub(crate) fn pack_length(entries: &[PackEntry]) -> u64 {
    let entry = |entry: &PackEntry| {
        u64::from(entry.length) + if entry.uncompressed_length.is_some() { COMPRESSED_ENTRY } else { ENTRY }
    };
    entries.iter().map(entry).sum::<u64>() + FIXED
}

/// The length of the sealed header, from the last bytes of a pack of `size` bytes.
pub(crate) fn header_length(tail: &[u8], size: u64) -> Result<usize, String> {
    let field: [u8; LENGTH] = tail.last_chunk().copied().ok_or("it is too short for a header")?;
    let length = usize::try_from(u32::from_le_bytes(field)).unwrap_or(usize::MAX);
    let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(LENGTH);
    if length < OVERHEAD || length > room || length > MAX_HEADER {
        return Err(format!("its header cannot be {length} bytes long"));
    }
    Ok(length)
}

/// Opens the sealed header, without its length field, of a pack of `size` bytes and checks that its entries fill
/// the pack exactly.
pub(crate) fn parse_header(key: &SealingKey, sealed: &[u8], size: u64) -> Result<Vec<PackEntry>, String> {
    let plain = key.open(sealed).map_err(|error| format!("its header is not authentic: {error}"))?;
    let entries = parse_plain_header(&plain)?;
    let offset = entries.last().map_or(0, |entry| entry.offset.saturating_add(entry.length));
    let described = u64::from(offset) + u64::try_from(sealed.len() + LENGTH).unwrap_or(u64::MAX);
    if described != size {
        return Err(format!("its header describes {described} bytes, the pack has {size}"));
    }
    Ok(entries)
}

/// The entries that an opened header lists.
pub(crate) fn parse_plain_header(plain: &[u8]) -> Result<Vec<PackEntry>, String> {
    let mut entries = Vec::new();
    let mut rest = plain;
    let mut offset = 0_u32;
    while !rest.is_empty() {
        let (entry, after) = parse_entry(rest, offset).ok_or("its header has a malformed entry")?;
        offset = offset.checked_add(entry.length).ok_or("its header describes more than 4 GiB")?;
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

fn parse_entry(bytes: &[u8], offset: u32) -> Option<(PackEntry, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (length, mut rest) = parse_u32(rest)?;
    let mut uncompressed_length = None;
    if kind >= 2 {
        let (uncompressed, after) = parse_u32(rest)?;
        (uncompressed_length, rest) = (Some(uncompressed), after);
    }
    let kind = match kind {
        0 | 2 => BlobKind::Data,
        1 | 3 => BlobKind::Tree,
        _ => return None,
    };
    let (id, rest) = rest.split_first_chunk::<ID>()?;
    let entry = PackEntry { kind, id: Id::from_bytes(*id), offset, length, uncompressed_length };
    Some((entry, rest))
}

fn parse_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(kind: BlobKind, offset: u32, length: u32, uncompressed_length: Option<u32>) -> PackEntry {
        PackEntry { kind, id: Id::of(&offset.to_le_bytes()), offset, length, uncompressed_length }
    }

    #[test]
    fn a_header_survives_its_sealed_form() {
        let key = SealingKey::generate().unwrap();
        let entries = [
            entry(BlobKind::Data, 0, 40, None),
            entry(BlobKind::Tree, 40, 50, Some(100)),
            entry(BlobKind::Data, 90, 60, Some(61)),
            entry(BlobKind::Tree, 150, 32, None),
        ];
        let mut pack = vec![0; 182];
        append_header(&key, &entries, &mut pack).unwrap();
        let size = u64::try_from(pack.len()).unwrap();
        let length = header_length(&pack, size).unwrap();
        let sealed = &pack[pack.len() - LENGTH - length..pack.len() - LENGTH];
        assert_eq!(parse_header(&key, sealed, size).unwrap(), entries);
        assert!(parse_header(&key, sealed, size + 1).is_err());
        assert_eq!(pack_length(&entries), size);
    }

    proptest! {
        #[test]
        fn any_plaintext_is_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(header_length(&bytes, 100));
            if let Some((entry, _)) = parse_entry(&bytes, 0) {
                prop_assert!(bytes.len() >= 37, "{:?}", entry);
            }
        }
    }
}
