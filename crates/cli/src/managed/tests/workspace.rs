//! The workspace against services that are a file, and the suite of the contract.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use stillpoint_conformance::workspace::Harness;
use stillpoint_core::{
    Component, Consistency, Error, ErrorKind, OpContext, OperationId, Protection, QuiesceId, QuiesceOptions,
    Result, Tags, Workspace,
};
use tempfile::TempDir;

use super::{configured, places};
use crate::managed::ManagedWorkspace;
use crate::managed::inventory::Cloud;

/// Services that are a file: it says `running`, or `still`.
struct Services {
    dir: TempDir,
    hooks: String,
}

impl Services {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        fs::write(&state, "running with 3 replicas").unwrap();
        let state = state.display();
        let quiesce = format!("cp -n {state} {state}.prior 2>/dev/null; echo still > {state}");
        let resume = format!("if [ -e {state}.prior ]; then mv {state}.prior {state}; fi");
        let hooks = format!("quiesce = '''{quiesce}'''\nresume = '''{resume}'''");
        Self { dir, hooks }
    }

    fn open(&self) -> ManagedWorkspace {
        let config = configured(self.dir.path(), &self.hooks, "").remove(0);
        ManagedWorkspace::new(config, "s3sync".parse().unwrap(), &places(self.dir.path()))
    }

    fn read(&self) -> String {
        fs::read_to_string(self.dir.path().join("state")).unwrap()
    }
}

#[async_trait]
impl Harness for Services {
    async fn workspace(&self) -> Result<Arc<dyn Workspace>> {
        Ok(Arc::new(self.open()))
    }

    async fn is_held(&self) -> Option<bool> {
        Some(self.read().trim() == "still")
    }

    async fn state(&self) -> Option<String> {
        Some(self.read())
    }
}

stillpoint_conformance::workspace_suite!(
    #[tokio::test]
    Services::new()
);

/// Nothing is stopped where no hook says how.
struct Unhooked(TempDir);

#[async_trait]
impl Harness for Unhooked {
    async fn workspace(&self) -> Result<Arc<dyn Workspace>> {
        let config = configured(self.0.path(), "", "").remove(0);
        Ok(Arc::new(ManagedWorkspace::new(config, "s3sync".parse()?, &places(self.0.path()))))
    }

    async fn is_held(&self) -> Option<bool> {
        None
    }
}

mod without_hooks {
    use super::*;

    stillpoint_conformance::workspace_suite!(
        #[tokio::test]
        Unhooked(tempfile::tempdir().unwrap())
    );
}

fn hold() -> QuiesceId {
    QuiesceId::of(&OperationId::new("op-1").unwrap())
}

fn options() -> QuiesceOptions {
    QuiesceOptions::new(Duration::from_secs(3600))
}

#[tokio::test]
async fn the_level_is_what_the_hooks_say_they_give() {
    let dir = tempfile::tempdir().unwrap();
    for (hooks, level) in [
        ("", Consistency::Fuzzy),
        ("quiesce = 'true'\nresume = 'true'", Consistency::Application),
        ("quiesce = 'true'\nresume = 'true'\nconsistency = 'filesystem'", Consistency::Filesystem),
    ] {
        let config = configured(dir.path(), hooks, "").remove(0);
        let workspace = ManagedWorkspace::new(config, "s3sync".parse().unwrap(), &places(dir.path()));
        let cx = OpContext::background();
        assert_eq!(workspace.quiesce(&cx, &hold(), &options()).await.unwrap(), level);
        workspace.resume(&cx, &hold()).await.unwrap();
    }
}

