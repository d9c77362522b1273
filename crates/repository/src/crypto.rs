//! Sealing of blobs and files: AES-256-CTR with Poly1305-AES, as restic's design document lays it down.

use std::fmt;

use aes256ctr_poly1305aes::aead::AeadInPlace;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, Tag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};
use crate::random;

const NONCE: usize = 16;
const TAG: usize = 16;

/// Bytes by which sealing lengthens a message.
pub(crate) const OVERHEAD: usize = NONCE + TAG;
/// [`OVERHEAD`] in the width pack offsets use.
pub(crate) const OVERHEAD_U32: u32 = 32;

/// Length of the three parts of a key together.
pub(crate) const KEY_LEN: usize = 64;

/// The message does not carry a valid seal under this key.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the seal does not match: the bytes were changed or another key made them")]
pub(crate) struct Unauthentic;

/// Key that seals and opens: 32 bytes for AES-256, 16 for Poly1305's AES-128, 16 for Poly1305's `r`.
pub(crate) struct SealingKey {
    cipher: Aes256CtrPoly1305Aes,
    bytes: Zeroizing<[u8; KEY_LEN]>,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// The JSON form of a master key inside a key file; the parts are base64.
#[derive(Serialize, Deserialize)]
struct KeyJson {
    mac: MacJson,
    encrypt: String,
}

#[derive(Serialize, Deserialize)]
struct MacJson {
    k: String,
    r: String,
}

impl Drop for KeyJson {
    fn drop(&mut self) {
        self.encrypt.zeroize();
        self.mac.k.zeroize();
        self.mac.r.zeroize();
    }
}

impl SealingKey {
    pub(crate) fn from_bytes(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        let cipher = Aes256CtrPoly1305Aes::new(Key::from_slice(bytes.as_slice()));
        Self { cipher, bytes }
    }

    pub(crate) fn generate() -> Result<Self> {
        Ok(Self::from_bytes(Zeroizing::new(random::bytes()?)))
    }

    /// The master key in the JSON form that key files seal.
    pub(crate) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>> {
        let json = KeyJson {
            mac: MacJson { k: STANDARD.encode(&self.bytes[32..48]), r: STANDARD.encode(&self.bytes[48..]) },
            encrypt: STANDARD.encode(&self.bytes[..32]),
        };
        serde_json::to_vec(&json)
            .map(Zeroizing::new)
            .map_err(|source| Error::invalid("the master key cannot be written").with_source(source))
    }

    /// Reads [`Self::to_json`]; `None` if it is no valid key. The reason is withheld since it could quote the key.
    pub(crate) fn from_json(json: &[u8]) -> Option<Self> {
        let json: KeyJson = serde_json::from_slice(json).ok()?;
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        for (range, text) in [(0..32, &json.encrypt), (32..48, &json.mac.k), (48..64, &json.mac.r)] {
            let part = Zeroizing::new(STANDARD.decode(text).ok()?);
            let target = &mut bytes[range];
            (part.len() == target.len() && part.iter().any(|&byte| byte != 0)).then_some(())?;
            target.copy_from_slice(&part);
        }
        Some(Self::from_bytes(bytes))
    }

    /// Appends `nonce ‖ ciphertext ‖ tag` of `plaintext` to `out`.
    pub(crate) fn seal_into(&self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let nonce = fresh_nonce()?;
        out.reserve(plaintext.len() + OVERHEAD);
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let tag = self
            .cipher
            .encrypt_in_place_detached(Nonce::from_slice(&nonce), b"", &mut out[start..])
            .map_err(|source| {
                Error::invalid("the message is too long to seal").with_source(source.to_string())
            })?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    pub(crate) fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = Vec::new();
        self.seal_into(plaintext, &mut sealed)?;
        Ok(sealed)
    }

    /// The plaintext of a sealed message.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Unauthentic> {
        let (nonce, rest) = sealed.split_at_checked(NONCE).ok_or(Unauthentic)?;
        let body = rest.len().checked_sub(TAG).ok_or(Unauthentic)?;
        let (ciphertext, tag) = rest.split_at(body);
        if nonce.iter().all(|&byte| byte == 0) {
            return Err(Unauthentic);
        }
        let mut plaintext = ciphertext.to_vec();
        self.cipher
            .decrypt_in_place_detached(Nonce::from_slice(nonce), b"", &mut plaintext, Tag::from_slice(tag))
            .map_err(|_opaque| Unauthentic)?;
        Ok(plaintext)
    }
}

/// A random nonce whose lower half is far from overflowing.
///
/// The cipher crate counts blocks in 64 bits, restic in 128: they agree unless the lower half wraps, so a nonce
/// within 2^32 blocks of that (one in four thousand million) is drawn again.
fn fresh_nonce() -> Result<[u8; NONCE]> {
    loop {
        let nonce: [u8; NONCE] = random::bytes()?;
        if nonce[8..12] != [0xff; 4] {
            return Ok(nonce);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_message_opens_only_unchanged_and_under_its_key() {
        let key = SealingKey::generate().unwrap();
        let sealed = key.seal(b"still water").unwrap();
        assert_eq!(sealed.len(), 11 + OVERHEAD);
        assert_eq!(key.open(&sealed).unwrap(), b"still water");
        assert!(SealingKey::generate().unwrap().open(&sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(&sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_key_survives_its_json_form_and_hides_from_debug() {
        let key = SealingKey::generate().unwrap();
        let copy = SealingKey::from_json(&key.to_json().unwrap()).unwrap();
        assert_eq!(copy.open(&key.seal(b"x").unwrap()).unwrap(), b"x");
        assert_eq!(format!("{key:?}"), "SealingKey(..)");
        assert!(SealingKey::from_json(b"{}").is_none());
    }
}
