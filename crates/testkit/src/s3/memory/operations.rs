//! The operations of S3 that clients of this project use; `s3s` answers `NotImplemented` to all others.

use s3s::dto::*;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use super::Memory;
use super::condition::Condition;
use super::listing::list;
use super::object::signed;

type Answer<T> = S3Result<S3Response<T>>;

#[async_trait::async_trait]
impl S3 for Memory {
    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.expect_bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        self.expect_bucket(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        let bucket = Bucket { name: Some(self.bucket.to_string()), ..Bucket::default() };
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(vec![bucket]), ..ListBucketsOutput::default() }))
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        self.expect_bucket(&request.input.bucket)?;
        Err(s3_error!(BucketAlreadyOwnedByYou))
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        self.expect_bucket(&request.input.bucket)?;
        Ok(S3Response::new(list(&self.state().objects, request.input)))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        self.expect_bucket(&request.input.bucket)?;
        let marker = request.input.marker.clone();
        let page = list(&self.state().objects, request.input.into());
        Ok(S3Response::new(ListObjectsOutput {
            contents: page.contents,
            common_prefixes: page.common_prefixes,
            delimiter: page.delimiter,
            encoding_type: page.encoding_type,
            name: page.name,
            prefix: page.prefix,
            marker,
            max_keys: page.max_keys,
            is_truncated: page.is_truncated,
            next_marker: page.next_continuation_token,
            ..ListObjectsOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = request.input;
        let object = self.found(&input.bucket, &input.key)?;
        Condition { matches: input.if_match, matches_none: input.if_none_match }.check_read(&object)?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(object.len())),
            e_tag: Some(object.etag()),
            last_modified: Some(object.timestamp()),
            metadata: object.attributes.metadata,
            content_type: object.attributes.content_type,
            content_encoding: object.attributes.content_encoding,
            content_disposition: object.attributes.content_disposition,
            content_language: object.attributes.content_language,
            cache_control: object.attributes.cache_control,
            checksum_crc32: object.checksum.checksum_crc32,
            checksum_crc32c: object.checksum.checksum_crc32c,
            checksum_crc64nvme: object.checksum.checksum_crc64nvme,
            checksum_sha1: object.checksum.checksum_sha1,
            checksum_sha256: object.checksum.checksum_sha256,
            ..HeadObjectOutput::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = request.input;
        let object = self.found(&input.bucket, &input.key)?;
        Condition { matches: input.if_match, matches_none: input.if_none_match }.check_read(&object)?;
        let range = match input.range {
            None => 0..object.len(),
            Some(range) => range.check(object.len())?,
        };
        let content_range =
            input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end - 1, object.len()));
        let position = |at| usize::try_from(at).map_err(|error| s3_error!(error, InvalidRange));
        let content = object.content.slice(position(range.start)?..position(range.end)?);
        // The checksum is of the whole object, so it would be wrong for a part of it.
        let checksum = if content_range.is_none() { object.checksum.clone() } else { Checksum::default() };
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(content.len() as u64)),
            body: Some(StreamingBlob::from(Body::from(content))),
            content_range,
            e_tag: Some(object.etag()),
            last_modified: Some(object.timestamp()),
            metadata: object.attributes.metadata,
            content_type: object.attributes.content_type,
            content_encoding: object.attributes.content_encoding,
            content_disposition: object.attributes.content_disposition,
            content_language: object.attributes.content_language,
            cache_control: object.attributes.cache_control,
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..GetObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        self.write(request).await.map(S3Response::new)
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        self.copy(request).map(S3Response::new)
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        let output = self.erase(&request.input)?;
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }

    async fn delete_objects(&self, request: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        self.erase_all(request.input).map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        self.begin(request.input).map(S3Response::new)
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        Self::upload_part(self, request).await.map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> Answer<UploadPartCopyOutput> {
        self.copy_part(request.input).map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        self.complete(request.input).map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        self.state().uploads.close(&request.input.upload_id, &request.input.key)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        let input = request.input;
        let mut state = self.state();
        let upload = state.uploads.find(&input.upload_id, &input.key)?;
        let parts = upload.parts.iter().map(|(number, part)| Part {
            part_number: Some(*number),
            size: Some(signed(part.content.len() as u64)),
            e_tag: Some(part.etag()),
            ..Part::default()
        });
        Ok(S3Response::new(ListPartsOutput {
            parts: Some(parts.collect()),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(false),
            ..ListPartsOutput::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let input = request.input;
        self.expect_bucket(&input.bucket)?;
        let prefix = input.prefix.as_deref().unwrap_or("");
        let state = self.state();
        let open = state.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix));
        let uploads = open.map(|(id, upload)| MultipartUpload {
            key: Some(upload.key.clone()),
            upload_id: Some(id.clone()),
            ..MultipartUpload::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            bucket: Some(input.bucket),
            is_truncated: Some(false),
            ..ListMultipartUploadsOutput::default()
        }))
    }
}
