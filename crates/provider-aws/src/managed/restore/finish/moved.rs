//! What a host did of what was left to do on a restored file system.

use stillpoint_core::{OpContext, Result, Tags};

use super::{LEFT, REROOT, left_of, owned};
use crate::managed::AwsProvider;
use crate::managed::arn::Arn;

impl AwsProvider {
    /// Notes on the file system `resource`, which the operation of `cx` restored, that its files lie at the root: somebody
    /// else moved them. Safe to repeat; what else is left to do stays noted.
    ///
    /// # Errors
    /// `PermissionDenied` where another operation made it; `NotFound` where it is gone; whatever tagging can meet.
    pub async fn moved(&self, cx: &OpContext, resource: &str) -> Result<()> {
        cx.check()?;
        let arn: Arn = resource.parse()?;
        let clients = self.clients(&arn.region)?;
        let system = clients.efs().file_system(arn.resource_id()).await?;
        owned(cx, &system.id, &system.tags)?;
        let mut left = left_of(&system.tags);
        left.retain(|part| part != REROOT);
        match left.is_empty() {
            true if !system.tags.contains_key(LEFT) => Ok(()),
            true => clients.efs().untag(&system.id, vec![LEFT.to_owned()]).await,
            false => clients.efs().tag(&system.id, &Tags::from([(LEFT.to_owned(), left.join(" "))])).await,
        }
    }
}
