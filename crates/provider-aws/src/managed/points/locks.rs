//! What keeps a recovery point from being deleted, told by the state of locks and holds and not by AWS's prose.

use aws_sdk_backup::types::{DateRange, LegalHoldStatus};
use stillpoint_core::{DeleteState, Error, ErrorKind, Locked, Result, Timestamp};

use super::super::clients::Clients;
use super::super::names::PointName;
use super::super::pages::pages;
use super::super::refusal::unread;
use super::super::time::timestamp;
use super::super::vault::Vault;
use super::PointState;

/// Entries on one page of a list.
const PAGE_ITEMS: i32 = 1000;

/// Why AWS refused to delete `name`, with `refusal`.
///
/// # Errors
/// The refusal itself, where neither lock nor hold nor policy explains it, or where nobody may look for them.
pub(super) async fn explain(
    clients: &Clients,
    name: &PointName,
    state: &PointState,
    refusal: Error,
) -> Result<DeleteState> {
    // IAM says who is not authorized to do what, whatever else keeps the point. What a vault's own policy forbids, AWS
    // Backup words differently.
    if refusal.to_string().contains("not authorized to perform") {
        return Err(refusal);
    }
    let looked = async {
        Ok::<_, Error>((hold_on(clients, name, state).await?, Vault::describe(clients, &name.vault).await?))
    };
    let Ok((hold, vault)) = looked.await else { return Err(refusal) };
    if let Some(kept) = hold.or_else(|| vault_lock(&vault, name, state)) {
        return Ok(DeleteState::Locked { until: kept.until, reason: kept.reason });
    }
    if refusal.kind() == ErrorKind::PermissionDenied {
        let reason = format!(
            "the access policy of vault {} denies the deletion; change it, or ask whoever owns it: {refusal}",
            name.vault
        );
        return Ok(DeleteState::Locked { until: None, reason });
    }
    Err(refusal)
}

/// What keeps `name` at `now`, read without trying to delete it.
///
/// # Errors
/// Whatever looking can meet.
pub(super) async fn keeps(
    clients: &Clients,
    name: &PointName,
    state: &PointState,
    now: Timestamp,
) -> Result<Option<Locked>> {
    if let Some(lock) = snapshot_lock(clients, name).await? {
        return Ok(Some(lock));
    }
    let vault = Vault::describe(clients, &name.vault).await?;
    // What a lock keeps until its own retention ends goes then.
    let open = state.delete_at.is_some_and(|at| at <= now);
    match vault_lock(&vault, name, state).filter(|_| !open) {
        Some(lock) => Ok(Some(lock)),
        None => hold_on(clients, name, state).await,
    }
}

/// The lock of the vault that the point lies in.
fn vault_lock(vault: &Vault, name: &PointName, state: &PointState) -> Option<Locked> {
    let ends = match state.delete_at {
        Some(at) => format!("until {at}, when its own retention ends"),
        None => "for ever, because it was made without a retention".to_owned(),
    };
    let reason = format!("the lock of vault {} ({}) keeps it {ends}", name.vault, vault.lock_in_words());
    vault.locked.then(|| Locked::new(state.delete_at, reason))
}

/// A legal hold on the point, or nothing.
async fn hold_on(clients: &Clients, name: &PointName, state: &PointState) -> Result<Option<Locked>> {
    let holds = pages("ListLegalHolds", async |token| {
        let call = clients.backup.list_legal_holds().max_results(PAGE_ITEMS).set_next_token(token);
        let answer = call.send().await.map_err(unread("ListLegalHolds"))?;
        Ok((answer.legal_holds.unwrap_or_default(), answer.next_token))
    });
    for hold in holds.await? {
        // A hold that is being made or lifted holds as well.
        if hold.status == Some(LegalHoldStatus::Canceled) {
            continue;
        }
        let Some(id) = hold.legal_hold_id else { continue };
        let answer = clients.backup.get_legal_hold().legal_hold_id(&id).send().await;
        let answer = answer.map_err(unread("GetLegalHold"))?;
        let Some(chosen) = answer.recovery_point_selection else { continue };
        let vaults = chosen.vault_names();
        let resources = chosen.resource_identifiers();
        let within = chosen.date_range().is_none_or(|range| covers(range, state.created));
        if within && (vaults.contains(&name.vault) || resources.contains(&state.resource)) {
            let title = answer.title.unwrap_or_default();
            let reason =
                format!("the legal hold {title:?} ({id}) keeps it; whoever made the hold must lift it");
            return Ok(Some(Locked::new(None, reason)));
        }
    }
    Ok(None)
}

/// A lock of the snapshot itself. AWS Backup does not know it: it would answer success, and spoil the point.
pub(super) async fn snapshot_lock(clients: &Clients, name: &PointName) -> Result<Option<Locked>> {
    if !name.is_snapshot() {
        return Ok(None);
    }
    let id = name.arn.resource_id();
    let lock = match clients.ec2().snapshot_lock(id).await {
        // Somebody deleted the snapshot itself, and with it whatever kept it.
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        other => other?,
    };
    Ok(lock.map(|lock| {
        let reason =
            format!("the snapshot {id} is locked ({}); whoever locked it must unlock it", lock.state);
        Locked::new(lock.until, reason)
    }))
}

/// Whether a hold on points of these days is one on a point that was created then. One of unknown age may be held.
fn covers(range: &DateRange, created: Option<Timestamp>) -> bool {
    let (from, to) = (timestamp(range.from_date()), timestamp(range.to_date()));
    created.is_none_or(|at| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at <= to))
}

#[cfg(test)]
mod tests {
    use aws_sdk_backup::primitives::DateTime;

    use super::*;

    #[test]
    fn a_hold_on_some_days_holds_what_was_made_then() {
        let range = DateRange::builder().from_date(DateTime::from_secs(10)).to_date(DateTime::from_secs(20));
        let range = range.build().unwrap();
        let at = |seconds: i64| Some(Timestamp::from_millis(seconds * 1000));
        for (created, expected) in
            [(at(9), false), (at(10), true), (at(20), true), (at(21), false), (None, true)]
        {
            assert_eq!(covers(&range, created), expected, "{created:?}");
        }
    }
}
