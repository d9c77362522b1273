//! Records for the checks, and short words for what is asked of a catalog all the time.

use std::time::Duration;

use stillpoint_core::{
    BackupId, BackupRecord, BackupRequest, Catalog, Claim, Component, ComponentRecord, ComponentState,
    CopyRequest, Creation, Definition, DeleteRequest, Depth, Error, ErrorKind, Holder, Issue, Lease,
    LedgerEntry, OperationChange, OperationId, OperationRecord, OperationState, Origin, Progress, Request,
    RestoreRequest, Result, RoleGrant, Settings, SnapshotRef, StoredOperation, Timestamp, VerifyRequest,
    WorkspaceRecord,
};
use stillpoint_core::{BackupState, CaptureWindow, Consistency};

/// How long the leases of the checks last.
pub(super) const TTL: Duration = Duration::from_secs(60);

/// 2026-01-01T00:00:00Z and so many milliseconds.
pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + millis)
}

pub(super) fn holder(process: &str) -> Holder {
    Holder::new("host-1", process)
}

/// The kind of the error that `result` is.
pub(super) fn refusal<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// A backup operation submitted at [`at`] of `millis`.
pub(super) fn operation(id: &str, workspace: &str, millis: i64) -> Result<OperationRecord> {
    let request = BackupRequest::new(id.parse()?, workspace.parse()?);
    Ok(OperationRecord::submitted(Request::Backup(request), at(millis)))
}

/// A completed backup created at [`at`] of `millis`.
pub(super) fn backup(id: &str, workspace: &str, millis: i64) -> Result<BackupRecord> {
    let definition = Definition::new(workspace.parse()?);
    Ok(BackupRecord::new(id.parse()?, format!("op-of-{id}").parse()?, definition, at(millis)))
}

/// Creates an operation for `worker`, which must succeed.
pub(super) async fn create(catalog: &dyn Catalog, record: &OperationRecord) -> Result<Lease> {
    created(catalog.create_operation(record, &holder("worker"), TTL).await?)
}

pub(super) fn created(answer: Creation) -> Result<Lease> {
    match answer {
        Creation::Created(lease) => Ok(lease),
        other => Err(Error::new(ErrorKind::Unexpected, format!("a creation was due, not {other:?}"))),
    }
}

pub(super) fn claimed(answer: Claim) -> Result<Lease> {
    match answer {
        Claim::Claimed(lease) => Ok(lease),
        other => Err(Error::new(ErrorKind::Unexpected, format!("a claim was due, not {other:?}"))),
    }
}

/// An operation that must be there.
pub(super) async fn stored(catalog: &dyn Catalog, id: &OperationId) -> Result<StoredOperation> {
    let found = catalog.operation(id).await?;
    found.ok_or_else(|| {
        Error::new(ErrorKind::Unexpected, format!("operation {id} is stored and was not found"))
    })
}

/// Creates an operation and brings it to `state`.
pub(super) async fn create_in(
    catalog: &dyn Catalog,
    mut record: OperationRecord,
    state: OperationState,
) -> Result<OperationRecord> {
    let lease = create(catalog, &record).await?;
    record.state = state;
    catalog.commit(&lease, &OperationChange::new(&record)).await?;
    Ok(record)
}

/// An intent that is told apart by its `number`.
pub(super) fn intent(number: u32, lease: &Lease) -> LedgerEntry {
    LedgerEntry::intent(at(i64::from(number)), lease.epoch, "start", "home", number, format!("{number:08x}"))
}

/// A definition, components and a backup in which every field is set, with text that is awkward to store.
pub(super) fn full_definition(workspace: &str) -> Result<Definition> {
    let mut definition = Definition::new(workspace.parse()?);
    definition.account = Some("123456789012".into());
    definition.region = Some("us-west-2".into());
    definition.environment = Some("prod 'env' \"quoted\" \\ back".into());
    definition.software_version = Some("2.0.47-b12".into());
    definition.roles =
        vec![RoleGrant::new("ada@example.com", "MLAdmin"), RoleGrant::new("Zoë ✓ 𝄞", "MLUser")];
    definition.settings = Settings::from([
        ("nested".into(), serde_json::json!({ "list": [1, 2.5, null, true, "\u{0}\n\t"], "object": {} })),
        ("large".into(), serde_json::json!(u64::MAX)),
        ("'; DROP TABLE backups; --".into(), serde_json::json!("")),
    ]);
    Ok(definition)
}

