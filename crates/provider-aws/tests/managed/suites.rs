//! The provider suite on EBS volumes and on EFS file systems. What a provider says that it can do is one answer for both, so
//! each kind leaves out the one check of what only the other can: a file system is captured only when its job ends, and a
//! volume comes back as a whole.

macro_rules! checks {
    ($name:ident, $sources:ident: $($check:ident)+) => {
        mod $name {
            use crate::fake::{AwsHarness, Sources};

            pub(super) const NAMES: &[&str] = &[$(stringify!($check)),+];

            $(#[tokio::test]
            async fn $check() -> Result<(), Box<dyn std::error::Error>> {
                let Some(harness) = AwsHarness::new(Sources::$sources) else { return Ok(()) };
                stillpoint_conformance::provider::$check(&harness).await?;
                Ok(())
            })+
        }
    };
}

checks! { volumes, Volumes:
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
    a_resource_of_another_operation_is_not_discarded
    a_copy_is_made_as_the_capability_says
    records_are_kept_as_the_capability_says
}

checks! { file_systems, FileSystems:
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

macro_rules! names {
    ($($check:ident)+) => { [$(stringify!($check)),+] };
}

#[test]
fn each_kind_leaves_out_no_check_but_the_one() {
    let left_out = |run: &[&str]| {
        let all = stillpoint_conformance::provider_checks! { (names) };
        all.into_iter().filter(|name| !run.contains(name)).collect::<Vec<_>>()
    };
    assert_eq!(left_out(volumes::NAMES), ["a_single_path_is_restored_as_the_capability_says"]);
    assert_eq!(left_out(file_systems::NAMES), ["a_job_says_when_its_content_was_captured"]);
}
