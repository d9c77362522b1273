//! What would make a backup fail, found out without changing anything.

use stillpoint_core::{Component, ErrorKind, Finding, OpContext, Result, Severity};

use super::AzureProvider;
use super::compute::Disk;
use super::settings::Source;

impl AzureProvider {
    pub(super) async fn check(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        cx.check()?;
        let source = Source::of(component)?;
        match Disk::get(self.connection(), &source.id).await {
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = format!("there is no disk {}; name another", source.id);
                Ok(vec![Finding::new("source-exists", Severity::Blocker, message)])
            }
            Err(error) => Err(error),
        }
    }
}
