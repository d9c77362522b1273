//! Guards on volumes and file systems: protective tags that stand on them while AWS Backup reads them.
//!
//! AWS Backup copies a resource's tags to its recovery points, and with a restore to what it makes of them; the marks of a
//! guard hold a digest of their resource's ARN, so that one that came along is void. Source:
//! <https://docs.aws.amazon.com/aws-backup/latest/devguide/recovery-points.html>, on tags.

use stillpoint_core::{
    Component, Error, ErrorKind, Foreseen, GuardChange, OperationId, Result, Tags, guard_of,
};

use super::AwsProvider;
use super::backup::foreseen;
use super::clients::Clients;
use super::policy::Task;
use super::settings::{Source, SourceKind};
use super::tags;

/// What a mark says beside the operation: a space and a digest.
const DIGEST_CHARS: usize = 13;

/// A source with the clients of its region.
pub(super) struct Guarded {
    clients: Clients,
    source: Source,
}

impl Guarded {
    /// What takes `tags` to stand on the source for `operation`, as things are.
    pub(super) async fn to_guard(&self, operation: &OperationId, tags: &Tags) -> Result<GuardChange> {
        let wanted = tags::with_own(Tags::new(), tags, tags::TAGS_MAX)?;
        let found = self.tags().await?;
        Ok(GuardChange::to_guard(&found, &self.name(), &written(operation)?, &wanted))
    }

    async fn to_unguard(&self, operation: &OperationId) -> Result<GuardChange> {
        Ok(GuardChange::to_unguard(&self.tags().await?, &self.name(), &written(operation)?))
    }

    fn name(&self) -> String {
        self.source.arn.to_string()
    }

    /// All its tags.
    pub(super) async fn tags(&self) -> Result<Tags> {
        let id = self.source.arn.resource_id();
        Ok(match self.source.kind {
            SourceKind::Volume => self.clients.ec2().volume(id).await?.tags,
            SourceKind::FileSystem => self.clients.efs().file_system(id).await?.tags,
        })
    }

    async fn make(&self, change: &GuardChange) -> Result<()> {
        let id = self.source.arn.resource_id();
        match self.source.kind {
            SourceKind::Volume => {
                self.clients.ec2().tag(id, &change.write).await?;
                self.clients.ec2().untag(id, &change.remove).await
            }
            SourceKind::FileSystem => {
                self.clients.efs().tag(id, &change.write).await?;
                self.clients.efs().untag(id, change.remove.keys().cloned().collect()).await
            }
        }
    }

    /// What was read back is not yet as it was written.
    fn not_seen(&self) -> Error {
        let message = format!("{} does not show its new tags yet", self.source.arn);
        Error::new(ErrorKind::Unavailable, message).maybe_applied()
    }
}

impl AwsProvider {
    pub(super) fn guarded_source(&self, component: &Component) -> Result<Guarded> {
        let source = Source::of(component)?;
        Ok(Guarded { clients: self.clients(&source.arn.region)?, source })
    }

    pub(super) async fn guard_source(
        &self,
        component: &Component,
        operation: &OperationId,
        tags: &Tags,
    ) -> Result<Tags> {
        let source = self.guarded_source(component)?;
        let change = source.to_guard(operation, tags).await?;
        if change.is_done() {
            return Ok(change.kept);
        }
        source.make(&change).await?;
        let left = source.to_guard(operation, tags).await?;
        if left.is_done() { Ok(left.kept) } else { Err(source.not_seen()) }
    }

    pub(super) async fn unguard_source(&self, component: &Component, operation: &OperationId) -> Result<()> {
        let source = self.guarded_source(component)?;
        let removed = async {
            let change = source.to_unguard(operation).await?;
            if change.is_done() {
                return Ok(());
            }
            source.make(&change).await?;
            if source.to_unguard(operation).await?.is_done() { Ok(()) } else { Err(source.not_seen()) }
        };
        match removed.await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            ended => ended,
        }
    }

    pub(super) async fn guard_on(&self, component: &Component) -> Result<Option<OperationId>> {
        let source = self.guarded_source(component)?;
        match source.tags().await {
            Ok(found) => Ok(guard_of(&found, &source.name()).and_then(|written| read(&written))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn foresee_guard_of(component: &Component) -> Result<Foreseen> {
        Ok(foreseen(Task::Guard, Source::of(component)?.kind, Tags::new()))
    }
}

/// An operation's id as a tag can hold it.
fn written(operation: &OperationId) -> Result<OperationId> {
    let value = tags::value(operation.as_str());
    if !tags::is_readable(operation.as_str()) || value.len() + DIGEST_CHARS > tags::VALUE_CHARS_MAX {
        let message = format!("the operation's id {operation} does not fit into a tag of AWS; shorten it");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    OperationId::new(value)
}

/// The id that a tag holds.
fn read(written: &OperationId) -> Option<OperationId> {
    tags::text(written.as_str()).and_then(|text| OperationId::new(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operations_id_fits_into_its_mark_or_is_refused() {
        for id in ["op-1", "nightly 2026", "größe=%"] {
            let id: OperationId = id.parse().unwrap();
            assert_eq!(read(&written(&id).unwrap()), Some(id));
        }
        let long: OperationId = "o".repeat(250).parse().unwrap();
        assert_eq!(written(&long).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
