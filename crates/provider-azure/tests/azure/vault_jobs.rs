//! Jobs of vaults at their worst moments: lost replies, others' jobs, what Azure forgets, every way to end.

use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{
    CancelOutcome, Component, DeleteState, Effect, ErrorKind, Evidence, JobRequest, JobState, Provider,
    Retry, Severity, SnapshotQuery, Timestamp,
};
use stillpoint_provider_azure::managed::{BACKUP_RULE, VAULT};

use crate::fake::{PRINCIPAL, RESTORE, World, group};
use crate::vaults::{blobs, container, disk, files, instance, item, provider, scenario, share};

const TRIGGER: &str = "dataprotection:backup_instances.adhoc_backup";

#[tokio::test]
async fn a_job_is_followed_however_its_request_is_answered() {
    let Some(world) = World::of(&scenario(json!({}))) else { return };
    for rule in ["request", "own"] {
        world.reset(&scenario(json!({"job.activity_id": rule, "job.start_delay_seconds": 15})));
        let provider = provider(&world);
        for (component, op, variant) in [
            (disk("disk-0"), TRIGGER, "immediate"),
            (disk("disk-1"), TRIGGER, "location"),
            (disk("disk-2"), TRIGGER, "both"),
            (files("share-0"), "recoveryservicesbackup:backups.trigger", "async"),
            (files("share-1"), "recoveryservicesbackup:backups.trigger", "both"),
        ] {
            world.inject(op, &json!({"kind": "lro", "variant": variant, "url_bytes": 5000}));
            let request = JobRequest::Backup(world.backup("op-1", &component));
            let job = world.start(&provider, &request).await;
            assert_eq!(world.start(&provider, &request).await, job, "{variant}");
            let status = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
            assert!(!status.state.is_terminal() && status.captured.is_none(), "{variant}: {status:?}");
            // A token that ends on the way is asked for anew.
            world.set(&json!({"principal": PRINCIPAL, "set": {}, "expire_tokens": true}));
            let status = world.settle(&provider, &job).await;
            assert_eq!(status.state, JobState::Succeeded, "{rule} {variant}: {status:?}");
            let window = status.captured.unwrap();
            assert!(window.from < window.to && status.warnings[0].contains("keeps"), "{status:?}");
            let opened = provider.open(&world.cx(), &status.snapshot.unwrap()).await.unwrap();
            let info = opened.describe(&world.cx()).await.unwrap();
            assert_eq!(info.operation.unwrap().as_str(), "op-1");
            assert!(info.usable && info.account_region.unwrap().1 == "westeurope");
        }
    }
    // Recovery Services names no job where only a result is told of: there the mark alone leads to it.
    world.set(&json!({"rules": {"job.activity_id": "request"}}));
    let location = json!({"kind": "lro", "variant": "location"});
    world.inject("recoveryservicesbackup:backups.trigger", &location);
    let request = JobRequest::Backup(world.backup("op-1", &files("share-2")));
    assert_eq!(world.run(&provider(&world), &request).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_request_whose_reply_was_lost_is_found_by_what_it_was_called() {
    let Some(world) = World::of(&scenario(json!({"job.start_delay_seconds": 30}))) else { return };
    let request = JobRequest::Backup(world.backup("op-1", &disk("disk-0")));
    let (cx, since) = (world.cx_of("op-1"), world.now());
    for (when, made) in [("before", 0), ("after", 1)] {
        let since = if made == 0 { since } else { world.now() };
        world.inject(TRIGGER, &json!({"kind": "cut", "when": when}));
        let lost = provider(&world).start(&cx, &request).await.unwrap_err();
        assert_eq!((lost.kind(), lost.effect()), (ErrorKind::Unavailable, Effect::MaybeApplied), "{when}");
        // Nobody says that there is nothing before it can be known.
        let early = provider(&world).find(&cx, &request, since).await.unwrap_err();
        assert!(matches!(early.retry(), Retry::After { .. }), "{when}: {early:?}");
        world.advance(if made == 0 { 130.0 } else { 31.0 });
        let found = provider(&world).find(&cx, &request, since).await.unwrap();
        assert!(
            found.iter().all(|found| found.evidence == Evidence::Proven) && found.len() == made,
            "{found:?}"
        );
    }
    let started = world.start(&provider(&world), &request).await;
    assert_eq!(world.settle(&provider(&world), &started).await.state, JobState::Succeeded);
    assert_eq!((world.calls("backup_instances.adhoc_backup"), world.count("recoveryPoints")), (2, 1));

    // The vault forgets a job, and then all of them: it is looked for anew.
    let provider = provider(&world);
    let status = world.settle(&provider, &started).await;
    let gone = json!({"kind": "error", "code": "ResourceNotFound", "message": "m"});
    world.inject("dataprotection:jobs.get", &gone);
    assert_eq!(provider.poll(&cx, &started, Duration::ZERO).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.settle(&provider, &started).await.snapshot, status.snapshot);
}

#[tokio::test]
async fn nobody_says_that_there_was_no_job_before_the_time_that_is_looked_through() {
    let Some(world) = World::of(&scenario(json!({}))) else { return };
    let request = JobRequest::Backup(world.backup("op-1", &disk("disk-0")));
    let since = world.now();
    world.advance(29.0 * 86_400.0);
    assert_eq!(provider(&world).find(&world.cx_of("op-1"), &request, since).await.unwrap(), []);
    world.advance(2.0 * 86_400.0);
    let late = provider(&world).find(&world.cx_of("op-1"), &request, since).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::NeedsAttention, "{late}");
}

#[tokio::test]
async fn where_azure_hands_nothing_on_a_job_that_may_be_ours_is_followed_and_not_relied_upon() {
    let Some(world) = World::of(&scenario(json!({"job.activity_id": "own"}))) else { return };
    let request = JobRequest::Backup(world.backup("op-1", &disk("disk-0")));
    let (cx, since) = (world.cx_of("op-1"), world.now());
    world.inject(TRIGGER, &json!({"kind": "cut", "when": "after"}));
    provider(&world).start(&cx, &request).await.unwrap_err();
    world.advance(10.0);
    let found = provider(&world).find(&cx, &request, since).await.unwrap();
    let [likely] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(likely.evidence, Evidence::Likely);
    // Not a second one beside it.
    let busy = provider(&world).start(&cx, &request).await.unwrap_err();
    assert!(busy.kind() == ErrorKind::Busy && busy.to_string().contains("somebody asked for"), "{busy}");
    let ended = world.settle(&provider(&world), &likely.job).await;
    let opened = provider(&world).open(&cx, &ended.snapshot.unwrap()).await.unwrap();
    assert_eq!(opened.describe(&cx).await.unwrap().operation, None, "nothing proves whose it is");
    world.advance(130.0);
    assert_eq!(provider(&world).find(&cx, &request, since).await.unwrap(), []);
    assert_eq!(world.run(&provider(&world), &request).await.state, JobState::Succeeded);
    assert_eq!(
        world.count("recoveryPoints"),
        2,
        "the price of not being told: it goes when its time has come"
    );
    let listed = provider(&world).snapshots(&cx, &SnapshotQuery::all()).await.unwrap();
    assert_eq!(listed, [], "nothing of the vault says that it is ours");
}

#[tokio::test]
async fn jobs_of_others_are_waited_for_and_never_touched() {
    let Some(world) = World::of(&scenario(json!({}))) else { return };
    let provider = provider(&world);
    for (component, held, policy) in
        [(disk("disk-0"), instance("disk-0"), true), (files("share-0"), item("share-0"), false)]
    {
        world.fake().post("foreign-job", &json!({"item": held, "user": !policy}));
        world.advance(6.0);
        let operation = format!("op-{policy}");
        let request = JobRequest::Backup(world.backup(&operation, &component));
        let busy = provider.start(&world.cx_of(&operation), &request).await.unwrap_err();
        assert_eq!((busy.kind(), busy.effect()), (ErrorKind::Busy, Effect::NotApplied), "{busy}");
        // One of ours that was begun just now need not be listed yet, whatever else is.
        let early = provider.find(&world.cx(), &request, world.now()).await;
        assert_eq!(early.is_err_and(|early| matches!(early.retry(), Retry::After { .. })), policy);
        let since = Timestamp::from_millis(world.now().as_millis() - 130_000);
        let found = provider.find(&world.cx(), &request, since).await.unwrap();
        let expected = if policy { Evidence::Foreign } else { Evidence::Likely };
        assert_eq!(found.iter().map(|found| found.evidence).collect::<Vec<_>>(), [expected]);
        let refused = provider.cancel(&world.cx_of("op-1"), &found[0].job).await;
        assert!(!matches!(refused, Ok(CancelOutcome::Requested)), "{refused:?}");
        let findings = provider.preflight(&world.cx(), &component).await.unwrap();
        let busy = findings.iter().find(|finding| finding.check == "resource-busy").unwrap();
        assert_eq!(busy.severity, Severity::Warning);
        world.advance(60.0);
        let status = world.run(&provider, &request).await;
        assert_eq!(status.state, JobState::Succeeded);
        // What others made is not told as ours.
        assert_eq!(
            provider
                .snapshots(&world.cx(), &SnapshotQuery::of_operation(operation.parse().unwrap()))
                .await
                .unwrap()
                .len(),
            1
        );
    }
    assert_eq!(provider.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn every_end_of_a_job_is_told_as_what_it_is() {
    let Some(world) = World::of(&scenario(json!({}))) else { return };
    let provider = provider(&world);
    let mut at = 0;
    for component in [disk("disk-0"), files("share-0")] {
        for (word, code) in
            [("Failed", "UserErrorX"), ("CompletedWithWarnings", "W1"), ("Cancelled", ""), ("Paused", "")]
        {
            at += 1;
            world.inject(
                "BackupJob",
                &json!({"kind": "outcome", "state": word, "code": code, "message": "three files"}),
            );
            let request = JobRequest::Backup(world.backup(&format!("op-{at}"), &component));
            let job = world.start(&provider, &request).await;
            world.advance(60.0);
            let status = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
            match (word, &status.state) {
                ("Failed", JobState::Failed(error)) => {
                    assert!(
                        error.message.contains("three files") && error.retry == Retry::Never,
                        "{error:?}"
                    );
                }
                ("CompletedWithWarnings", JobState::SucceededWithIssues) => {
                    assert!(status.issues[0].message.contains("three files"), "{status:?}");
                    assert!(status.snapshot.is_some() && status.captured.is_some());
                }
                ("Cancelled", JobState::Cancelled) => assert_eq!(status.snapshot, None),
                ("Paused", JobState::Running) => assert!(status.warnings[0].contains("paused"), "{status:?}"),
                other => panic!("{other:?}"),
            }
        }
    }
    // The request itself may fail before there is a job, and the vault's own identity may lack a right.
    world.inject(
        TRIGGER,
        &json!({"kind": "outcome", "state": "Failed", "code": "CloudInternalError", "message": "not here"}),
    );
    let request = JobRequest::Backup(world.backup("op-x", &disk("disk-1")));
    let status = world.run(&provider, &request).await;
    assert!(
        matches!(&status.state, JobState::Failed(error) if error.message.contains("not here")),
        "{status:?}"
    );
    let vault = instance("disk-1").replace("/backupInstances/disk-1", "");
    world.set(&json!({"resource": vault, "set": {"hidden.rights.backup": false}}));
    world.set(&json!({"rules": {"job.backup_seconds": 300}}));
    let request = JobRequest::Backup(world.backup("op-y", &disk("disk-1")));
    let status = world.run(&provider, &request).await;
    let JobState::Failed(error) = status.state else { panic!("{status:?}") };
    assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error:?}");
}

#[tokio::test]
async fn a_recovery_point_goes_when_its_time_has_come_and_no_sooner() {
    let Some(world) = World::of(&scenario(json!({"vault.point_delay_seconds": 40}))) else { return };
    let provider = provider(&world);
    for component in [disk("disk-0"), files("share-0")] {
        let mut job = world.backup("op-1", &component);
        job.retain = Some(Duration::from_secs(3 * 86_400));
        let kept_until = job.created_at.after(Duration::from_secs(3 * 86_400));
        let request = JobRequest::Backup(job);
        let status = world.run(&provider, &request).await;
        assert_eq!(status.state, JobState::Succeeded, "a point may be listed after its job: {status:?}");
        let point = status.snapshot.unwrap();
        let told = provider.delete(&world.cx(), &point).await.unwrap();
        let DeleteState::Locked { until: Some(until), reason } = told else { panic!("{told:?}") };
        assert!(reason.contains("no call that deletes"), "{reason}");
        // Nothing is called held that ends by itself all the same.
        let held = provider.keep(&world.cx(), &point, None).await.unwrap_err();
        assert_eq!(held.kind(), ErrorKind::Unsupported, "{held}");
        assert!(held.to_string().contains(&until.to_string()), "{held}");
        provider.keep(&world.cx(), &point, Some(until)).await.unwrap();
        if point.id.as_str().contains("RecoveryServices") {
            assert_eq!(until, kept_until);
        }
        world.advance(8.0 * 86_400.0);
        assert_eq!(provider.delete(&world.cx(), &point).await.unwrap(), DeleteState::Gone);
        let gone = provider.open(&world.cx(), &point).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    }
    let forgotten = provider.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap();
    assert_eq!(forgotten, [], "a job of which nothing is left");
}

#[tokio::test]
async fn a_share_comes_back_in_a_new_one_of_ours_and_its_jobs_can_be_stopped() {
    let Some(world) = World::of(&scenario(json!({}))) else { return };
    let provider = provider(&world);
    let request = JobRequest::Backup(world.backup("op-0", &files("share-0")));
    let job = world.start(&provider, &request).await;
    let early = provider.cancel(&world.cx(), &job).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Unavailable, "it is not listed yet");
    world.advance(6.0);
    assert_eq!(provider.cancel(&world.cx(), &job).await.unwrap(), CancelOutcome::Requested);
    assert_eq!(provider.cancel(&world.cx(), &job).await.unwrap(), CancelOutcome::Requested);
    assert_eq!(world.settle(&provider, &job).await.state, JobState::Cancelled);
    assert_eq!(provider.cancel(&world.cx(), &job).await.unwrap(), CancelOutcome::AlreadyTerminal);

    let point = world.captured("op-1", &files("share-0")).await;
    world.fake().post("write", &json!({"resource": share("share-0"), "content": "later"}));
    let restore = JobRequest::Restore(world.restore(&point, &files("share-0"), json!({"size_gib": 200})));
    world.inject("recoveryservicesbackup:restores.trigger", &json!({"kind": "cut", "when": "after"}));
    let since = world.now();
    let lost = provider.start(&world.cx_of(RESTORE), &restore).await.unwrap_err();
    assert_eq!(lost.effect(), Effect::MaybeApplied);
    world.advance(6.0);
    let found = provider.find(&world.cx(), &restore, since).await.unwrap();
    assert_eq!(found[0].evidence, Evidence::Proven);
    let job = world.start(&provider, &restore).await;
    assert_eq!((&job, world.calls("restores.trigger")), (&found[0].job, 1));
    let running = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    let made = running.restored.unwrap();
    let status = world.settle(&provider, &job).await;
    assert_eq!((status.state, status.restored.as_ref()), (JobState::Succeeded, Some(&made)));
    let there = world.resource(&made.resource);
    assert_eq!(
        (&there["hidden"]["content"], &there["properties"]["shareQuota"]),
        (&json!("share-0@0"), &json!(200))
    );
    assert_eq!(there["properties"]["metadata"]["keep"], "yes");
    let other = provider.discard(&world.cx_of("restore-2"), &made).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::PermissionDenied);
    provider.discard(&world.cx_of(RESTORE), &made).await.unwrap();
    assert_eq!(world.resource(&made.resource), Value::Null);
}

