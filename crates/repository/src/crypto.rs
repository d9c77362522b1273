//! Sealing of blobs and files: AES-256-CTR with Poly1305-AES, as restic's design document lays it down.

use std::fmt;

use aws_lc_rs::cipher::{AES_128, AES_256, Algorithm, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poly1305::universal_hash::{KeyInit, UniversalHash};
use poly1305::{Block, Poly1305};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};
use crate::random;

const NONCE: usize = 16;
const TAG: usize = 16;

/// Blocks authenticated at a time.
const RUN: usize = 64;

/// Bytes that are authenticated, decrypted and handed on while they are in a core's nearest cache: whole runs of blocks.
const PIECE: usize = 16 << 10;

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
    stream: EncryptingKey,
    nonce_cipher: EncryptingKey,
    bytes: Zeroizing<[u8; KEY_LEN]>,
    #[cfg(test)]
    salted: Option<Salted>,
}

/// What nonces of simulations follow from.
#[cfg(test)]
struct Salted {
    salt: u64,
    /// How often each text was sealed.
    seals: std::sync::Mutex<std::collections::HashMap<crate::id::Id, u64>>,
}

#[cfg(test)]
impl Salted {
    /// Another one for the same text each time: what is sealed again must have another name, as it has with real nonces.
    fn nonce(&self, text: &[u8]) -> Result<[u8; NONCE]> {
        let mut seals = self.seals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let times = seals.entry(crate::id::Id::of(text)).or_default();
        *times += 1;
        let id = crate::id::Id::of(&[&self.salt.to_le_bytes()[..], &times.to_le_bytes(), text].concat());
        id.as_bytes().first_chunk().copied().ok_or_else(|| Error::invalid("too short"))
    }
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
    pub(crate) fn from_bytes(bytes: Zeroizing<[u8; KEY_LEN]>) -> Result<Self> {
        let unbound = |algorithm: &'static Algorithm, part: &[u8]| UnboundCipherKey::new(algorithm, part);
        let stream = unbound(&AES_256, &bytes[..32]).and_then(EncryptingKey::ctr).map_err(refused)?;
        let nonce_cipher = unbound(&AES_128, &bytes[32..48]).and_then(EncryptingKey::ecb).map_err(refused)?;
        Ok(Self {
            stream,
            nonce_cipher,
            bytes,
            #[cfg(test)]
            salted: None,
        })
    }

    /// A key that is the same for everybody, and seals the same texts in the same way whenever it is given the same salt.
    /// Only for simulations that must be repeatable.
    #[cfg(test)]
    pub(crate) fn salted(salt: u64) -> Result<Self> {
        let salted = Some(Salted { salt, seals: std::sync::Mutex::default() });
        Ok(Self { salted, ..Self::from_bytes(Zeroizing::new([7; KEY_LEN]))? })
    }

    pub(crate) fn generate() -> Result<Self> {
        Self::from_bytes(Zeroizing::new(random::bytes()?))
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
        Self::from_bytes(bytes).ok()
    }

    /// Appends `nonce ‖ ciphertext ‖ tag` of `plaintext` to `out`.
    pub(crate) fn seal_into(&self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        #[cfg(test)]
        if let Some(salted) = &self.salted {
            return self.seal_with(&salted.nonce(plaintext)?, plaintext, out);
        }
        self.seal_with(&random::bytes()?, plaintext, out)
    }

    fn seal_with(&self, nonce: &[u8; NONCE], plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.reserve_exact(plaintext.len() + OVERHEAD);
        out.extend_from_slice(nonce);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let body = &mut out[start..];
        self.apply_stream(nonce, body).map_err(refused)?;
        let tag = self.tag(nonce, body).map_err(refused)?;
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
        let mut plaintext = Vec::new();
        self.open_into(sealed, &mut plaintext)?;
        Ok(plaintext)
    }

    /// Makes `plaintext`, whatever it held before, the plaintext of a sealed message.
    pub(crate) fn open_into(&self, sealed: &[u8], plaintext: &mut Vec<u8>) -> Result<(), Unauthentic> {
        plaintext.clear();
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(Unauthentic)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG>().ok_or(Unauthentic)?;
        if nonce.iter().all(|&byte| byte == 0) {
            return Err(Unauthentic);
        }
        let expected = self.tag(nonce, ciphertext).map_err(|_opaque| Unauthentic)?;
        verify_slices_are_equal(&expected, tag).map_err(|_opaque| Unauthentic)?;
        plaintext.extend_from_slice(ciphertext);
        self.apply_stream(nonce, plaintext).map_err(|_opaque| Unauthentic)
    }

    /// Opens a sealed message where it lies, and hands its plaintext to `each` piece by piece. Nothing of it may be
    /// believed before this has succeeded; after a failure the bytes of `sealed` are of no use.
    pub(crate) fn open_in_place<'a>(
        &self,
        sealed: &'a mut [u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<&'a [u8], Unauthentic> {
        let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE>().ok_or(Unauthentic)?;
        let (ciphertext, tag) = rest.split_last_chunk_mut::<TAG>().ok_or(Unauthentic)?;
        if nonce.iter().all(|&byte| byte == 0) {
            return Err(Unauthentic);
        }
        let mut mac = self.authenticator(nonce).map_err(|_opaque| Unauthentic)?;
        let mut counter = u128::from_be_bytes(*nonce);
        let whole = ciphertext.len() / PIECE * PIECE;
        let (pieces, last) = ciphertext.split_at_mut(whole);
        for piece in pieces.chunks_exact_mut(PIECE) {
            absorb(&mut mac, piece);
            self.apply_stream(&counter.to_be_bytes(), piece).map_err(|_opaque| Unauthentic)?;
            counter = counter.wrapping_add((PIECE / NONCE) as u128);
            each(piece);
        }
        let end = absorb(&mut mac, last);
        let expected: [u8; TAG] = mac.compute_unpadded(end).into();
        verify_slices_are_equal(&expected, tag).map_err(|_opaque| Unauthentic)?;
        self.apply_stream(&counter.to_be_bytes(), last).map_err(|_opaque| Unauthentic)?;
        each(last);
        Ok(ciphertext)
    }

