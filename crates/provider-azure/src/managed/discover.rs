//! Components found by their tags.

use stillpoint_core::{Component, Error, ErrorKind, OpContext, Result, Tags};

use super::AzureProvider;
use super::compute::Disk;
use super::provider::GroupPlace;
use super::resource_id::ResourceId;
use super::settings::DISK;

impl AzureProvider {
    /// The disks of `place` that carry all of `tags`, as components of this provider without settings, named by their own
    /// names and in their order. They are taken from what Compute itself says: the index of all resources shows changes
    /// late. Nothing is changed, and a repeat is safe.
    ///
    /// ```no_run
    /// use stillpoint_core::{OpContext, Result, Tags};
    /// use stillpoint_provider_azure::Connection;
    /// use stillpoint_provider_azure::managed::{AzureProvider, GroupPlace};
    ///
    /// # async fn components() -> Result<()> {
    /// let place = GroupPlace::new("11111111-1111-4111-8111-111111111111", "ml");
    /// let provider = AzureProvider::new("azure".parse()?, Connection::from_environment()?, [place.clone()]);
    /// let tags = Tags::from([("ml-workspace".to_owned(), "ml-prod".to_owned())]);
    /// for component in provider.discover(&OpContext::background(), &place, &tags).await? {
    ///     println!("{} {}", component.kind, component.resource);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` without any tag, which would be everything; whatever listing can meet.
    pub async fn discover(&self, cx: &OpContext, place: &GroupPlace, tags: &Tags) -> Result<Vec<Component>> {
        if tags.is_empty() {
            let message = "components are found by at least one tag; name it";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        cx.check()?;
        let disks = Disk::list(self.connection(), &place.subscription, Some(&place.resource_group)).await?;
        let mut found = Vec::new();
        for disk in disks {
            let deleting = disk.properties.provisioning_state.as_deref() == Some("Deleting");
            if !deleting && tags.iter().all(|(key, value)| disk.tags.get(key) == Some(value)) {
                let id: ResourceId = disk.id.parse()?;
                found.push(Component::new(
                    id.name().parse()?,
                    DISK,
                    self.provider_id().clone(),
                    id.to_string(),
                ));
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        Ok(found)
    }
}
