//! Recovery points found by what is written on them, in the vaults that the provider was given.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use stillpoint_core::{Error, ErrorKind, OpContext, Result, SnapshotInfo, SnapshotQuery, Tags};

use super::super::AwsProvider;
use super::super::clients::Clients;
use super::super::ec2::Filters;
use super::super::names::PointName;
use super::super::pages::pages;
use super::super::provider::VaultPlace;
use super::super::refusal::unread;
use super::super::tags;
use super::PointState;
use super::open::info;

/// Entries on one page of a list.
const PAGE_ITEMS: i32 = 1000;
/// So many points are asked for their tags at once.
const TAGS_AT_ONCE: usize = 8;

impl AwsProvider {
    pub(in super::super) async fn find_points(
        &self,
        cx: &OpContext,
        query: &SnapshotQuery,
    ) -> Result<Vec<SnapshotInfo>> {
        if self.vaults().is_empty() {
            let message = "no vault is configured in which recovery points could be looked for";
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        let wanted = wanted(query);
        let mut snapshots: BTreeMap<String, BTreeMap<String, Tags>> = BTreeMap::new();
        let mut found = Vec::new();
        for place in self.vaults() {
            cx.check()?;
            let clients = self.clients(&place.region)?;
            if !snapshots.contains_key(&place.region) {
                snapshots.insert(place.region.clone(), marked_snapshots(&clients, &wanted).await?);
            }
            let of_region = snapshots.get(&place.region);
            let tagged = listed(&clients, place).await?.into_iter().map(async |(name, state)| {
                let written = if name.is_snapshot() {
                    of_region.and_then(|known| known.get(name.arn.resource_id()).cloned())
                } else {
                    tags_if_there(&clients, &name).await?
                };
                Ok::<_, Error>((name, state, written))
            });
            let tagged: Vec<_> = stream::iter(tagged).buffer_unordered(TAGS_AT_ONCE).try_collect().await?;
            for (name, state, written) in tagged {
                if let Some(written) = written.filter(|written| fits(&state, written, &wanted)) {
                    found.push(info(self.provider_id(), &name, &state, &written)?);
                }
            }
        }
        found.sort_by(|a, b| a.snapshot.cmp(&b.snapshot));
        found.dedup_by(|a, b| a.snapshot == b.snapshot);
        Ok(found)
    }
}

/// The tags that a query asks for, with their values as they are written.
fn wanted(query: &SnapshotQuery) -> Tags {
    let conditions = [
        (tags::WORKSPACE, query.workspace.as_ref().map(|id| id.as_str())),
        (tags::BACKUP, query.backup.as_ref().map(|id| id.as_str())),
        (tags::OPERATION, query.operation.as_ref().map(|id| id.as_str())),
    ];
    let set = conditions.into_iter().filter_map(|(tag, id)| Some((tag.to_owned(), tags::value(id?))));
    set.collect()
}

fn fits(state: &PointState, written: &Tags, wanted: &Tags) -> bool {
    state.is_ours(written) && wanted.iter().all(|(tag, value)| written.get(tag) == Some(value))
}

/// The tags of all snapshots of volumes that fit, by their ids: one list instead of a question for each point.
async fn marked_snapshots(clients: &Clients, wanted: &Tags) -> Result<BTreeMap<String, Tags>> {
    let filters = Filters::new().with("tag-key", [tags::JOB]);
    let filters = wanted.iter().fold(filters, |filters, (tag, value)| filters.tag(tag, value));
    let snapshots = clients.ec2().snapshots(&filters).await?;
    Ok(snapshots.into_iter().map(|snapshot| (snapshot.id, snapshot.tags)).collect())
}

async fn tags_if_there(clients: &Clients, name: &PointName) -> Result<Option<Tags>> {
    match name.tags(clients).await {
        Ok(tags) => Ok(Some(tags)),
        // It went between the list and the question.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a point is of a service that we back up. Of others not even the tags can be asked for.
fn can_be_ours(name: &PointName, state: &PointState) -> bool {
    match state.kind.as_deref() {
        Some("EBS") => name.is_snapshot(),
        Some("EFS") => name.is_kept_by_backup(),
        Some(_) => false,
        None => name.is_snapshot() || name.is_kept_by_backup(),
    }
}

/// All recovery points of a vault that can be ours, whoever made them.
async fn listed(clients: &Clients, place: &VaultPlace) -> Result<Vec<(PointName, PointState)>> {
    const OPERATION: &str = "ListRecoveryPointsByBackupVault";
    let points = pages(OPERATION, async |token| {
        let call = clients.backup.list_recovery_points_by_backup_vault().backup_vault_name(&place.vault);
        let answer = call.max_results(PAGE_ITEMS).set_next_token(token).send().await;
        let answer = answer.map_err(unread(OPERATION))?;
        Ok((answer.recovery_points.unwrap_or_default(), answer.next_token))
    });
    let named = |state: PointState| {
        let name = PointName::new(&place.vault, state.arn.parse().ok()?);
        can_be_ours(&name, &state).then_some((name, state))
    };
    Ok(points.await?.into_iter().map(PointState::from).filter_map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_other_services_are_passed_over() {
        for (arn, kind, expected) in [
            ("arn:aws:ec2:us-east-1::snapshot/snap-1", Some("EBS"), true),
            ("arn:aws:backup:us-east-1:1:recovery-point:1B", Some("EFS"), true),
            ("arn:aws:backup:us-east-1:1:recovery-point:1B", None, true),
            ("arn:aws:backup:us-east-1:1:recovery-point:1B", Some("DynamoDB"), false),
            ("arn:aws:ec2:us-east-1::image/ami-1", Some("EC2"), false),
            ("arn:aws:ec2:us-east-1::image/ami-1", None, false),
            ("arn:aws:rds:us-east-1:1:snapshot:awsbackup:job-1", Some("RDS"), false),
            ("arn:aws:rds:us-east-1:1:snapshot:awsbackup:job-1", None, false),
            ("arn:aws:fsx:us-east-1:1:backup/backup-1", Some("FSx"), false),
        ] {
            let name = PointName::new("Default", arn.parse().unwrap());
            let state = PointState { kind: kind.map(str::to_owned), ..PointState::default() };
            assert_eq!(can_be_ours(&name, &state), expected, "{arn} {kind:?}");
        }
    }
}
