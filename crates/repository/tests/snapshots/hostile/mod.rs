//! Whatever a snapshot says and whatever stands in the target: nothing outside the target changes.

mod arena;
mod case;
mod entries;
mod generated;
mod names;
mod race;
mod targets;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use stillpoint_repository::{
    Cancellation, Credentials, Id, NoProgress, Origin, Repository, RestoreSummary, Result, Store,
};

use arena::Arena;
use case::{Case, Outcome};

async fn repository() -> Repository {
    let credentials = Credentials::machine_key(crate::support::PASSWORD.to_owned()).unwrap();
    Repository::init(Store::memory(), &credentials, Origin::detect()).await.unwrap()
}

async fn attempt(
    repository: &Repository,
    snapshot: &Id,
    case: &Case,
    target: &Path,
) -> Result<RestoreSummary> {
    let (options, progress) = (case.options(), Arc::new(NoProgress));
    repository.restore(snapshot, target, options, progress, &Cancellation::new()).await
}

/// Restores each case into an arena of its own and looks at everything around the target.
async fn prove(cases: Vec<Case>) -> usize {
    let repository = repository().await;
    let snapshots = case::store(&repository, &cases).await;
    for (case, snapshot) in cases.iter().zip(&snapshots) {
        let arena = Arena::new();
        (case.prepare)(&arena.target(), &arena.outside());
        let outcome = attempt(&repository, snapshot, case, &arena.target()).await;
        arena.assert_unharmed(&case.label);
        assert_powerless(&arena.target(), &case.label);
        let noticed = match &outcome {
            Ok(summary) => !summary.issues.is_empty() || !summary.warnings.is_empty(),
            Err(error) => {
                assert!(!error.to_string().is_empty(), "{}", case.label);
                true
            }
        };
        match case.outcome {
            Outcome::Noticed => assert!(noticed, "{}: {outcome:?}", case.label),
            Outcome::Harmless => assert!(outcome.is_ok(), "{}: {outcome:?}", case.label),
        }
    }
    cases.len()
}

/// No restore with default options makes devices, sockets or set-id files.
fn assert_powerless(target: &Path, case: &str) {
    for path in arena::entries(target) {
        let stat = fs::symlink_metadata(&path).unwrap();
        let kind = stat.file_type();
        let special = kind.is_char_device() || kind.is_block_device() || kind.is_socket();
        assert!(!special && (kind.is_symlink() || stat.mode() & 0o6000 == 0), "{case}: {path:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_leads_outside_the_target() {
    assert!(prove(names::cases()).await >= 290);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_an_entry_leads_outside_or_grants_powers() {
    assert!(prove(entries::cases()).await >= 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_planted_in_the_target_leads_outside() {
    assert!(prove(targets::cases()).await >= 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_is_too_deep_is_restored_down_to_the_bound_and_said_so() {
    let repository = repository().await;
    let case = entries::too_deep();
    let snapshot = case::store(&repository, std::slice::from_ref(&case)).await[0];
    let arena = Arena::new();
    let summary = attempt(&repository, &snapshot, &case, &arena.target()).await.unwrap();
    arena.assert_unharmed(&case.label);
    assert_eq!(summary.directories, stillpoint_localfs::DEPTH_MAX as u64);
    assert_eq!(summary.issues.total(), 1, "{:?}", summary.issues);
    assert!(summary.issues.items()[0].message.contains("deeper"), "{:?}", summary.issues);
    // The standard library holds a descriptor for each level, and so cannot remove it.
    assert!(std::process::Command::new("rm").arg("-rf").arg(arena.target()).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_named_many_times_is_bounded_and_the_bound_may_be_raised() {
    let repository = repository().await;
    let case = entries::repeated(4);
    let snapshot = case::store(&repository, std::slice::from_ref(&case)).await[0];
    let arena = Arena::new();
    let refused = attempt(&repository, &snapshot, &case, &arena.target()).await.unwrap_err();
    assert_eq!(*refused.kind(), stillpoint_repository::ErrorKind::Unsupported, "{refused}");
    let mut options = case.options();
    options.repeated_entries_max = 100_000;
    let (progress, cancellation) = (Arc::new(NoProgress), Cancellation::new());
    let restored = repository.restore(&snapshot, &arena.target(), options, progress, &cancellation).await;
    assert_eq!(restored.unwrap().files_restored, 10_000);
}