#[tokio::test]
async fn what_a_vault_still_fills_is_not_called_restored_by_a_process_that_cannot_see_its_job() {
    let Some(world) = World::of(&scenario(json!({}))) else { return };
    for component in [files("share-0"), blobs("blobs-0")] {
        for rule in ["request", "own"] {
            let slow =
                json!({"job.activity_id": rule, "job.start_delay_seconds": 60, "job.restore_seconds": 600});
            world.reset(&scenario(slow));
            let request = JobRequest::Backup(world.backup("op-1", &component));
            let point = world.run(&provider(&world), &request).await.snapshot.unwrap();
            let restore = JobRequest::Restore(world.restore(&point, &component, json!({})));
            let since = world.now();
            let job = world.start(&provider(&world), &restore).await;
            let begun = provider(&world).poll(&world.cx(), &job, Duration::ZERO).await;
            assert_eq!(begun.unwrap_err().kind(), ErrorKind::NotFound, "{rule} {}", component.id);
            let early = provider(&world).find(&world.cx(), &restore, since).await.unwrap_err();
            assert!(matches!(early.retry(), Retry::After { .. }), "{early:?}");
            world.advance(130.0);
            // It runs now; where Azure hands nothing on, nothing proves which one it is.
            let polled = provider(&world).poll(&world.cx(), &job, Duration::ZERO).await;
            let found = provider(&world).find(&world.cx(), &restore, since).await.unwrap();
            if rule == "request" {
                assert_eq!(polled.unwrap().state, JobState::Running);
                assert_eq!((found.len(), found[0].evidence), (1, Evidence::Proven));
                assert_eq!(world.settle(&provider(&world), &job).await.state, JobState::Succeeded);
            } else {
                assert_eq!(polled.unwrap_err().kind(), ErrorKind::NotFound, "{}", component.id);
                assert_eq!((found.len(), found[0].evidence), (1, Evidence::Likely));
                // It has ended and is not asked for once more: a second job would fail in what the first one filled.
                world.advance(700.0);
                assert_eq!(provider(&world).find(&world.cx(), &restore, since).await.unwrap(), []);
                let begun =
                    || world.calls("restores.trigger") + world.calls("backup_instances.trigger_restore");
                let before = begun();
                let again = provider(&world).start(&world.cx_of(RESTORE), &restore).await.unwrap_err();
                assert_eq!(again.kind(), ErrorKind::NeedsAttention, "{again}");
                assert_eq!(begun(), before, "{}", component.id);
            }
        }
    }
}

