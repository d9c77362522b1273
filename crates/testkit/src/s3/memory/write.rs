//! Putting objects in place and taking them away.

use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETagCondition, Error, ObjectIdentifier, PutObjectInput, PutObjectOutput,
};
use s3s::{S3Request, S3Result};

use super::body::receive;
use super::condition::Condition;
use super::object::{Attributes, Object, now};
use super::{Memory, State};

impl State {
    /// Checks the condition and makes the change under one lock, as S3 does.
    pub(super) fn store(&mut self, key: String, object: Object, condition: &Condition) -> S3Result<()> {
        condition.check_write(self.objects.get(&key))?;
        self.objects.insert(key, object);
        Ok(())
    }

    fn delete(&mut self, key: &str, condition: &Condition) -> S3Result<()> {
        condition.check_write(self.objects.get(key))?;
        self.objects.remove(key);
        Ok(())
    }
}

impl Memory {
    pub(super) async fn write(&self, request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
        let input = request.input;
        self.expect_bucket(&input.bucket)?;
        let condition = Condition { matches: input.if_match, matches_none: input.if_none_match };
        // Refused before the body is read where that is certain already; decided after it.
        condition.check_write(self.state().objects.get(&input.key))?;
        let received =
            receive(input.body, &request.headers, request.trailing_headers, input.content_length).await?;
        let attributes = Attributes {
            metadata: input.metadata,
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
        };
        let checksum = received.checksum.clone();
        let tag = received.tag();
        let object = Object { content: received.content, tag, modified: now(), attributes, checksum };
        let output = PutObjectOutput {
            e_tag: Some(object.etag()),
            checksum_crc32: received.checksum.checksum_crc32,
            checksum_crc32c: received.checksum.checksum_crc32c,
            checksum_crc64nvme: received.checksum.checksum_crc64nvme,
            checksum_sha1: received.checksum.checksum_sha1,
            checksum_sha256: received.checksum.checksum_sha256,
            ..PutObjectOutput::default()
        };
        self.state().store(input.key, object, &condition)?;
        Ok(output)
    }

    pub(super) fn erase(&self, input: &DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        self.expect_bucket(&input.bucket)?;
        let condition = Condition { matches: input.if_match.clone(), matches_none: None };
        self.state().delete(&input.key, &condition)?;
        Ok(DeleteObjectOutput::default())
    }

    pub(super) fn erase_all(&self, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
        self.expect_bucket(&input.bucket)?;
        let quiet = input.delete.quiet.unwrap_or(false);
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        let mut state = self.state();
        for ObjectIdentifier { key, e_tag, .. } in input.delete.objects {
            let condition = Condition { matches: e_tag.map(ETagCondition::ETag), matches_none: None };
            match state.delete(&key, &condition) {
                Ok(()) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(key),
                    message: error.message().map(str::to_owned),
                    ..Error::default()
                }),
            }
        }
        Ok(DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: (!errors.is_empty()).then_some(errors),
            ..DeleteObjectsOutput::default()
        })
    }
}
