//! The catalog suite: what every [`Catalog`](stillpoint_core::Catalog) owes, as plain async functions over a
//! [`Harness`].
//!
//! Each check takes a harness of its own, whose catalog is empty. A check fails by a failed assertion, or by an error
//! that the contract does not allow.

mod backups;
mod clock;
mod commit;
mod creation;
mod durability;
mod harness;
mod lease;
mod paging;
mod queries;
mod reservations;
mod resolve;
mod sample;
mod schedules;
mod trimming;
mod workspaces;

pub use backups::*;
pub use clock::ManualClock;
pub use commit::*;
pub use creation::*;
pub use durability::*;
pub use harness::{Harness, MemoryHarness};
pub use lease::*;
pub use paging::*;
pub use queries::*;
pub use reservations::*;
pub use resolve::*;
pub use schedules::*;
pub use trimming::*;
pub use workspaces::*;

/// Makes one test of each check of the catalog suite.
///
/// Takes the attribute that makes an async test, and an expression that makes a fresh [`Harness`]; the expression
/// may use `.await` and `?` and is evaluated once per test. On a runtime with several threads the checks of races
/// run truly at once.
///
/// ```
/// use stillpoint_conformance::catalog::MemoryHarness;
/// stillpoint_conformance::catalog_suite! { #[tokio::test] MemoryHarness::new() }
/// # fn main() {}
/// ```
///
/// [`Harness`]: crate::catalog::Harness
#[macro_export]
macro_rules! catalog_suite {
    ($(#[$attribute:meta])+ $harness:expr) => {
        $crate::__suite! {
            ($crate::catalog) [$(#[$attribute])+] ($harness)
            a_new_operation_is_stored_with_its_lease
            the_same_operation_again_is_the_one_that_exists
            an_operation_that_ended_still_exists
            a_workspace_has_one_active_operation
            a_workspace_is_free_once_its_operation_is_not_active
            an_expired_lease_does_not_free_the_workspace
            other_workspaces_are_not_busy
            of_many_operations_on_one_workspace_one_is_created
            of_many_creations_of_one_operation_one_creates_it
            a_released_operation_can_be_claimed
            an_expired_lease_can_be_claimed
            a_live_lease_is_held
            a_dead_holder_is_taken_over_by_its_epoch
            renewing_extends_a_lease
            a_lease_that_ran_out_works_until_somebody_takes_over
            a_lease_that_was_taken_over_is_refused
            releasing_a_stale_lease_changes_nothing
            of_many_claimants_one_wins
            a_request_to_cancel_reaches_the_holder
            an_unknown_operation_cannot_be_claimed_or_cancelled
            what_overlaps_is_reserved_once
            a_refused_reservation_keeps_nobody_waiting
            a_reservation_lasts_as_long_as_its_operation_is_active
            of_many_overlapping_reservations_one_is_made
            a_commit_changes_everything_together
            a_commit_catalogues_a_restored_workspace
            a_stale_commit_changes_nothing
            a_ledger_keeps_its_order
            a_commit_overwrites_and_removes_backups
            commits_and_takeovers_at_once_leave_no_half_change
            operations_are_found_by_every_condition
            backups_are_found_by_every_condition
            backups_are_found_by_what_is_in_their_records
            backups_are_found_by_a_span_of_time
            an_id_prefix_is_taken_literally
            lists_are_newest_first_and_ties_by_id
            pages_cover_a_list_once_and_in_order
            a_page_is_bounded
            backups_are_sorted_by_what_is_asked_for
            a_cursor_stays_where_it_is_while_the_list_changes
            a_broken_cursor_is_refused
            a_long_list_is_paged_whole
            a_new_backup_must_be_new
            several_backups_are_added_where_they_are_not_there
            a_backup_is_overwritten_at_its_revision_only
            of_many_writers_at_one_revision_one_wins
            an_unknown_backup_is_none
            the_origin_of_a_workspace_stays
            a_workspace_is_written_over
            workspaces_are_listed_by_id
            a_schedule_is_overwritten_at_its_revision_only
            schedules_are_found_by_every_condition
            operations_that_ended_are_removed_with_their_ledgers
            what_is_unfinished_or_made_a_catalogued_backup_is_not_removed
            of_many_removals_at_once_each_operation_is_in_one
            every_record_comes_back_as_it_was
            everything_survives_a_restart
            a_second_process_sees_what_the_first_wrote
            the_latest_backup_is_never_a_partial_one
            what_is_dated_ahead_hides_no_backup_that_is_not
            a_backup_is_named_by_its_id_or_a_unique_prefix
            a_backup_is_named_by_workspace_and_time
            a_name_that_fits_several_backups_is_ambiguous
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_check_is_in_the_suite() {
        let sources = [
            include_str!("backups.rs"),
            include_str!("commit.rs"),
            include_str!("creation.rs"),
            include_str!("durability.rs"),
            include_str!("lease.rs"),
            include_str!("paging.rs"),
            include_str!("queries.rs"),
            include_str!("reservations.rs"),
            include_str!("resolve.rs"),
            include_str!("schedules.rs"),
            include_str!("trimming.rs"),
            include_str!("workspaces.rs"),
        ];
        let list: Vec<_> = include_str!("mod.rs").lines().map(str::trim).collect();
        let checks = sources
            .iter()
            .flat_map(|source| source.lines())
            .filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
        let missing: Vec<_> = checks.filter(|check| !list.contains(check)).collect();
        assert!(missing.is_empty(), "the macro does not list {missing:?}");
    }
}
