//! Tags of what exists already.

use stillpoint_core::{Result, Tags};

use super::{Done, Ec2};
use crate::connection::Form;

impl Ec2<'_> {
    /// Adds and replaces tags of the volume or snapshot `id`.
    ///
    /// # Errors
    /// `NotFound` where there is none; `MaybeApplied` where no answer came, and then a repeat is safe.
    pub(crate) async fn tag(&self, id: &str, tags: &Tags) -> Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let form = Form::new().list("ResourceId", [id]).pairs("Tag", tags);
        let Done {} = self.call("CreateTags", true).query(&form).await?;
        Ok(())
    }

    /// Takes tags off the volume or snapshot `id`, each only while it has this very value.
    ///
    /// # Errors
    /// `NotFound` where there is none; `MaybeApplied` where no answer came, and then a repeat is safe.
    pub(crate) async fn untag(&self, id: &str, tags: &Tags) -> Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let form = Form::new().list("ResourceId", [id]).pairs("Tag", tags);
        let Done {} = self.call("DeleteTags", true).query(&form).await?;
        Ok(())
    }
}