#[tokio::test]
async fn a_quiesce_that_fails_leaves_a_hold_for_whoever_lets_go_with_the_same_ids() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let note =
        format!("env | grep '^STILLPOINT_' | grep -v SECONDS | sort >> {0}; echo >> {0}", log.display());
    let hooks = format!("quiesce = '''{note}; exit 1'''\nresume = '''{note}'''");
    let config = configured(dir.path(), &hooks, "").remove(0);
    let workspace = ManagedWorkspace::new(config, "s3sync".parse().unwrap(), &places(dir.path()));
    let cx = OpContext::background().for_operation("op-1".parse().unwrap(), 1);
    assert!(workspace.quiesce(&cx, &hold(), &options()).await.is_err());
    assert_eq!(workspace.hold(&cx).await.unwrap().unwrap().id, hold());

    // A watchdog lets go without knowing the operation.
    workspace.resume(&OpContext::background(), &hold()).await.unwrap();
    assert_eq!(workspace.hold(&cx).await.unwrap(), None);
    let text = fs::read_to_string(&log).unwrap();
    let calls: Vec<_> = text.trim().split("\n\n").collect();
    assert_eq!(calls[0].replace("quiesce", "resume"), calls[1]);
    for line in ["STILLPOINT_OPERATION_ID=op-1", "STILLPOINT_WORKSPACE_ID=old", "STILLPOINT_HOOK=quiesce"] {
        assert!(calls[0].contains(line), "{text}");
    }
}

#[tokio::test]
async fn whoever_has_no_note_of_a_hold_brings_the_services_back_all_the_same() {
    let (services, elsewhere) = (Services::new(), tempfile::tempdir().unwrap());
    let cx = OpContext::background().for_operation("op-1".parse().unwrap(), 1);
    let before = services.read();
    services.open().quiesce(&cx, &hold(), &options()).await.unwrap();

    let config = configured(services.dir.path(), &services.hooks, "").remove(0);
    let other = ManagedWorkspace::new(config, "s3sync".parse().unwrap(), &places(elsewhere.path()));
    other.resume(&cx, &hold()).await.unwrap();
    assert_eq!(services.read(), before, "the host that took the hold is gone for good");

    let renewed: QuiesceId = "renewed".parse().unwrap();
    other.quiesce(&cx, &renewed, &options()).await.unwrap();
    other.resume(&cx, &hold()).await.unwrap();
    assert_eq!(services.read().trim(), "still", "an earlier hold lets nobody else's go");
    other.resume(&cx, &renewed).await.unwrap();
    other.resume(&cx, &renewed).await.unwrap();
    assert_eq!(services.read(), before, "once too often changes nothing");
}

#[tokio::test]
async fn a_resume_that_fails_keeps_the_hold() {
    let dir = tempfile::tempdir().unwrap();
    let config = configured(dir.path(), "quiesce = 'true'\nresume = 'echo no >&2; exit 9'", "").remove(0);
    let workspace = ManagedWorkspace::new(config, "s3sync".parse().unwrap(), &places(dir.path()));
    let cx = OpContext::background();
    workspace.quiesce(&cx, &hold(), &options()).await.unwrap();
    let error = workspace.resume(&cx, &hold()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NeedsAttention);
    assert!(workspace.hold(&cx).await.unwrap().is_some());
}

#[tokio::test]
async fn a_definition_says_what_a_restore_and_a_deletion_need_to_know() {
    let services = Services::new();
    let definition = services.open().definition(&OpContext::background()).await.unwrap();
    assert_eq!(definition.account.as_deref(), Some("123456789012"));
    assert_eq!(definition.region.as_deref(), Some("us-west-2"));
    assert_eq!(definition.software_version.as_deref(), Some("2.0.50"));
    assert_eq!(definition.roles[0].role, "MLAdmin");
    assert_eq!(definition.settings["vault"], "ml-backups");
    assert_eq!(definition.settings["protect_tags"], json!({ "do-not-collect": "true" }));
    assert_eq!(definition.snapshot_tags["do-not-collect"], "true");
    assert_eq!(definition.source_tags, definition.snapshot_tags);
}

