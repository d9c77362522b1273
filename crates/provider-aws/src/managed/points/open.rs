//! One recovery point, opened: what it says of itself, and whether it is whole as far as AWS can tell.

use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    Depth, EntryPage, Error, ErrorKind, Issue, Locked, OpContext, ProviderId, Result, Snapshot, SnapshotInfo,
    Tags, Timestamp, Verification,
};

use super::super::AwsProvider;
use super::super::clients::Clients;
use super::super::names::PointName;
use super::super::tags;
use super::locks::keeps;
use super::{PointState, Usable};

/// A gibibyte as a power of two: what EC2 counts volumes in.
const GIB_BITS: u32 = 30;

/// A recovery point.
#[derive(Debug)]
struct Point {
    provider: ProviderId,
    clients: Clients,
    name: PointName,
}

impl AwsProvider {
    pub(in super::super) async fn open_point(
        &self,
        _cx: &OpContext,
        name: PointName,
    ) -> Result<Arc<dyn Snapshot>> {
        let clients = self.clients(&name.arn.region)?;
        PointState::describe(&clients, &name).await?;
        Ok(Arc::new(Point { provider: self.provider_id().clone(), clients, name }))
    }
}

/// What state and tags say of a recovery point.
///
/// # Errors
/// `InvalidInput` where its name is longer than an id may be.
pub(super) fn info(
    provider: &ProviderId,
    name: &PointName,
    state: &PointState,
    written: &Tags,
) -> Result<SnapshotInfo> {
    let created = state.created.unwrap_or(Timestamp::from_millis(0));
    let mut info = SnapshotInfo::new(name.of(provider, state.vault_arn.as_ref())?, created);
    tags::read(&mut info, written);
    info.usable = state.usable() == Usable::Now;
    info.account_region = state.vault_arn.as_ref().map(|vault| (vault.account.clone(), vault.region.clone()));
    Ok(info)
}

impl Point {
    /// Whether EC2 and AWS Backup agree on the size of a volume's snapshot, and what is wrong with it beyond what AWS Backup
    /// knows. What AWS Backup says of sizes is not documented well enough to call another one damage.
    async fn snapshot_problems(&self, state: &PointState) -> Result<(bool, Vec<Issue>)> {
        let snapshot = match self.clients.ec2().snapshot(self.name.arn.resource_id()).await {
            Ok(snapshot) => snapshot,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok((false, vec![self.issue("missing", "EC2 knows no such snapshot")]));
            }
            Err(error) => return Err(error),
        };
        let mut problems = Vec::new();
        if snapshot.state != "completed" {
            problems.push(self.issue("incomplete", &format!("EC2 calls the snapshot {}", snapshot.state)));
        }
        let agreed =
            state.size_bytes.is_some() && state.size_bytes == snapshot.size_gib.checked_shl(GIB_BITS);
        Ok((agreed, problems))
    }

    fn issue(&self, kind: &str, message: &str) -> Issue {
        Issue::new(kind, self.name.arn.to_string(), message)
    }
}

#[async_trait]
impl Snapshot for Point {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        let state = PointState::describe(&self.clients, &self.name).await?;
        let written = self.name.tags(&self.clients).await?;
        info(&self.provider, &self.name, &state, &written)
    }

    /// AWS tells whether a point is there and complete, and of a volume's snapshot how large it is. It never tells more;
    /// only a restore does.
    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        let state = PointState::describe(&self.clients, &self.name).await?;
        let mut problems = Vec::new();
        if state.usable() != Usable::Now {
            problems.push(self.issue("unusable", &format!("AWS Backup calls it {}", state.in_words())));
        }
        let mut deepest = Depth::Listed;
        if self.name.is_snapshot() {
            let (sized, more) = self.snapshot_problems(&state).await?;
            problems.extend(more);
            deepest = if sized { Depth::Sized } else { Depth::Listed };
        }
        Ok(Verification::new(depth.min(deepest), problems))
    }

    async fn locked(&self, cx: &OpContext) -> Result<Option<Locked>> {
        let state = PointState::describe(&self.clients, &self.name).await?;
        keeps(&self.clients, &self.name, &state, cx.clock().now()).await
    }

    async fn entries(&self, _cx: &OpContext, _path: &str, _after: Option<&str>) -> Result<EntryPage> {
        Err(Error::new(ErrorKind::Unsupported, "AWS Backup lists no entries of a recovery point; restore it"))
    }
}
