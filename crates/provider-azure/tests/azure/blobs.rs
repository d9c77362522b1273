//! Blobs that go through a vault, and come back in another storage account.

use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{ErrorKind, Evidence, JobRequest, Provider, Readiness, Severity};
use stillpoint_provider_azure::managed::STORAGE_ACCOUNT;

use crate::fake::{GROUP, RESTORE, SUBSCRIPTION, World};
use crate::vaults::{blobs, container, provider, scenario};

/// The blobs of one container come back in a new one of another account, which a housekeeper knows from first sight on.
#[tokio::test]
async fn blobs_come_back_in_a_new_container_of_another_account() {
    let Some(world) = World::of(&scenario(json!({}))) else { return };
    let provider = provider(&world);
    let point = world.captured("op-1", &blobs("blobs-0")).await;
    world.fake().post("write", &json!({"resource": container("blobs", "blobs-0"), "content": "later"}));
    // Where they are to go is said before anything is asked for.
    let mut nowhere = blobs("blobs-0");
    nowhere.settings.remove(STORAGE_ACCOUNT);
    let own = container("blobs", "x").replace("/blobServices/default/containers/x", "");
    for (component, destination) in [
        (nowhere, json!({})),
        (blobs("blobs-0"), json!({"storage_account": own})),
        (blobs("blobs-0"), json!({"storage_account": container("again", "x")})),
    ] {
        let restore = JobRequest::Restore(world.restore(&point, &component, destination));
        let refused = provider.start(&world.cx_of(RESTORE), &restore).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidConfig, "{refused}");
        assert_eq!(refused.context("setting"), Some(STORAGE_ACCOUNT), "{refused}");
    }
    let mut job = world.restore(&point, &blobs("blobs-0"), json!({}));
    job.tags.insert("do-not-collect".to_owned(), "x".to_owned());
    let restore = JobRequest::Restore(job);
    let since = world.now();
    world.inject("dataprotection:backup_instances.trigger_restore", &json!({"kind": "cut", "when": "after"}));
    provider.start(&world.cx_of(RESTORE), &restore).await.unwrap_err();
    world.advance(6.0);
    assert_eq!(provider.find(&world.cx(), &restore, since).await.unwrap()[0].evidence, Evidence::Proven);
    let job = world.start(&provider, &restore).await;
    let status = world.settle(&provider, &job).await;
    assert!(status.warnings.iter().any(|warning| warning.contains("do-not-collect")), "{status:?}");
    let made = status.restored.unwrap();
    assert!(made.resource.contains("/again/"), "{made:?}");
    let there = world.resource(&made.resource);
    assert_eq!(
        (&there["hidden"]["content"], &there["properties"]["metadata"]["keep"]),
        (&json!("blobs-0@0"), &json!("yes")),
        "{there:#}"
    );
    let writes = world.calls("blob_containers.update");
    provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!(world.calls("blob_containers.update"), writes, "what is there is not written again");
    assert_eq!(provider.finish_restore(&world.cx_of(RESTORE), &made).await.unwrap(), Readiness::Initialized);
    let other = provider.discard(&world.cx_of("restore-2"), &made).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::PermissionDenied);
    provider.discard(&world.cx_of(RESTORE), &made).await.unwrap();
    assert_eq!(world.resource(&made.resource), Value::Null);
    provider.discard(&world.cx_of(RESTORE), &made).await.unwrap();
}

/// What a policy keeps of blobs in their own account is no job of a vault's.
#[tokio::test]
async fn an_operational_policy_backs_no_blobs_up() {
    let mut body = scenario(json!({}));
    let group = &mut body["subscriptions"][SUBSCRIPTION]["groups"][GROUP];
    group["backup_vaults"][0]["policies"][1]["store"] = "OperationalStore".into();
    let Some(world) = World::of(&body) else { return };
    let provider = provider(&world);
    let told = provider.preflight(&world.cx(), &blobs("blobs-0")).await.unwrap();
    assert!(
        told.iter().any(|finding| finding.check == "backup-rule" && finding.severity == Severity::Blocker)
    );
    let request = JobRequest::Backup(world.backup("op-1", &blobs("blobs-0")));
    let refused = provider.start(&world.cx_of("op-1"), &request).await.unwrap_err();
    assert!(refused.to_string().contains("only into their own account"), "{refused}");
}
