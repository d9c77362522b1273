//! Stories of file shares, and the provider suite on their snapshots.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test that called it")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_conformance::provider_checks_in_turn;
use stillpoint_core::{
    Component, DeleteState, Effect, ErrorKind, JobRequest, JobState, Provider, SnapshotQuery, SnapshotRef,
};
use stillpoint_provider_azure::managed::AzureProvider;

use crate::fake::{GROUP, SUBSCRIPTION, World, group};
use crate::suite::{Ended, Sources, Suite};

const SOURCES: usize = 8;

pub(crate) fn share(name: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/files/\
         fileServices/default/shares/{name}"
    )
}

fn component(name: &str) -> Component {
    Component::new(name.parse().unwrap(), "file-share", "azure".parse().unwrap(), share(name))
}

/// Shares of both protocols in one account.
fn scenario(rules: Value) -> Value {
    let shares: Vec<_> = (0..SOURCES)
        .map(|at| json!({"name": format!("share-{at}"), "bytes": 1000, "protocol": if at % 2 == 0 { "NFS" } else { "SMB" }}))
        .collect();
    let account = json!({"name": "files", "kind": "FileStorage", "sku": "Premium_LRS", "shares": shares});
    group(json!({"location": "westeurope", "storage_accounts": [account]}), rules)
}

fn provider(world: &World) -> AzureProvider {
    world.provider().looking_in((0..SOURCES).map(|at| share(&format!("share-{at}")))).unwrap()
}

#[tokio::test]
async fn snapshots_of_shares_keep_the_contract_of_providers() -> Ended {
    let suite = Suite::of(Sources {
        name: "share",
        count: SOURCES,
        scenario: || scenario(json!({})),
        component,
        provider,
        destination: json!({}),
        restores: false,
        taken: str::to_owned,
    });
    let Some(suite) = suite else { return Ok(()) };
    let again = || suite.again();
    // What makes a new share of a snapshot is the data plane of files, which has a suite of its own.
    let left_out = [
        "a_job_says_when_its_content_was_captured",
        "later_writes_do_not_change_a_snapshot",
        "a_snapshot_outlives_the_one_it_builds_on",
        "a_restore_brings_back_what_was_captured",
        "the_same_restore_twice_is_one_resource",
        "a_restore_never_writes_over_what_is_there",
        "a_resource_of_another_operation_is_not_discarded",
        "a_copy_is_made_as_the_capability_says",
    ];
    provider_checks_in_turn! { suite, again, left_out };
    Ok(())
}

#[tokio::test]
async fn a_share_is_captured_once_for_each_key_whatever_is_lost_and_told_late() {
    let rules = json!({"share.snapshot_maximum": 4, "share.list_lag_seconds": 30});
    let Some(world) = World::of(&scenario(rules)) else { return };
    let provider = provider(&world);
    let put = "storage:file_shares.create";
    // An NFS share, which Azure's own backup refuses.
    let projects = component("share-0");
    let mut job = world.backup("op-1", &projects);
    job.tags = [("cost".to_owned(), "ml".to_owned()), ("do-not-collect".to_owned(), "x".to_owned())].into();
    let request = JobRequest::Backup(job);
    assert_eq!(provider.estimate(&world.cx(), &projects).await.unwrap().unwrap().bytes, Some(1000));
    world.inject(put, &json!({"kind": "cut", "when": "after"}));
    let lost = provider.start(&world.cx_of("op-1"), &request).await.unwrap_err();
    assert_eq!(lost.effect(), Effect::MaybeApplied);
    let early = provider.find(&world.cx(), &request, world.now()).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Unavailable, "it is not listed yet: {early:?}");
    world.advance(31.0);
    let found = provider.find(&world.cx(), &request, world.now()).await.unwrap();
    let job = world.start(&provider, &request).await;
    assert_eq!((found.len(), &found[0].job), (1, &job));
    let status = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!((status.state, world.calls("file_shares.create")), (JobState::Succeeded, 1));
    assert!(status.warnings[0].contains("do-not-collect"), "{:?}", status.warnings);
    let captured = status.captured.unwrap();
    assert!(
        captured.from == captured.to && captured.to <= world.now(),
        "a share is one instant: {captured:?}"
    );
    let first = status.snapshot.unwrap();
    let written = world.resource(&share("share-0"))["hidden"]["snapshots"][0]["metadata"].clone();
    assert_eq!((&written["cost"], &written["stillpoint_operation"]), (&json!("ml"), &json!("op-1")));

    // What this process took itself it knows, however late the list is.
    let request = JobRequest::Backup(world.backup("op-2", &projects));
    let job = world.start(&provider, &request).await;
    assert_eq!(world.start(&provider, &request).await, job);
    assert_eq!(provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap().state, JobState::Succeeded);
    assert_eq!(world.calls("file_shares.create"), 2);
    // Another process cannot know and takes a second one; both go when the backup is deleted.
    let other = self::provider(&world);
    world.start(&other, &request).await;
    world.advance(31.0);
    let second = other.poll(&world.cx(), &job, Duration::ZERO).await.unwrap().snapshot.unwrap();
    let count = || world.resource(&share("share-0"))["hidden"]["snapshots"].as_array().unwrap().len();
    assert_eq!(count(), 3);

    let request = JobRequest::Backup(world.backup("op-3", &projects));
    world.start(&provider, &request).await;
    let full = JobRequest::Backup(world.backup("op-4", &projects));
    let error = provider.start(&world.cx_of("op-4"), &full).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().contains("200")),
        (ErrorKind::QuotaExceeded, true),
        "{error}"
    );

    assert_eq!(provider.delete(&world.cx(), &second).await.unwrap(), DeleteState::Gone);
    assert_eq!((count(), provider.delete(&world.cx(), &second).await.unwrap()), (2, DeleteState::Gone));
    what_is_kept_says_why(&world, &provider, &first).await;
}

/// A lock says who keeps it, and a snapshot of somebody else's is left alone.
async fn what_is_kept_says_why(world: &Arc<World>, provider: &AzureProvider, first: &SnapshotRef) {
    let scope = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}");
    world.set(&json!({"lock": {"scope": scope, "name": "keep", "level": "CanNotDelete"}}));
    let DeleteState::Locked { reason, .. } = provider.delete(&world.cx(), first).await.unwrap() else {
        panic!("the lock was not seen")
    };
    assert!(reason.contains("lift"), "{reason}");
    let theirs = world.resource(&share("share-0"))["hidden"]["snapshots"].clone();
    let mut theirs = theirs.as_array().unwrap().clone();
    theirs[0]["metadata"] = json!({"owner": "somebody"});
    world.set(&json!({"resource": share("share-0"), "set": {"hidden.snapshots": theirs}}));
    let error = provider.delete(&world.cx(), first).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    world.advance(31.0);
    let ours = provider.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap();
    assert_eq!(ours.len(), 1, "{ours:?}");
    let restore = JobRequest::Restore(world.restore(&ours[0].snapshot, &component("share-0"), json!({})));
    let error = provider.start(&world.cx_of("restore-1"), &restore).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().contains("mount")),
        (ErrorKind::Unsupported, true),
        "{error}"
    );
}
