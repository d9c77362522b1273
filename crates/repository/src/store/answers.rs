//! Answers that are no answers of a store.
//!
//! The client takes any document for a listing without objects, such as a page with which a proxy, or another server at the
//! store's address, answers in its place. Nothing is as dangerous as a listing that is empty by mistake: what no snapshot
//! names is deleted.

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

/// What asks for a listing, in the query of a request to S3 or Google, and to Azure.
const ASKS: [&str; 2] = ["list-type=2", "comp=list"];
/// The root elements of listings.
const ROOTS: [&str; 2] = ["ListBucketResult", "EnumerationResults"];

/// Connects as the client does, and lets no other document pass for a listing.
#[derive(Debug, Default)]
pub(super) struct CheckedAnswers(ReqwestConnector);

impl HttpConnector for CheckedAnswers {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Checked(self.0.connect(options)?)))
    }
}

#[derive(Debug)]
struct Checked(HttpClient);

#[async_trait]
impl HttpService for Checked {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let lists = request.method().as_str() == "GET" && query.split('&').any(|part| ASKS.contains(&part));
        let response = self.0.execute(request).await?;
        if !lists || !response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = body.bytes().await?;
        match root(&body) {
            Some(root) if ROOTS.contains(&root) => Ok(HttpResponse::from_parts(parts, body.into())),
            _ => Err(HttpError::new(HttpErrorKind::Decode, NoListing)),
        }
    }
}

/// The local name of a document's first element.
fn root(document: &[u8]) -> Option<&str> {
    let mut rest = str::from_utf8(document).ok()?.trim_start_matches('\u{feff}');
    loop {
        rest = rest.trim_start().strip_prefix('<')?;
        let end = match rest.get(..1)? {
            "?" => "?>",
            "!" => ">",
            _ => break,
        };
        rest = rest.split_once(end)?.1;
    }
    let name = rest.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next()?;
    Some(name.rsplit_once(':').map_or(name, |(_, local)| local))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the store was asked for a listing and answered something else; a proxy, or another server, may answer in its place"
)]
struct NoListing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listing_has_the_root_of_one() {
        let s3 =
            b"<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>";
        assert_eq!(root(s3), Some("ListBucketResult"));
        assert_eq!(root(b"\xef\xbb\xbf<?xml?><EnumerationResults a=\"b\">"), Some("EnumerationResults"));
        assert_eq!(root(b"<!-- hello --><s3:ListBucketResult>"), Some("ListBucketResult"));
        assert_eq!(root(b"<!DOCTYPE html><html><body>ListBucketResult"), Some("html"));
        assert_eq!(root(b"<Error><Code>InternalError</Code></Error>"), Some("Error"));
        for nothing in [&b""[..], b"ok", b"{}", b"<", b"<?xml", b"\xff<a>"] {
            assert_eq!(root(nothing), None);
        }
    }
}
