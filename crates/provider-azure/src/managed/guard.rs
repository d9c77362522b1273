//! Guards on disks, volumes, shares and containers: protective tags that stand on them while they are captured.
//!
//! Disks and NetApp volumes carry tags, of which Azure merges some in and removes some, each only with the value that it was
//! seen with, in one call each; nobody's other tags are touched by it. Source:
//! <https://learn.microsoft.com/rest/api/resources/tags/update-at-scope>. Names have no case, values do:
//! <https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources>.
//!
//! Shares and containers have metadata, which is only written as a whole and by no condition: whatever somebody else writes
//! between a look and the call right after it is lost. What is not ours is written as it was read a moment before.

use std::collections::BTreeMap;

use serde_json::json;
use stillpoint_core::{
    Component, Error, ErrorKind, Foreseen, GUARD_TAG, GuardChange, OperationId, Result, Tags, guard_of,
};

use super::AzureProvider;
use super::compute::{DISKS, Disk};
use super::kind::Kind;
use super::netapp::{VOLUMES, Volume};
use super::policy::{Task, calls, vaults};
use super::resource_id::ResourceId;
use super::storage::{CONTAINERS, Container, Metadata, SHARES, Share, read_metadata};
use super::tags;
use super::vault;
use crate::connection::{Connection, Request};

const VERSION: &str = "2025-04-01";

/// A source that can be guarded.
pub(super) struct Guarded<'a> {
    connection: &'a Connection,
    id: ResourceId,
    carries: Carries,
}

/// What carries the tags of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    TagsOfDisk,
    TagsOfVolume,
    MetadataOfShare,
    MetadataOfContainer,
}

/// What is written on a source.
struct Written {
    tags: Tags,
    /// Where it is metadata, as the service has it.
    metadata: BTreeMap<String, String>,
}

impl Guarded<'_> {
    pub(super) fn id(&self) -> &ResourceId {
        &self.id
    }

    fn has_metadata(&self) -> bool {
        matches!(self.carries, Carries::MetadataOfShare | Carries::MetadataOfContainer)
    }

    /// How the source is called in its marks.
    fn name(&self) -> String {
        self.id.to_string().to_lowercase()
    }

    async fn written(&self) -> Result<Written> {
        let (connection, id) = (self.connection, &self.id);
        let metadata = match self.carries {
            Carries::TagsOfDisk => return Ok(Written::tags(Disk::get(connection, id).await?.tags)),
            Carries::TagsOfVolume => return Ok(Written::tags(Volume::get(connection, id).await?.tags)),
            Carries::MetadataOfShare => Share::get(connection, id).await?.properties.metadata,
            Carries::MetadataOfContainer => Container::get(connection, id).await?.properties.metadata,
        };
        Ok(Written { tags: read_metadata(&metadata), metadata })
    }

    /// What it takes for the guard of `operation` to stand on the source, as things are, and what is written there now.
    ///
    /// # Errors
    /// `InvalidInput` for what the source cannot carry.
    async fn to_guard(&self, operation: &OperationId, wanted: &Tags) -> Result<(GuardChange, Written)> {
        let wanted = tags::with_own(Tags::new(), wanted)?;
        let wanted = self.fitting(wanted)?.0;
        let mut written = self.written().await?;
        let wanted = one_case(&mut written.tags, wanted);
        let change = GuardChange::to_guard(&written.tags, &self.name(), operation, &wanted);
        self.room(&written, &change)?;
        Ok((change, written))
    }

    /// Those of `wanted` that the source can carry, and what is told of the others.
    pub(super) fn fitting(&self, mut wanted: Tags) -> Result<(Tags, Option<String>)> {
        if !self.has_metadata() {
            return Ok((wanted, None));
        }
        let metadata = Metadata::of(&wanted)?;
        wanted.retain(|key, _| !metadata.left_out.contains(key));
        Ok((wanted, metadata.told(&self.id)))
    }

    fn room(&self, written: &Written, change: &GuardChange) -> Result<()> {
        if let Some(key) =
            change.write.iter().find(|(_, value)| value.chars().count() > tags::VALUE_CHARS_MAX)
        {
            let message = format!(
                "the mark {} is longer than a tag of Azure may be; shorten the operation's id or the tag's name",
                key.0
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.has_metadata() {
            return Metadata::changed(&written.metadata, change).map(drop);
        }
        let added = change.write.keys().filter(|key| !written.tags.contains_key(*key)).count();
        let (has, most) = (written.tags.len(), tags::ALL_MAX);
        if has + added > most {
            let message = format!(
                "{} has {has} tags and takes {added} more while it is guarded, of {most} that Azure lets it have: remove some",
                self.id
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }

    async fn to_unguard(&self, operation: &OperationId) -> Result<(GuardChange, Written)> {
        let mut written = self.written().await?;
        one_case(&mut written.tags, Tags::new());
        Ok((GuardChange::to_unguard(&written.tags, &self.name(), operation), written))
    }

    async fn make(&self, change: &GuardChange, written: &Written) -> Result<()> {
        match self.carries {
            Carries::TagsOfDisk | Carries::TagsOfVolume => {
                self.update("Merge", &change.write).await?;
                self.update("Delete", &change.remove).await
            }
            Carries::MetadataOfShare => {
                let changed = Metadata::changed(&written.metadata, change)?;
                Share::write_metadata(self.connection, &self.id, &changed).await
            }
            Carries::MetadataOfContainer => {
                let changed = Metadata::changed(&written.metadata, change)?;
                Container::write_metadata(self.connection, &self.id, &changed).await
            }
        }
    }

    /// Merges `tags` into those of the source, or removes those of them that it still has.
    async fn update(&self, how: &str, tags: &Tags) -> Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let path = format!("{}/providers/Microsoft.Resources/tags/default", self.id);
        let body = json!({"operation": how, "properties": {"tags": tags}});
        self.connection.patch(&Request::new(calls::TAGS, path, VERSION), &body).await.map(drop)
    }

    pub(super) async fn guard(&self, operation: &OperationId, wanted: &Tags) -> Result<Tags> {
        let (change, written) = self.to_guard(operation, wanted).await?;
        if change.is_done() {
            return Ok(change.kept);
        }
        self.make(&change, &written).await?;
        let (left, _) = self.to_guard(operation, wanted).await?;
        if left.is_done() { Ok(left.kept) } else { Err(self.not_seen()) }
    }

    pub(super) async fn unguard(&self, operation: &OperationId) -> Result<()> {
        let removed = async {
            let (change, written) = self.to_unguard(operation).await?;
            if change.is_done() {
                return Ok(());
            }
            self.make(&change, &written).await?;
            if self.to_unguard(operation).await?.0.is_done() { Ok(()) } else { Err(self.not_seen()) }
        };
        match removed.await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            ended => ended,
        }
    }

    /// The operation whose guard stands on the source.
    pub(super) async fn standing(&self) -> Result<Option<OperationId>> {
        let mut written = match self.written().await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            written => written?,
        };
        one_case(&mut written.tags, Tags::new());
        Ok(guard_of(&written.tags, &self.name()))
    }

    /// Whether a guard with `tags` would fit on the source; any operation's takes as much room.
    pub(super) async fn would_fit(&self, operation: &OperationId, tags: &Tags) -> Result<()> {
        match self.to_guard(operation, tags).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            found => found.map(drop),
        }
    }

    /// The actions that guarding a source needs.
    pub(super) fn actions(component: &Component) -> Result<Vec<&'static str>> {
        Ok(match vault::Source::of(component)? {
            Some(source) => vaults::actions(source.what(), Task::Guard).collect(),
            None => calls::actions(Task::Guard, Kind::of(component)).collect(),
        })
    }

    pub(super) fn foreseen(component: &Component) -> Result<Foreseen> {
        let mut foreseen = Foreseen::default();
        foreseen.calls = Self::actions(component)?.into_iter().map(str::to_owned).collect();
        foreseen.permissions = foreseen.calls.iter().cloned().collect();
        Ok(foreseen)
    }

    /// What was read back is not yet as it was written.
    fn not_seen(&self) -> Error {
        let message = format!("{} does not show its new tags yet", self.id);
        Error::new(ErrorKind::Unavailable, message).maybe_applied()
    }
}

