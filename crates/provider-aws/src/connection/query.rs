//! Calls in AWS's query protocol: a form goes out, XML comes back.
//!
//! Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html>.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use stillpoint_core::{Error, Result};
use url::form_urlencoded;

use super::answer::refusal;
use super::call::Call;

/// The parameters of a call, under the names that the protocol gives them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// The same with `value`, where there is one.
    pub(crate) fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same with a list: `name.1`, `name.2`, ….
    pub(crate) fn list<T: ToString>(self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        let numbered = (1..).zip(values);
        numbered.fold(self, |form, (at, value): (u32, T)| form.with(format!("{name}.{at}"), value))
    }

    /// The same with a list of keys and values: `name.1.Key`, `name.1.Value`, ….
    pub(crate) fn pairs<'p>(
        self,
        name: &str,
        pairs: impl IntoIterator<Item = (&'p String, &'p String)>,
    ) -> Self {
        (1_u32..).zip(pairs).fold(self, |form, (at, (key, value))| {
            form.with(format!("{name}.{at}.Key"), key).with(format!("{name}.{at}.Value"), value)
        })
    }

    /// The body, with what names the operation.
    fn encode(&self, operation: &str, version: &str) -> Vec<u8> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("Action", operation).append_pair("Version", version).extend_pairs(&self.0);
        body.finish().into_bytes()
    }
}

/// A list of EC2, whose members all are called `item`.
#[derive(Debug, Deserialize)]
pub(crate) struct Items<T> {
    #[serde(rename = "item", default = "Vec::new")]
    pub(crate) items: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

/// The error documents of EC2 (`Response/Errors/Error`) and of the other services (`ErrorResponse/Error`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refused {
    errors: Wrapped,
    error: Option<Reason>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Wrapped {
    error: Option<Reason>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Reason {
    code: String,
    message: String,
}

fn xml_refusal(status: u16, body: &[u8], operation: &str) -> Error {
    let refused: Refused = parse(body).unwrap_or_default();
    let Reason { code, message } = refused.errors.error.or(refused.error).unwrap_or_default();
    refusal(status, &code, &message, operation)
}

fn parse<A: DeserializeOwned>(
    body: &[u8],
) -> std::result::Result<A, Box<dyn std::error::Error + Send + Sync>> {
    Ok(quick_xml::de::from_str(std::str::from_utf8(body)?)?)
}

impl Call<'_> {
    /// Makes the call once; it is for the caller to try again.
    ///
    /// # Errors
    /// Whatever the service refuses, as the kind that says what to do; `Unavailable` where no answer came.
    pub(crate) async fn query<A: DeserializeOwned>(&self, form: &Form) -> Result<A> {
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        let body = form.encode(self.operation, self.service.target);
        let refused = |status, _header: Option<&str>, body: &[u8]| xml_refusal(status, body, self.operation);
        let answer = self.send(&headers, body, refused).await?;
        parse(&answer).map_err(|error| self.unreadable(error))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stillpoint_core::{ErrorKind, Retry};

    use super::*;

    #[test]
    fn a_form_numbers_its_lists_and_escapes_its_values() {
        let tags: BTreeMap<_, _> = [("a b".to_owned(), "1&2".to_owned())].into();
        let form =
            Form::new().list("VolumeId", ["vol-1", "vol-2"]).maybe("Size", None::<u32>).pairs("Tag", &tags);
        assert_eq!(
            String::from_utf8(form.encode("DescribeVolumes", "2016-11-15")).unwrap(),
            "Action=DescribeVolumes&Version=2016-11-15&VolumeId.1=vol-1&VolumeId.2=vol-2&Tag.1.Key=a+b&Tag.1.Value=1%262"
        );
    }

    #[test]
    fn a_list_may_be_empty_or_absent() {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            set: Items<u32>,
        }
        for (text, items) in [
            ("<A/>", vec![]),
            ("<A><set/></A>", vec![]),
            ("<A><set><item>1</item><item>2</item></set><more>x</more></A>", vec![1, 2]),
        ] {
            assert_eq!(parse::<Answer>(text.as_bytes()).unwrap().set.items, items, "{text}");
        }
    }

    #[test]
    fn both_error_documents_say_what_to_do() {
        let ec2 = b"<?xml version=\"1.0\"?><Response><Errors><Error><Code>InvalidVolume.NotFound</Code>\
            <Message>The volume &apos;vol-1&apos; does not exist.</Message></Error></Errors></Response>";
        let error = xml_refusal(400, ec2, "DescribeVolumes");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("'vol-1'"), "{error}");

        let sts =
            b"<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>m</Message></Error>\
            <RequestId>1</RequestId></ErrorResponse>";
        assert_eq!(xml_refusal(403, sts, "GetCallerIdentity").kind(), ErrorKind::Unauthenticated);
    }

    #[test]
    fn an_error_page_that_is_no_document_goes_by_its_status() {
        let error = xml_refusal(503, b"<html>upstream", "CreateVolume");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(matches!(error.retry(), Retry::After { .. }));
    }
}
