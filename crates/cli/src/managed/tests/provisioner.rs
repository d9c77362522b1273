//! The provisioner against a control plane of files, and the suite of the contract.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use stillpoint_conformance::provisioner::Harness;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{
    BackupId, BackupRecord, Catalog, Component, ComponentRecord, ComponentState, ErrorKind, Holder,
    OpContext, OperationId, OperationRecord, ProvisionRequest, Provisioner, Request, RestoreRequest,
    RestoredResource, Result, Settings, Severity, SnapshotRef, Timestamp, WorkspaceId,
};
use tempfile::TempDir;

use super::{configured, places};
use crate::managed::workspace::definition;
use crate::managed::{HookProvisioner, PROVISIONER};

/// A control plane whose workspaces are files that name the restore which made them.
struct ControlPlane {
    dir: TempDir,
    catalog: Arc<MemoryCatalog>,
    hooks: String,
    target: String,
}

impl ControlPlane {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display();
        let path = format!("{root}/made-$STILLPOINT_TARGET_WORKSPACE_ID");
        let own = format!("grep -qx \"$STILLPOINT_OPERATION_ID\" {path} 2>/dev/null");
        let note = format!("cp \"$STILLPOINT_PLAN\" {root}/plan-$STILLPOINT_HOOK.json");
        let provision = format!(
            "{note}; if [ -e {path} ]; then {own} || {{ echo taken >&2; exit 1; }}; fi; \
             echo \"$STILLPOINT_OPERATION_ID\" > {path}; \
             echo making it; printf '{{\"workspace\": \"%s\"}}\\n' \"$STILLPOINT_TARGET_WORKSPACE_ID\""
        );
        let discard = format!("if {own}; then rm {path}; fi");
        let hooks = format!(
            "provision = '''{provision}'''\nactivate = '''{note}'''\nreroot = '''{note}'''\ndiscard = '''{discard}'''"
        );
        Self { dir, catalog: Arc::default(), hooks, target: String::new() }
    }

    fn with(hooks: &str, target: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, catalog: Arc::default(), hooks: hooks.to_owned(), target: target.to_owned() }
    }

    fn open(&self) -> HookProvisioner {
        let configured = configured(self.dir.path(), &self.hooks, &self.target);
        let catalog: Arc<dyn Catalog> = self.catalog.clone();
        HookProvisioner::new(configured, catalog, &places(self.dir.path()))
    }

    /// Stores the restore and its backup, as an orchestrator does before it calls anybody.
    async fn submitted(&self, request: &ProvisionRequest) -> OpContext {
        let restore = Request::Restore(request.restore.clone());
        let record = OperationRecord::submitted(restore, Timestamp::from_millis(0));
        let holder = Holder::new("host", "process");
        self.catalog.create_operation(&record, &holder, Duration::from_secs(60)).await.unwrap();
        self.catalog.put_backup(&request.backup, None).await.unwrap();
        cx(request)
    }

    fn plan(&self, hook: &str) -> Value {
        let text = fs::read(self.dir.path().join(format!("plan-{hook}.json"))).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn made(&self, workspace: &WorkspaceId) -> bool {
        self.dir.path().join(format!("made-{workspace}")).exists()
    }
}

/// A restore of `old` as `target`.
fn request(dir: &Path, target: &str) -> ProvisionRequest {
    let operation = OperationId::new("op-backup").unwrap();
    let source = configured(dir, "", "").remove(0);
    let id = BackupId::of(&operation);
    let mut backup =
        BackupRecord::new(id.clone(), operation, definition(&source), Timestamp::from_millis(1_000_000));
    for (name, kind, provider) in
        [("db", "ebs", "aws"), ("projects", "efs", "aws"), ("shared", "nfs", "s3sync")]
    {
        let component = Component::new(name.parse().unwrap(), kind, provider.parse().unwrap(), "a source")
            .with_setting("mount", "/mnt/old");
        let mut record = ComponentRecord::new(component, ComponentState::Completed);
        record.snapshot = Some(SnapshotRef::new(provider.parse().unwrap(), name.parse().unwrap()));
        backup.components.push(record);
    }
    let operation = OperationId::new(format!("restore-as-{target}")).unwrap();
    let restore = RestoreRequest::new(operation, id, target.parse().unwrap(), PROVISIONER, Settings::new());
    ProvisionRequest::new(restore, backup)
}

#[async_trait]
impl Harness for ControlPlane {
    async fn provisioner(&self) -> Result<Arc<dyn Provisioner>> {
        Ok(Arc::new(self.open()))
    }

    fn request(&self, name: &str) -> ProvisionRequest {
        request(self.dir.path(), name)
    }

    async fn exists(&self, _workspace: &WorkspaceId) -> Option<bool> {
        // Who refuses what stands already is the hook, in its own words.
        None
    }
}

