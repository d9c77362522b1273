//! What keeps a recovery point from being deleted, told by the state of locks and holds and not by AWS's prose.

use aws_sdk_backup::types::{DateRange, LegalHoldStatus};
use stillpoint_core::{DeleteState, Error, ErrorKind, Result, Timestamp};

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
    if let Some(hold) = hold {
        let reason = format!("the legal hold {hold} keeps it; whoever made the hold must lift it");
        return Ok(DeleteState::Locked { until: None, reason });
    }
    if vault.locked {
        let ends = match state.delete_at {
            Some(at) => format!("until {at}, when its own retention ends"),
            None => "for ever, because it was made without a retention".to_owned(),
        };
        let reason = format!("the lock of vault {} ({}) keeps it {ends}", name.vault, vault.lock_in_words());
        return Ok(DeleteState::Locked { until: state.delete_at, reason });
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

/// The title of a legal hold on the point, or nothing.
async fn hold_on(clients: &Clients, name: &PointName, state: &PointState) -> Result<Option<String>> {
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
            return Ok(Some(format!("{:?} ({id})", answer.title.unwrap_or_default())));
        }
    }
    Ok(None)
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