pub(super) fn full_components() -> Result<Vec<Component>> {
    let home = Component::new("home".parse()?, "directory", "s3sync".parse()?, "/home/ada/π")
        .with_setting("mount", "/mnt/projects");
    let external = Component::new("datasets".parse()?, "nfs", "none".parse()?, "nfs.example.com:/export")
        .excluded("external NFS is protected by its owner");
    Ok(vec![home, external])
}

pub(super) fn full_backup(id: &str, workspace: &str, millis: i64) -> Result<BackupRecord> {
    let mut record =
        BackupRecord::new(id.parse()?, "op-full".parse()?, full_definition(workspace)?, at(millis));
    record.name = Some("before the upgrade; 100 % ✓".into());
    record.finished_at = at(millis + 3_723_004);
    record.creator = Some("ada".into());
    record.state = BackupState::Partial;
    record.consistency = Consistency::Application;
    record.parent = Some("the-one-before".parse()?);
    record.downtime = Duration::new(90, 123_456_789);
    record.size_bytes = u64::MAX;
    record.added_bytes = 1;
    record.waivers = vec!["external-nfs".into()];
    record.held = true;
    record.expires_at = Some(at(86_400_000));
    for component in full_components()? {
        let mut member = ComponentRecord::new(component, ComponentState::Partial);
        member.snapshot = Some(SnapshotRef::new("s3sync".parse()?, "3f1c…".parse()?));
        member.captured = Some(CaptureWindow::new(at(millis), at(millis + 999)));
        member.verified = Some(Depth::Decrypted);
        member.issues = vec![Issue::new("torn", "notes/\u{fffd}.ipynb", "changed while it was read")];
        member.counts = [("files_new".to_owned(), 7), ("bytes_added".to_owned(), u64::MAX)].into();
        record.components.push(member);
    }
    Ok(record)
}

/// One operation of each kind, with every field of the record set.
pub(super) fn full_operations() -> Result<Vec<OperationRecord>> {
    let mut backup = BackupRequest::new("op-backup".parse()?, "w/backup".parse()?);
    backup.name = Some("nightly".into());
    backup.creator = Some("ada".into());
    backup.stall_timeout = Some(Duration::from_secs(1800));
    backup.retain = Some(Duration::from_secs(30 * 86_400));
    backup.waivers = vec!["external-nfs".into()];
    let settings = Settings::from([("path".into(), serde_json::json!("/restored"))]);
    let point: BackupId = "b-1".parse()?;
    let restore =
        RestoreRequest::new("op-restore".parse()?, point.clone(), "w/new".parse()?, "directory", settings);
    let delete = DeleteRequest::new("op-delete".parse()?, point.clone(), "w/old".parse()?);
    let mut verify =
        VerifyRequest::new("op-verify".parse()?, point.clone(), "w/verified".parse()?, Depth::Restored);
    verify.creator = Some("ada".into());
    let settings = Settings::from([("vault".into(), serde_json::json!("elsewhere"))]);
    let mut copy = CopyRequest::new("op-copy".parse()?, point.clone(), "w/copied".parse()?, settings);
    copy.provider = Some("aws".parse()?);
    copy.retain = Some(Duration::from_secs(86_400));
    let requests = [
        Request::Backup(backup),
        Request::Restore(restore),
        Request::Delete(delete),
        Request::Verify(verify),
        Request::Copy(copy),
    ];
    Ok(requests
        .into_iter()
        .map(|request| {
            let mut record = OperationRecord::submitted(request, at(5));
            record.step = "capturing 1 of 2 components".into();
            record.progress = Progress::new(u64::MAX, 3).of(Some(u64::MAX), Some(4));
            record.last_advance = at(77);
            record.error =
                Some(Error::new(ErrorKind::RateLimited, "slow down").with("action", "Start").record());
            record.issues = vec![Issue::new("late", "home", "the copy ended after the deadline")];
            record.warnings = vec!["the base was replaced".into()];
            record.backup = Some(point.clone());
            record
        })
        .collect())
}

pub(super) fn full_workspace(workspace: &str) -> Result<WorkspaceRecord> {
    let mut record = WorkspaceRecord::new(full_definition(workspace)?, full_components()?, at(11));
    record.origin = Some(origin()?);
    Ok(record)
}

/// Where a workspace comes from that was restored.
pub(super) fn origin() -> Result<Origin> {
    let mut origin = Origin::new(&backup("old'b", "w/old \"ü\"", 3)?, "op-origin".parse()?, at(8));
    origin.software_version_at_backup = Some("2.0.46".into());
    origin.software_version = Some("2.0.47".into());
    Ok(origin)
}