#[tokio::test]
async fn external_files_are_left_out_with_a_reason_unless_this_host_sees_them() {
    let services = Services::new();
    let inventory = services.open().inventory(&OpContext::background()).await.unwrap();
    let of = |id: &str| inventory.iter().find(|component| component.id.as_str() == id).unwrap();
    let Protection::Excluded { reason } = &of("datasets").protection else { panic!("{inventory:?}") };
    assert!(reason.contains("nfs.example.com:/export") && reason.contains("mount"), "{reason}");
    assert_eq!(
        (of("shared").provider.as_str(), &of("shared").settings["mount"]),
        ("s3sync", &json!("/mnt/shared"))
    );
    assert_eq!(of("shared").protection, Protection::Protected);
    assert_eq!((of("db").provider.as_str(), of("db").kind.as_str()), ("aws", "ebs"));
    assert_eq!(of("db").settings["availability_zone"], "us-west-2a");
    assert_eq!(
        (&of("db").settings["vault"], of("db").settings.contains_key("role_arn")),
        (&json!("ml-backups"), true)
    );
    assert_eq!(of("projects").settings.get("mount"), None, "a restore of it goes elsewhere");
}

#[tokio::test]
async fn a_vault_that_is_to_be_made_is_made_for_what_goes_into_it_and_for_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = configured(dir.path(), "", "").remove(0);
    config.create_vault = true;
    config.vault_tags.insert("owner".into(), "ml".into());
    config.components[1].settings.insert("vault".into(), "another".into());
    let workspace = ManagedWorkspace::new(config, "s3sync".parse().unwrap(), &places(dir.path()));
    let inventory = workspace.inventory(&OpContext::background()).await.unwrap();
    let of = |id: &str| inventory.iter().find(|component| component.id.as_str() == id).unwrap();
    let db = &of("db").settings;
    assert_eq!((&db["create_vault"], &db["vault_tags"]), (&json!(true), &json!({ "owner": "ml" })));
    assert_eq!(of("projects").settings.get("create_vault"), None, "its own vault is not said to be made");
    assert_eq!(of("shared").settings.get("create_vault"), None, "files go into no vault");
}

/// Answers the same components whatever the tags.
#[derive(Debug)]
struct Found(Vec<Component>);

#[async_trait]
impl Cloud for Found {
    async fn discover(&self, _cx: &OpContext, _tags: &Tags) -> Result<Vec<Component>> {
        Ok(self.0.clone())
    }

    async fn describe(&self, _cx: &OpContext, component: &Component) -> Result<Component> {
        if component.id.as_str() == "projects" {
            return Err(Error::new(ErrorKind::NotFound, "there is no such file system"));
        }
        Ok(component.clone().with_setting("size_gib", 8))
    }
}

fn tagged(dir: &Path) -> ManagedWorkspace {
    let mut config = configured(dir, "", "").remove(0);
    config.discover_tags.insert("ml-workspace".into(), "old".into());
    ManagedWorkspace::new(config, "s3sync".parse().unwrap(), &places(dir))
}

#[tokio::test]
async fn what_carries_the_tags_joins_once_and_in_a_stable_order() {
    let dir: TempDir = tempfile::tempdir().unwrap();
    let volume = |id: &str, name: &str| {
        let resource = format!("arn:aws:ec2:us-west-2:123456789012:volume/{name}");
        Component::new(id.parse().unwrap(), "ebs", "aws".parse().unwrap(), resource)
    };
    let mut found = vec![
        volume("vol-9", "vol-9"),
        volume("db", "vol-8"),
        volume("vol-0a1", "vol-0a1"),
        volume("vol-9", "vol-9"),
    ];
    let mut seen = Vec::new();
    for _ in 0..2 {
        let workspace = tagged(dir.path()).with_cloud(Arc::new(Found(found.clone())));
        let inventory = workspace.inventory(&OpContext::background()).await.unwrap();
        for component in inventory.iter().filter(|component| component.kind == "ebs") {
            let settings = (&component.settings["size_gib"], &component.settings["vault"]);
            assert_eq!(settings, (&json!(8), &json!("ml-backups")), "{component:?}");
        }
        seen.push(inventory.iter().map(|component| component.id.to_string()).collect::<Vec<_>>());
        found.reverse();
    }
    // Another volume has the name `db` here, so that one goes by its full name.
    let other = "arn:aws:ec2:us-west-2:123456789012:volume/vol-8";
    assert_eq!(seen[0], ["db", "projects", "datasets", "shared", other, "vol-9"]);
    assert_eq!(seen[0], seen[1]);
}
