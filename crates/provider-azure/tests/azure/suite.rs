//! The provider suite on managed disks. All checks share one fake, which begins anew for each.

use crate::fake::AzureHarness;

/// Runs checks of the suite one after another, each in a fake that `$again` began anew.
macro_rules! checks {
    ($harness:ident, $again:ident: $($check:ident)+) => {
        $(
            $again();
            let ended = stillpoint_conformance::provider::$check(&$harness).await;
            ended.map_err(|error| format!("{}: {error:?}", stringify!($check)))?;
        )+
    };
}

pub(crate) use checks;

#[tokio::test]
async fn disks_keep_the_contract_of_providers() -> Result<(), Box<dyn std::error::Error>> {
    let Some(harness) = AzureHarness::new() else { return Ok(()) };
    let again = || harness.again();
    checks! { harness, again:
        a_source_that_is_there_has_no_blocker
        a_missing_source_is_a_blocker
        the_same_key_is_one_job
        the_same_key_after_a_restart_is_one_job
        another_operation_is_another_job
        an_unknown_job_is_not_found
        a_found_job_is_proven_ours
        a_job_never_started_is_not_there
        cancelling_follows_the_capability
        cancelling_an_ended_or_unknown_job_succeeds
        a_job_says_when_its_content_was_captured
        a_snapshot_describes_itself
        snapshots_are_found_by_what_is_written_on_them
        later_writes_do_not_change_a_snapshot
        a_snapshot_outlives_the_one_it_builds_on
        a_deleted_snapshot_is_gone_and_stays_gone
        an_unknown_snapshot_is_not_found
        verification_never_claims_more_than_was_asked
        entries_come_whole_and_in_order
        a_restore_brings_back_what_was_captured
        the_same_restore_twice_is_one_resource
        a_restore_never_writes_over_what_is_there
        a_restore_of_an_unknown_snapshot_fails
        a_single_path_is_restored_as_the_capability_says
        a_resource_of_another_operation_is_not_discarded
        a_copy_is_made_as_the_capability_says
        records_are_kept_as_the_capability_says
    }
    Ok(())
}