#[tokio::test]
async fn a_disk_comes_back_through_its_vault_with_its_tags() {
    let Some(world) = World::of(&scenario(json!({}))) else { return };
    let provider = provider(&world);
    let point = world.captured("op-1", &disk("disk-0")).await;
    let restore = JobRequest::Restore(world.restore(&point, &disk("disk-0"), json!({})));
    let since = world.now();
    world.inject("dataprotection:backup_instances.trigger_restore", &json!({"kind": "cut", "when": "after"}));
    provider.start(&world.cx_of(RESTORE), &restore).await.unwrap_err();
    world.advance(6.0);
    assert_eq!(provider.find(&world.cx(), &restore, since).await.unwrap()[0].evidence, Evidence::Proven);
    let job = world.start(&provider, &restore).await;
    assert_eq!(provider.cancel(&world.cx(), &job).await.unwrap(), CancelOutcome::Unsupported);
    let made = world.settle(&provider, &job).await.restored.unwrap();
    let there = world.resource(&made.resource);
    assert_eq!((&there["tags"]["keep"], &there["hidden"]["content"]), (&json!("yes"), &json!("disk-0@0")));
    for (destination, kind) in [
        (json!({"region": "northeurope"}), ErrorKind::InvalidInput),
        (json!({"name": "disk-1"}), ErrorKind::AlreadyExists),
    ] {
        let mut refused = world.restore(&point, &disk("disk-0"), destination);
        refused.key =
            stillpoint_core::JobKey::new("restore-2".parse().unwrap(), "disk-0".parse().unwrap(), 1);
        let error = provider.start(&world.cx(), &JobRequest::Restore(refused)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    // Somebody takes the restored disk away while the job is still followed.
    world.set(&json!({"resource": made.resource, "remove": true}));
    let error = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("housekeeper"), "{error}");
}

#[tokio::test]
async fn what_a_vault_lacks_is_found_before_a_backup() {
    let policies = json!([{"name": "daily"}, {"name": "blobs", "type": "Microsoft.Storage/storageAccounts/blobServices"}]);
    let disks = json!([{"name": "db"}, {"name": "stopped"}, {"name": "plain"}]);
    let instances = json!([{"name": "db", "disk": "db"}, {"name": "b", "account": "files", "policy": "blobs", "containers": ["models", "gone"]},
        {"name": "stopped", "disk": "stopped", "state": "ProtectionStopped"}]);
    let shares = json!([{"name": "smb"}, {"name": "nfs", "protocol": "NFS"}]);
    let Some(world) = World::of(&group(
        json!({"location": "westeurope", "disks": disks,
        "storage_accounts": [{"name": "files", "kind": "FileStorage", "sku": "Premium_LRS", "shares": shares,
            "containers": [{"name": "models"}, {"name": "other"}]}],
        "backup_vaults": [{"name": "keep", "location": "westeurope", "soft_delete": "Off", "immutability": "Locked",
            "policies": policies, "instances": instances}],
        "recovery_vaults": [{"name": "keep", "location": "northeurope"}]}),
        json!({}),
    )) else {
        return;
    };
    let provider = world.provider();
    let other = |name: &str| {
        let (id, azure) = ("blobs".parse().unwrap(), "azure".parse().unwrap());
        Component::new(id, "blob-container", azure, container("files", name)).with_setting(VAULT, "keep")
    };
    let blobs = other("models");
    for (component, expected) in [
        (
            disk("db"),
            vec![
                ("soft-delete", Severity::Warning),
                ("immutability", Severity::Info),
                ("retention", Severity::Info),
            ],
        ),
        (disk("db").with_setting(BACKUP_RULE, "Hourly"), vec![("backup-rule", Severity::Blocker)]),
        (disk("stopped"), vec![("vault-protects", Severity::Blocker)]),
        (disk("plain"), vec![("vault-protects", Severity::Blocker)]),
        (disk("db").with_setting(VAULT, "nowhere"), vec![("vault-exists", Severity::Blocker)]),
        (
            files("nfs"),
            vec![
                ("protocol", Severity::Blocker),
                ("region", Severity::Blocker),
                ("vault-protects", Severity::Blocker),
            ],
        ),
        (blobs.clone(), vec![("soft-delete", Severity::Warning), ("restore", Severity::Info)]),
        (other("other"), vec![("vault-protects", Severity::Blocker)]),
        (other("gone"), vec![("resource-exists", Severity::Blocker)]),
    ] {
        let told = provider.preflight(&world.cx(), &component).await.unwrap();
        for (check, severity) in expected {
            let found = told.iter().find(|finding| finding.check == check).map(|finding| finding.severity);
            assert_eq!(found, Some(severity), "{check} of {component:?}: {told:?}");
        }
    }
}
