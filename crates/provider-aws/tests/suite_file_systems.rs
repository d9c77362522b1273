//! The provider suite on EFS file systems; a file system is captured only when its job ends, so there is no early capture to show.

mod fake;

use fake::{AwsHarness, Sources};

macro_rules! checks {
    ($($check:ident)+) => {
        $(#[tokio::test]
        async fn $check() -> Result<(), Box<dyn std::error::Error>> {
            let Some(harness) = AwsHarness::new(Sources::FileSystems) else { return Ok(()) };
            stillpoint_conformance::provider::$check(&harness).await?;
            Ok(())
        })+
    };
}

checks! {
    the_same_key_is_one_job
    the_same_key_after_a_restart_is_one_job
    another_operation_is_another_job
    an_unknown_job_is_not_found
    a_found_job_is_proven_ours
    a_job_never_started_is_not_there
    cancelling_follows_the_capability
    cancelling_an_ended_or_unknown_job_succeeds
    a_snapshot_describes_itself
    snapshots_are_found_by_what_is_written_on_them
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
