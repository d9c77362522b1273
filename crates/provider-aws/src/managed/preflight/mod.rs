//! What would make a job fail, found before it is started.

use stillpoint_core::{Component, Error, ErrorKind, Finding, OpContext, Result};

use super::AwsProvider;

impl AwsProvider {
    pub(super) async fn check(&self, _cx: &OpContext, _component: &Component) -> Result<Vec<Finding>> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }
}