stillpoint_conformance::provisioner_suite!(
    #[tokio::test]
    ControlPlane::new()
);

fn cx(request: &ProvisionRequest) -> OpContext {
    OpContext::background().for_operation(request.restore.id.clone(), 1)
}

const TARGET: &str = r#"
[[workspace]]
id = "new"
provider = "aws"
account = "123456789012"
region = "us-west-2"
environment = "stage"
protect_tags = { "owner" = "ada" }
destination = { security_groups = ["sg-1"] }
components = [
  { id = "db", kind = "ebs", settings = { availability_zone = "us-west-2b" } },
  { id = "shared", kind = "nfs", mount = "/mnt/new-shared" },
]"#;

#[tokio::test]
async fn the_target_says_where_new_resources_go_and_which_tags_they_get() {
    let plane = ControlPlane::with("", TARGET);
    let request = request(plane.dir.path(), "new");
    let made = plane.open().provision(&cx(&request), &request).await.unwrap();
    let of = |id: &str| json!(made.destinations[&id.parse().unwrap()]);
    assert_eq!(
        of("db"),
        json!({ "availability_zone": "us-west-2b", "subnets": ["subnet-1"], "security_groups": ["sg-1"] })
    );
    assert_eq!(of("shared")["path"], "/mnt/new-shared");
    assert_eq!(of("projects").get("mount"), None, "the old mount is not the new one's");
    let tags: Vec<_> = made.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["do-not-collect=true", "owner=ada"]);
    assert_eq!(made.software_version.as_deref(), Some("2.0.50"), "the newest that is known");
}

#[tokio::test]
async fn a_target_in_another_account_or_region_is_refused_by_name() {
    for (key, right, wrong) in
        [("account", "123456789012", "210987654321"), ("region", "us-west-2", "eu-west-1")]
    {
        let plane = ControlPlane::with("", &TARGET.replace(right, wrong));
        let request = request(plane.dir.path(), "new");
        let findings = plane.open().preflight(&cx(&request), &request).await.unwrap();
        let found = findings.iter().find(|finding| finding.check == format!("target-{key}")).unwrap();
        assert_eq!(found.severity, Severity::Blocker);
        assert!(["new", right, wrong].iter().all(|word| found.message.contains(word)), "{found:?}");
        let error = plane.open().provision(&cx(&request), &request).await.unwrap_err();
        assert_eq!(error.context("check"), Some(found.check.as_str()));
    }
}

#[tokio::test]
async fn what_cannot_be_restored_as_asked_is_found_before_anything_is_made() {
    let plane = ControlPlane::with("", "");
    let checks = async |target: &str| -> Vec<(String, Severity)> {
        let request = request(plane.dir.path(), target);
        let found = plane.open().preflight(&cx(&request), &request).await.unwrap();
        found.into_iter().map(|finding| (finding.check, finding.severity)).collect()
    };
    assert_eq!(
        checks("elsewhere").await,
        [("provision-hook".into(), Severity::Warning), ("target-mount".into(), Severity::Blocker)]
    );
    assert_eq!(checks("old").await[0], ("target-new".into(), Severity::Blocker));
}

#[tokio::test]
async fn what_a_copy_in_another_region_lacks_there_is_named_before_anything_is_made() {
    let plane = ControlPlane::new();
    let mut request = request(plane.dir.path(), "far");
    request.backup.definition.region = Some("eu-west-1".into());
    let found = plane.open().preflight(&cx(&request), &request).await.unwrap();
    let network = found.iter().find(|finding| finding.check == "target-network").unwrap();
    assert_eq!(network.severity, Severity::Warning, "the hook may answer a network of its own");
    for named in ["eu-west-1", "us-west-2", "subnets", "workspace far"] {
        assert!(network.message.contains(named), "{network:?}");
    }
    let mount = found.iter().find(|finding| finding.check == "target-mount").unwrap();
    assert!(mount.severity == Severity::Warning && mount.message.contains("hook"), "{mount:?}");
}

#[tokio::test]
async fn what_starts_the_restored_workspace_is_not_stopped_by_the_deadline() {
    let mut plane = ControlPlane::new();
    plane.hooks = plane.hooks.replace("activate = '''", "activate = '''sleep 1; ");
    let request = request(plane.dir.path(), "late");
    let (cx, provisioner) = (plane.submitted(&request).await, plane.open());
    let made = provisioner.provision(&cx, &request).await.unwrap();
    let soon = cx.clock().now().after(Duration::from_millis(100));
    provisioner.activate(&cx.with_deadline(Some(soon)), &made).await.unwrap();
    assert_eq!(plane.plan("activate")["target"], "late");
}

