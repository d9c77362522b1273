//! Calls in AWS's JSON protocol, version 1.1.

use serde::Serialize;
use serde::de::DeserializeOwned;
use stillpoint_core::{Error, ErrorKind, Result};

use super::answer::json_refusal;
use super::call::Call;

impl Call<'_> {
    /// Makes the call once; it is for the caller to try again.
    ///
    /// # Errors
    /// Whatever the service refuses, as the kind that says what to do; `Unavailable` where no answer came.
    pub(crate) async fn json<A: DeserializeOwned>(&self, input: &(impl Serialize + Sync)) -> Result<A> {
        let body = serde_json::to_vec(input).map_err(|error| {
            Error::new(ErrorKind::Unexpected, format!("the input of {} has no JSON", self.operation))
                .with_source(error)
        })?;
        let headers = [
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", format!("{}.{}", self.service.target, self.operation)),
        ];
        let refused =
            |status, header: Option<&str>, body: &[u8]| json_refusal(status, header, body, self.operation);
        let answer = self.send(&headers, body, refused).await?;
        let answer = if answer.is_empty() { b"{}".as_slice() } else { &answer };
        serde_json::from_slice(answer).map_err(|error| self.unreadable(error))
    }
}
