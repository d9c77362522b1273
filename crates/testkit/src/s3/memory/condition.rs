//! `If-Match` and `If-None-Match`.

use hyper::HeaderMap;
use hyper::header::{IF_MATCH, IF_NONE_MATCH};
use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};

use super::object::Object;

/// Both conditions of one request.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) matches: Option<ETagCondition>,
    pub(super) matches_none: Option<ETagCondition>,
}

impl Condition {
    /// Read from the headers themselves, for requests whose parsed form lacks them.
    pub(super) fn from_headers(headers: &HeaderMap) -> S3Result<Self> {
        let parse = |name| match headers.get(name) {
            None => Ok(None),
            Some(value) => ETagCondition::parse_http_header(hyper::header::HeaderValue::as_bytes(value))
                .map(Some)
                .map_err(|error| s3_error!(error, InvalidArgument)),
        };
        Ok(Self { matches: parse(IF_MATCH)?, matches_none: parse(IF_NONE_MATCH)? })
    }

    /// For a read of an object that is there.
    pub(super) fn check_read(&self, object: &Object) -> S3Result<()> {
        if self.matches.as_ref().is_some_and(|wanted| !met(wanted, object)) {
            return Err(s3_error!(PreconditionFailed));
        }
        if self.matches_none.as_ref().is_some_and(|unwanted| met(unwanted, object)) {
            return Err(s3_error!(NotModified));
        }
        Ok(())
    }

    /// For the source of a copy, where S3 answers both misses alike.
    pub(super) fn check_source(&self, object: &Object) -> S3Result<()> {
        self.check_read(object).map_err(|_missed| s3_error!(PreconditionFailed))
    }

    /// For a write to a key, or a deletion of it, under the lock that the change is made with.
    pub(super) fn check_write(&self, present: Option<&Object>) -> S3Result<()> {
        match (&self.matches, present) {
            (Some(_), None) => return Err(s3_error!(NoSuchKey)),
            (Some(wanted), Some(object)) if !met(wanted, object) => {
                return Err(s3_error!(PreconditionFailed));
            }
            _ => {}
        }
        match (&self.matches_none, present) {
            (Some(ETagCondition::Any), Some(_)) => Err(s3_error!(PreconditionFailed)),
            (Some(ETagCondition::ETag(_)), _) => {
                Err(s3_error!(NotImplemented, "If-None-Match of a write takes only *"))
            }
            _ => Ok(()),
        }
    }
}

fn met(condition: &ETagCondition, object: &Object) -> bool {
    condition.as_etag().is_none_or(|tag| tag.value() == object.tag)
}