#[tokio::test]
async fn hooks_are_told_the_definition_the_destinations_and_the_restored_resources() {
    let plane = ControlPlane::new();
    let mut request = request(plane.dir.path(), "fresh");
    request.restore.software_version = Some("2.0.47".into());
    request.restore.settings.insert("environment".into(), "stage".into());
    let (cx, provisioner) = (plane.submitted(&request).await, plane.open());
    let made = provisioner.provision(&cx, &request).await.unwrap();
    assert!(plane.made(&made.workspace));
    let plan = plane.plan("provision");
    assert_eq!(plan["operation_id"], "restore-as-fresh");
    assert_eq!((&plan["workspace"], &plan["target"]), (&json!("old"), &json!("fresh")));
    assert_eq!((&plan["environment"], &plan["software_version"]), (&json!("stage"), &json!("2.0.47")));
    assert_eq!(plan["definition"]["settings"]["vault"], "ml-backups");
    assert_eq!(plan["components"][0]["snapshot_id"], "db");

    let made_of = |id: &str| RestoredResource::new("aws".parse().unwrap(), id.parse().unwrap(), "arn:new");
    provisioner.attach(&cx, &made, &[made_of("db")]).await.unwrap();
    assert!(!plane.dir.path().join("plan-reroot.json").exists(), "a volume has no folder to be moved");
    provisioner.attach(&cx, &made, &[made_of("db"), made_of("projects")]).await.unwrap();
    let resources = &plane.plan("reroot")["resources"];
    assert_eq!((&resources[0]["resource"], &resources[1]["kind"]), (&json!("arn:new"), &json!("efs")));
    provisioner.activate(&cx, &made).await.unwrap();
    let left: Vec<_> =
        fs::read_dir(plane.dir.path().join("hooks")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("plan-")), "{left:?}");

    // Another restore's undo leaves it alone; its own removes it.
    let mut another = request.clone();
    another.restore.id = "another".parse().unwrap();
    another.restore.target = "elsewhere".parse().unwrap();
    another.backup.id = "another".parse().unwrap();
    another.restore.backup = another.backup.id.clone();
    provisioner.discard(&plane.submitted(&another).await, &made).await.unwrap();
    assert!(plane.made(&made.workspace));
    provisioner.discard(&cx, &made).await.unwrap();
    assert!(!plane.made(&made.workspace));
}

#[tokio::test]
async fn an_answer_may_name_another_workspace_and_say_where_things_go() {
    let line = r#"echo '{"workspace": "crn:42", "software_version": "2.1", "destinations": {"db": {"availability_zone": "z"}}, "tags": {"cost": "7"}}'"#;
    let plane = ControlPlane::with(&format!("provision = '''{line}'''"), "");
    let request = request(plane.dir.path(), "fresh");
    let cx = plane.submitted(&request).await;
    let made = plane.open().provision(&cx, &request).await.unwrap();
    assert_eq!(made.workspace.as_str(), "crn:42");
    assert_eq!(made.software_version.as_deref(), Some("2.1"));
    assert_eq!(made.destinations[&"db".parse().unwrap()]["availability_zone"], "z");
    assert_eq!(made.tags["cost"], "7");
    let error = plane.open().discard(&cx, &made).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NeedsAttention, "no hook removes what provision made");

    let line = r#"echo '{"workspace": "old"}'"#;
    let confused = ControlPlane::with(&format!("provision = '''{line}'''"), "");
    let error = confused.open().provision(&cx, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "it is the one that was backed up: {error}");

    let silent = ControlPlane::with("provision = 'echo made it'", "");
    let error = silent.open().provision(&cx, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn an_environment_is_of_the_backups_account_and_region_or_named_as_what_stands_against_it() {
    let workspace = |id: &str, region: &str, environment: &str| {
        format!(
            "\n[[workspace]]\nid = \"{id}\"\nprovider = \"aws\"\naccount = \"123456789012\"\nregion = \"{region}\"\n\
             environment = \"{environment}\"\n"
        )
    };
    let others = workspace("far", "eu-west-1", "far-env") + &workspace("named", "us-west-2", "near-env");
    let plane = ControlPlane::with("", &others);
    for (target, environment, severity) in [
        ("new", "far-env", Some(Severity::Blocker)),
        ("named", "far-env", Some(Severity::Blocker)),
        ("new", "near-env", None),
        ("named", "near-env", None),
        ("new", "nobody-knows-it", Some(Severity::Blocker)),
    ] {
        let mut request = request(plane.dir.path(), target);
        request.restore.settings.insert("environment".to_owned(), environment.into());
        let findings = plane.open().preflight(&cx(&request), &request).await.unwrap();
        let found = findings.iter().find(|finding| finding.check == "target-environment");
        assert_eq!(found.map(|finding| finding.severity), severity, "{target} {environment}: {findings:?}");
    }
}