impl Written {
    fn tags(tags: Tags) -> Self {
        Self { tags, metadata: BTreeMap::new() }
    }
}

impl AzureProvider {
    pub(super) fn guarded_source(&self, component: &Component) -> Result<Guarded<'_>> {
        let id: ResourceId = component.resource.parse()?;
        let carries = match () {
            () if id.is(DISKS) => Carries::TagsOfDisk,
            () if id.is(VOLUMES) => Carries::TagsOfVolume,
            () if id.is(SHARES) => Carries::MetadataOfShare,
            () if id.is(CONTAINERS) => Carries::MetadataOfContainer,
            () => {
                let message = format!("{id} is nothing that this provider guards");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        Ok(Guarded { connection: self.connection(), id, carries })
    }
}

/// Gives what is found the names that marks and `wanted` have for it, in whatever case it is there, and answers `wanted` under
/// the names of marks.
fn one_case(found: &mut Tags, wanted: Tags) -> Tags {
    let lower = |text: &str| text.to_lowercase();
    let marks = |key: &String| lower(key).starts_with(GUARD_TAG);
    let marked = found.iter().filter(|(key, _)| marks(key)).filter_map(|(_, text)| text.split_once(' '));
    let marked: Vec<String> = marked.map(|(_, key)| key.to_owned()).collect();
    let named = |key: String| {
        let known = marked.iter().find(|known| lower(known) == lower(&key));
        known.cloned().unwrap_or(key)
    };
    let wanted: Tags = wanted.into_iter().map(|(key, value)| (named(key), value)).collect();
    *found = std::mem::take(found)
        .into_iter()
        .map(|(key, value)| match wanted.keys().find(|known| lower(known) == lower(&key)) {
            _ if marks(&key) => (lower(&key), value),
            Some(known) => (known.clone(), value),
            None => (named(key), value),
        })
        .collect();
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_name_in_another_case_is_the_same_name() {
        let operation: OperationId = "op-1".parse().unwrap();
        let mut found = tags(&[("Keep", "no"), ("Owner", "ml")]);
        let wanted = one_case(&mut found, tags(&[("keep", "yes"), ("more", "1")]));
        let change = GuardChange::to_guard(&found, "/disks/db", &operation, &wanted);
        assert_eq!(change.kept, tags(&[("keep", "no")]), "it is the host's, and stays");
        change.apply(&mut found);

        // A service may answer with names in another case than they were written in.
        let mut shouted: Tags = found.into_iter().map(|(key, value)| (key.to_uppercase(), value)).collect();
        let wanted = one_case(&mut shouted, tags(&[("MORE", "1"), ("Keep", "yes")]));
        assert_eq!(guard_of(&shouted, "/disks/db"), Some(operation.clone()));
        assert!(GuardChange::to_guard(&shouted, "/disks/db", &operation, &wanted).is_done());
        let change = GuardChange::to_unguard(&shouted, "/disks/db", &operation);
        change.apply(&mut shouted);
        assert_eq!(shouted.keys().collect::<Vec<_>>(), ["Keep", "OWNER"].iter().collect::<Vec<_>>());
    }
}
