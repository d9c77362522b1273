//! The provider suite: what every [`Provider`](stillpoint_core::Provider) owes, as plain async functions over a [`Harness`].
//!
//! Each check makes its own sources, operations and destinations, so that checks can share one backing store and
//! run at once. A check fails by a failed assertion, or by an error that the contract does not allow.

mod bench;
mod copies;
mod guards;
mod harness;
mod jobs;
mod records;
mod restore;
mod snapshots;

pub use copies::*;
pub use guards::*;
pub use harness::{Content, Harness, Occupied};
pub use jobs::*;
pub use records::*;
pub use restore::*;
pub use snapshots::*;

/// Makes one test of each check of the provider suite.
///
/// Takes the attribute that makes an async test, and an expression that makes a fresh [`Harness`]; the expression
/// may use `.await` and `?` and is evaluated once per test.
///
/// ```
/// # use std::sync::Arc;
/// # struct MyHarness;
/// # impl MyHarness { fn new() -> stillpoint_conformance::memory::MemoryHarness {
/// #     stillpoint_conformance::memory::MemoryHarness::new() } }
/// stillpoint_conformance::provider_suite! { #[tokio::test] MyHarness::new() }
/// # fn main() {}
/// ```
///
/// [`Harness`]: crate::provider::Harness
#[macro_export]
macro_rules! provider_suite {
    ($(#[$attribute:meta])+ $harness:expr) => {
        $crate::provider_checks! { ($crate::__suite) ($crate::provider) [$(#[$attribute])+] ($harness) }
    };
}

/// Hands the names of all checks of the provider suite to the macro that is named in parentheses, after whatever else
/// is given. For hosts that run the checks in their own way, so that none is left out but by name.
///
/// ```
/// macro_rules! names { ($($check:ident)+) => { [$(stringify!($check)),+] }; }
/// let names = stillpoint_conformance::provider_checks! { (names) };
/// assert!(names.contains(&"the_same_key_is_one_job"));
/// ```
#[macro_export]
macro_rules! provider_checks {
    (($($callback:tt)+) $($given:tt)*) => {
        $($callback)+! {
            $($given)*
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
            a_guard_stands_as_the_capability_says
            records_are_kept_as_the_capability_says
        }
    };
}

/// Runs all checks of the provider suite one after another, but those that are left out by name: for harnesses that are slow
/// to make. Stands in an async function whose errors may be boxed.
///
/// Takes the harness, a function that begins anew before each check, and the names to leave out; a name that no check
/// has fails.
///
/// ```
/// use stillpoint_conformance::memory::MemoryHarness;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (harness, mut begun) = (MemoryHarness::new(), 0);
/// let again = || begun += 1;
/// stillpoint_conformance::provider_checks_in_turn! { harness, again, ["records_are_kept_as_the_capability_says"] };
/// assert!(begun > 20);
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! provider_checks_in_turn {
    ($harness:expr, $again:expr, $left_out:expr) => {{
        let (harness, mut again, left_out) = (&$harness, $again, $left_out);
        $crate::provider_checks! { ($crate::__in_turn) (harness, again, left_out) }
    }};
}

/// The checks one after another; used by [`provider_checks_in_turn`] only.
#[doc(hidden)]
#[macro_export]
macro_rules! __in_turn {
    (($harness:ident, $again:ident, $left_out:ident) $($check:ident)+) => {
        for name in &$left_out {
            assert!([$(stringify!($check)),+].contains(name), "no check is called {name}");
        }
        $(
            if !$left_out.contains(&stringify!($check)) {
                $again();
                let ended = $crate::provider::$check($harness).await;
                ended.map_err(|error| format!("{}: {error:?}", stringify!($check)))?;
            }
        )+
    };
}

/// Turns a list of checks into tests; used by the suites' macros only.
#[doc(hidden)]
#[macro_export]
macro_rules! __suite {
    ($path:tt $attributes:tt $harness:tt $($check:ident)+) => {
        $($crate::__check! { $path $attributes $harness $check })+
    };
}

/// One test of one check; used by the suites' macros only.
#[doc(hidden)]
#[macro_export]
macro_rules! __check {
    (($($path:tt)+) [$($attribute:tt)+] ($harness:expr) $check:ident) => {
        $($attribute)+
        async fn $check() -> ::std::result::Result<(), ::std::boxed::Box<dyn ::std::error::Error>> {
            let harness = $harness;
            $($path)+::$check(&harness).await?;
            Ok(())
        }
    };
}