    /// Encrypts or decrypts: in counter mode both are the same.
    fn apply_stream(&self, nonce: &[u8; NONCE], bytes: &mut [u8]) -> Result<(), Unspecified> {
        self.stream.less_safe_encrypt(bytes, EncryptionContext::Iv128(nonce.into())).map(drop)
    }

    /// Poly1305 of the ciphertext.
    fn tag(&self, nonce: &[u8; NONCE], ciphertext: &[u8]) -> Result<[u8; TAG], Unspecified> {
        let mut mac = self.authenticator(nonce)?;
        let end = absorb(&mut mac, ciphertext);
        Ok(mac.compute_unpadded(end).into())
    }

    /// Poly1305 under the one-time key `r ‖ AES-128(nonce)`.
    fn authenticator(&self, nonce: &[u8; NONCE]) -> Result<Poly1305, Unspecified> {
        let mut once = Zeroizing::new([0; 32]);
        let (r, pad) = once.split_at_mut(NONCE);
        r.copy_from_slice(&self.bytes[48..]);
        pad.copy_from_slice(nonce);
        self.nonce_cipher.less_safe_encrypt(pad, EncryptionContext::None)?;
        Ok(Poly1305::new(poly1305::Key::from_slice(once.as_slice())))
    }
}

/// Authenticates the whole runs of blocks in `bytes`, and answers what is left. Runs go through the vector code; block by
/// block would be half as fast.
fn absorb<'a>(mac: &mut Poly1305, bytes: &'a [u8]) -> &'a [u8] {
    let mut run = [Block::default(); RUN];
    let mut runs = bytes.chunks_exact(RUN * NONCE);
    for bytes in &mut runs {
        for (block, bytes) in run.iter_mut().zip(bytes.chunks_exact(NONCE)) {
            block.copy_from_slice(bytes);
        }
        mac.update(&run);
    }
    runs.remainder()
}

fn refused(source: Unspecified) -> Error {
    Error::invalid("the cipher refused its key or the message").with_source(source)
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

    /// An independent implementation of the same construction must agree, at every length around the runs of blocks.
    #[test]
    fn sealed_messages_are_those_of_another_implementation() {
        use aes256ctr_poly1305aes::aead::AeadInPlace;
        use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};
        let key = SealingKey::generate().unwrap();
        let other = Aes256CtrPoly1305Aes::new(Key::from_slice(key.bytes.as_slice()));
        let message: Vec<u8> = (0..5000_u32).map(|at| (at * 7 % 251) as u8).collect();
        let lengths = [0, 1, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 1040, 2048, 4999, 5000];
        for (length, byte) in lengths.into_iter().zip(1..) {
            let nonce: [u8; NONCE] = [byte; NONCE];
            let mut sealed = Vec::new();
            key.seal_with(&nonce, &message[..length], &mut sealed).unwrap();
            let mut body = message[..length].to_vec();
            let tag = other.encrypt_in_place_detached(Nonce::from_slice(&nonce), b"", &mut body).unwrap();
            assert_eq!(sealed, [&nonce[..], &body, &tag].concat(), "length {length}");
        }
    }

    #[test]
    fn opening_in_place_agrees_with_opening_a_copy_at_every_length_around_the_pieces() {
        let key = SealingKey::generate().unwrap();
        let message: Vec<u8> = (0..50_000_u32).map(|at| (at * 7 % 251) as u8).collect();
        let edges = [0, 1, 16, 1024, PIECE - 1, PIECE, PIECE + 1, PIECE + 1040, 2 * PIECE, message.len()];
        for length in edges {
            for nonce in [[9; NONCE], [0xff; NONCE]] {
                let mut sealed = Vec::new();
                key.seal_with(&nonce, &message[..length], &mut sealed).unwrap();
                for at in [0, NONCE, sealed.len() / 2, sealed.len() - 1] {
                    let mut changed = sealed.clone();
                    changed[at] ^= 1;
                    assert!(key.open_in_place(&mut changed, |_| {}).is_err(), "length {length}, byte {at}");
                }
                let mut told = Vec::new();
                let opened = key.open_in_place(&mut sealed, |piece| told.extend_from_slice(piece)).unwrap();
                assert_eq!((opened, &told[..]), (&message[..length], &message[..length]), "length {length}");
            }
        }
        for short in 0..OVERHEAD {
            assert!(key.open_in_place(&mut vec![1; short], |_| {}).is_err());
        }
    }

    /// Restic counts blocks in 128 bits, so the counter carries into the upper half of the nonce.
    #[test]
    fn the_block_counter_carries_through_all_of_the_nonce() {
        let key = SealingKey::generate().unwrap();
        let mut nonce = [0xff; NONCE];
        nonce[0] = 3;
        let mut sealed = Vec::new();
        key.seal_with(&nonce, &[0; 48], &mut sealed).unwrap();
        let blocks = UnboundCipherKey::new(&AES_256, &key.bytes[..32]).and_then(EncryptingKey::ecb).unwrap();
        let mut counters = [[0; NONCE]; 3];
        (counters[0], counters[1][0], counters[2][0], counters[2][15]) = (nonce, 4, 4, 1);
        let mut expected = counters.concat();
        blocks.less_safe_encrypt(&mut expected, EncryptionContext::None).unwrap();
        assert_eq!(&sealed[NONCE..NONCE + 48], expected);
    }
}
