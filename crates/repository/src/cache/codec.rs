//! Reading and writing the small binary forms of cached files.

use crate::id::Id;

/// Bytes of a checksum: the beginning of a SHA-256, against damage and not against forgery.
pub(super) const CHECK: usize = 8;

/// Appends the checksum of everything from `start` on.
pub(super) fn seal(out: &mut Vec<u8>, start: usize) {
    let check = check_of(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&check);
}

/// What a checksum was appended to; `None` if it does not fit.
pub(super) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK)?)?;
    (check == check_of(body)).then_some(body)
}

fn check_of(bytes: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&Id::of(bytes).as_bytes()[..CHECK]);
    check
}

/// Appends a number in as few bytes as it needs: seven bits a byte, the lowest first.
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a signed number so that those near zero are short.
pub(super) fn signed(out: &mut Vec<u8>, value: i64) {
    number(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Appends bytes with their length before them.
pub(super) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    number(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Bytes yet to be read. Every method answers `None` where they do not hold what is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.small()?;
        self.take(length)
    }

    pub(super) fn id(&mut self) -> Option<Id> {
        self.array().map(Id::from_bytes)
    }

    /// As many ids as are said to follow, as they lie there.
    pub(super) fn ids(&mut self) -> Option<&'a [u8]> {
        let count: usize = self.small()?;
        self.take(count.checked_mul(32)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_bytes_are_read_as_they_were_written(
            value in any::<u64>(), sign in any::<i64>(), data in any::<Vec<u8>>(), rest in any::<Vec<u8>>(),
        ) {
            let mut out = Vec::new();
            number(&mut out, value);
            signed(&mut out, sign);
            bytes(&mut out, &data);
            out.extend_from_slice(&rest);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.number(), Some(value));
            prop_assert_eq!(reader.signed(), Some(sign));
            prop_assert_eq!(reader.bytes(), Some(&data[..]));
            prop_assert_eq!(reader.remaining(), rest.len());
        }

        #[test]
        fn any_bytes_can_be_read_without_harm(data in any::<Vec<u8>>()) {
            let mut reader = Reader::new(&data);
            while reader.number().is_some() {}
            let _value = (reader.bytes(), reader.ids(), reader.signed(), unseal(&data));
        }
    }

    #[test]
    fn one_altered_byte_breaks_the_seal() {
        let mut out = b"before".to_vec();
        out.extend_from_slice(b"sealed");
        seal(&mut out, 6);
        assert_eq!(unseal(&out[6..]), Some(&b"sealed"[..]));
        for at in 6..out.len() {
            let mut altered = out.clone();
            altered[at] ^= 1;
            assert_eq!(unseal(&altered[6..]), None);
        }
        assert_eq!(unseal(b"short"), None);
    }
}
