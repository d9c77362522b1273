//! Copies inside the store.

use bytes::Bytes;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, MetadataDirective,
    UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Request, S3Result, s3_error};

use super::Memory;
use super::condition::Condition;
use super::multipart::Part;
use super::object::{Attributes, Object, now};

impl Memory {
    fn source(&self, source: &CopySource, condition: &Condition) -> S3Result<Object> {
        let CopySource::Bucket { bucket, key, .. } = source else {
            return Err(s3_error!(NotImplemented, "only buckets are copied from"));
        };
        let object = self.found(bucket, key)?;
        condition.check_source(&object)?;
        Ok(object)
    }

    pub(super) fn copy(&self, request: S3Request<CopyObjectInput>) -> S3Result<CopyObjectOutput> {
        let input = request.input;
        self.expect_bucket(&input.bucket)?;
        let source_condition =
            Condition { matches: input.copy_source_if_match, matches_none: input.copy_source_if_none_match };
        let mut object = self.source(&input.copy_source, &source_condition)?;
        if input.metadata_directive.as_ref().is_some_and(|how| how.as_str() == MetadataDirective::REPLACE) {
            object.attributes = Attributes {
                metadata: input.metadata,
                content_type: input.content_type,
                content_encoding: input.content_encoding,
                content_disposition: input.content_disposition,
                content_language: input.content_language,
                cache_control: input.cache_control,
            };
        }
        object.modified = now();
        let result = CopyObjectResult {
            e_tag: Some(object.etag()),
            last_modified: Some(object.timestamp()),
            ..CopyObjectResult::default()
        };
        let condition = Condition::from_headers(&request.headers)?;
        self.state().store(input.key, object, &condition)?;
        Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }

    pub(super) fn copy_part(&self, input: UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
        self.expect_bucket(&input.bucket)?;
        let condition =
            Condition { matches: input.copy_source_if_match, matches_none: input.copy_source_if_none_match };
        let object = self.source(&input.copy_source, &condition)?;
        let content = match input.copy_source_range.as_deref() {
            None => object.content,
            Some(range) => slice(&object.content, range)?,
        };
        let part = Part::copied(content);
        let result = CopyPartResult {
            e_tag: Some(part.etag()),
            last_modified: Some(now().into()),
            ..CopyPartResult::default()
        };
        let mut state = self.state();
        state.uploads.find(&input.upload_id, &input.key)?.add(input.part_number, part)?;
        Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
    }
}

/// `bytes=FIRST-LAST`, both given and both inside the source, as S3 asks of a part's range.
fn slice(content: &Bytes, range: &str) -> S3Result<Bytes> {
    let ends = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let number = |text: &str| text.parse::<usize>().ok();
    match ends.map(|(first, last)| (number(first), number(last))) {
        Some((Some(first), Some(last))) if first <= last && last < content.len() => {
            Ok(content.slice(first..=last))
        }
        _ => Err(s3_error!(InvalidRange)),
    }
}
