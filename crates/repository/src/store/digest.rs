//! Digests of objects that are known before a client asks for them.
//!
//! S3's client signs the SHA-256 of what it sends and passes it on as a checksum. The hash of a pack was taken while the
//! pack was filled: sent instead of another, it spares a pass over the bytes, and lets the store itself notice bytes that
//! have changed in memory since.

use aws_lc_rs::hmac;
use bytes::Bytes;
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm,
};
use object_store::{Error, Result};
use sha2::{Digest as _, Sha256};

use crate::id::Id;

tokio::task_local! {
    /// An object on its way and its digest.
    static KNOWN: (Bytes, Id);
}

/// Runs `put`, which stores `data`, with the digest `id` for exactly these bytes in this place of the memory.
pub(super) async fn knowing<F: Future>(data: Bytes, id: Id, put: F) -> F::Output {
    KNOWN.scope((data, id), put).await
}

/// The cryptography of S3's client, with the digests that [`knowing`] knows.
#[derive(Debug)]
pub(super) struct KnownDigests;

impl CryptoProvider for KnownDigests {
    fn digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Digest::default())),
            _ => Err(unsupported()),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                Ok(Box::new(Hmac { context: hmac::Context::with_key(&key), tag: None }))
            }
            _ => Err(unsupported()),
        }
    }

    fn sign(&self, _: SigningAlgorithm, _: &[u8]) -> Result<Box<dyn Signer>> {
        Err(unsupported())
    }
}

fn unsupported() -> Error {
    Error::NotSupported { source: "S3 asks for nothing but SHA-256".into() }
}

#[derive(Default)]
struct Digest {
    /// All of the input so far, if that was an object whose digest is known.
    whole: Option<(Bytes, Id)>,
    hash: Sha256,
    begun: bool,
    digest: [u8; 32],
}

impl DigestContext for Digest {
    fn update(&mut self, data: &[u8]) {
        if !self.begun {
            self.begun = true;
            let same = |(bytes, id): &(Bytes, Id)| {
                std::ptr::eq::<[u8]>(bytes.as_ref(), data).then(|| (bytes.clone(), *id))
            };
            self.whole = KNOWN.try_with(same).ok().flatten();
            if self.whole.is_some() {
                return;
            }
        }
        if let Some((bytes, _)) = self.whole.take() {
            self.hash.update(&bytes);
        }
        self.hash.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.digest = match self.whole.take() {
            Some((_, id)) => *id.as_bytes(),
            None => self.hash.finalize_reset().into(),
        };
        Ok(&self.digest)
    }
}

struct Hmac {
    context: hmac::Context,
    tag: Option<hmac::Tag>,
}

impl HmacContext for Hmac {
    fn update(&mut self, data: &[u8]) {
        self.context.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        let tag = self.context.clone().sign();
        Ok(hmac::Tag::as_ref(self.tag.insert(tag)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(parts: &[&[u8]]) -> Id {
        let mut context = KnownDigests.digest(DigestAlgorithm::Sha256).unwrap();
        parts.iter().for_each(|part| context.update(part));
        Id::from_bytes(context.finish().unwrap().try_into().unwrap())
    }

    #[tokio::test]
    async fn a_known_digest_stands_for_its_bytes_alone() {
        let (data, told) = (Bytes::from_static(b"hold still"), Id::of(b"as told"));
        let copy = data.to_vec();
        knowing(data.clone(), told, async {
            assert_eq!(digest_of(&[&data]), told);
            assert_eq!(digest_of(&[&data, b"!"]), Id::of(b"hold still!"));
            assert_eq!(digest_of(&[&data[1..]]), Id::of(b"old still"));
            assert_eq!(digest_of(&[&copy]), Id::of(b"hold still"));
            assert_eq!(digest_of(&[]), Id::of(b""));
        })
        .await;
        assert_eq!(digest_of(&[&data]), Id::of(b"hold still"));
    }

    /// Test case 2 of RFC 4231.
    #[test]
    fn the_keyed_hash_is_that_of_the_standard() {
        let mut context = KnownDigests.hmac(DigestAlgorithm::Sha256, b"Jefe").unwrap();
        context.update(b"what do ya want ");
        context.update(b"for nothing?");
        let tag = Id::from_bytes(context.finish().unwrap().try_into().unwrap());
        assert_eq!(tag.to_hex(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
