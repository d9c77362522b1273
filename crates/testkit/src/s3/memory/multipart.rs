//! Multipart uploads.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    Checksum, ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};

use super::Memory;
use super::body::receive;
use super::condition::Condition;
use super::object::{Attributes, Object, hex, now};

const PART_MIN: usize = 5 << 20;
const PARTS_MAX: i32 = 10_000;

/// Uploads that were begun and neither completed nor aborted.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    begun: u64,
    open: BTreeMap<String, Upload>,
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    attributes: Attributes,
    pub(super) parts: BTreeMap<i32, Part>,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) content: Bytes,
    md5: [u8; 16],
    checksum: Checksum,
}

impl Part {
    pub(super) fn copied(content: Bytes) -> Self {
        Self { md5: Md5::checksum(&content), content, checksum: Checksum::default() }
    }

    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(hex(&self.md5))
    }
}

impl Uploads {
    pub(super) fn find(&mut self, id: &str, key: &str) -> S3Result<&mut Upload> {
        let found = self.open.get_mut(id).filter(|upload| upload.key == key);
        found.ok_or_else(|| s3_error!(NoSuchUpload))
    }

    pub(super) fn close(&mut self, id: &str, key: &str) -> S3Result<()> {
        self.find(id, key)?;
        self.open.remove(id);
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Upload)> {
        self.open.iter()
    }
}

impl Upload {
    pub(super) fn add(&mut self, number: i32, part: Part) -> S3Result<()> {
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(s3_error!(InvalidArgument, "part numbers are 1 to 10000"));
        }
        self.parts.insert(number, part);
        Ok(())
    }

    /// The parts that a completion names, in its order.
    fn chosen(&self, named: &[CompletedPart]) -> S3Result<Vec<&Part>> {
        if named.is_empty() {
            return Err(s3_error!(MalformedXML, "no part is named"));
        }
        let mut chosen = Vec::with_capacity(named.len());
        let mut previous = 0;
        for (index, name) in named.iter().enumerate() {
            let number = name.part_number.unwrap_or(0);
            if number <= previous {
                return Err(s3_error!(InvalidPartOrder));
            }
            previous = number;
            let part = self.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart))?;
            if name.e_tag.as_ref().is_none_or(|tag| tag.value() != part.etag().value()) {
                return Err(s3_error!(InvalidPart));
            }
            if index + 1 < named.len() && part.content.len() < PART_MIN {
                return Err(s3_error!(EntityTooSmall));
            }
            chosen.push(part);
        }
        Ok(chosen)
    }
}

impl Memory {
    pub(super) fn begin(&self, input: CreateMultipartUploadInput) -> S3Result<CreateMultipartUploadOutput> {
        self.expect_bucket(&input.bucket)?;
        let attributes = Attributes {
            metadata: input.metadata,
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
        };
        let mut state = self.state();
        state.uploads.begun += 1;
        let id = format!("upload-{:016x}", state.uploads.begun);
        let upload = Upload { key: input.key.clone(), attributes, parts: BTreeMap::new() };
        state.uploads.open.insert(id.clone(), upload);
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let input = request.input;
        self.state().uploads.find(&input.upload_id, &input.key)?;
        let received =
            receive(input.body, &request.headers, request.trailing_headers, input.content_length).await?;
        let part = Part { content: received.content, md5: received.md5, checksum: received.checksum.clone() };
        let output = UploadPartOutput {
            e_tag: Some(part.etag()),
            checksum_crc32: received.checksum.checksum_crc32,
            checksum_crc32c: received.checksum.checksum_crc32c,
            checksum_crc64nvme: received.checksum.checksum_crc64nvme,
            checksum_sha1: received.checksum.checksum_sha1,
            checksum_sha256: received.checksum.checksum_sha256,
            ..UploadPartOutput::default()
        };
        self.state().uploads.find(&input.upload_id, &input.key)?.add(input.part_number, part)?;
        Ok(output)
    }

    pub(super) fn complete(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let named = input.multipart_upload.clone().and_then(|upload| upload.parts).unwrap_or_default();
        let mut state = self.state();
        let upload = state.uploads.find(&input.upload_id, &input.key)?;
        let chosen = upload.chosen(&named)?;
        let content = chosen.iter().map(|part| &part.content[..]).collect::<Vec<_>>().concat();
        let digests = chosen.iter().map(|part| &part.md5[..]).collect::<Vec<_>>().concat();
        verify(&input, &chosen, &content)?;
        let object = Object {
            content: content.into(),
            tag: format!("{}-{}", hex(&Md5::checksum(&digests)), chosen.len()),
            modified: now(),
            attributes: upload.attributes.clone(),
            checksum: Checksum::default(),
        };
        let tag = object.etag();
        let condition = Condition { matches: input.if_match, matches_none: input.if_none_match };
        state.store(input.key.clone(), object, &condition)?;
        state.uploads.close(&input.upload_id, &input.key)?;
        Ok(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(tag),
            ..CompleteMultipartUploadOutput::default()
        })
    }
}

/// Compares the whole object's checksums, where a completion brings one, with the content or, for those that S3 calls
/// composite, with the checksums of the parts.
fn verify(input: &CompleteMultipartUploadInput, chosen: &[&Part], content: &[u8]) -> S3Result<()> {
    let composite = input.checksum_type.as_ref().is_some_and(|kind| kind.as_str() == ChecksumType::COMPOSITE);
    let check = |claimed: &Option<String>, start: fn(&mut ChecksumHasher), digest: Digest| {
        let Some(claimed) = claimed else { return Ok(()) };
        let mut hasher = ChecksumHasher::default();
        start(&mut hasher);
        if composite {
            for part in chosen {
                let bytes = digest(&part.checksum).as_ref().and_then(|text| STANDARD.decode(text).ok());
                hasher.update(&bytes.ok_or_else(|| s3_error!(InvalidPart, "a part lacks its checksum"))?);
            }
        } else {
            hasher.update(content);
        }
        let found = digest(&hasher.finalize());
        // A composite checksum may be followed by the number of parts.
        let claimed = claimed.split_once('-').map_or(claimed.as_str(), |(digest, _)| digest);
        if found.as_deref() == Some(claimed) { Ok(()) } else { Err(s3_error!(BadDigest)) }
    };
    check(&input.checksum_crc32, |to| to.crc32 = Some(Default::default()), |of| of.checksum_crc32.clone())?;
    check(
        &input.checksum_crc32c,
        |to| to.crc32c = Some(Default::default()),
        |of| of.checksum_crc32c.clone(),
    )?;
    let crc64: Digest = |of| of.checksum_crc64nvme.clone();
    check(&input.checksum_crc64nvme, |to| to.crc64nvme = Some(Default::default()), crc64)?;
    check(&input.checksum_sha1, |to| to.sha1 = Some(Default::default()), |of| of.checksum_sha1.clone())?;
    check(&input.checksum_sha256, |to| to.sha256 = Some(Default::default()), |of| of.checksum_sha256.clone())
}

type Digest = fn(&Checksum) -> Option<String>;
