//! Processes die at every outside call of whole operations on the fake AWS, and whoever takes over brings them to their end.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::fmt::Write;

use async_trait::async_trait;
use serde_json::{Value, json};
use stillpoint_conformance::fake::{self, End, NEW_STORAGE, plays};
use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, BackupRequest, Catalog, ComponentState, CopyRequest, DeleteRequest,
    OperationId, Request, RestoreRequest, Settings, StoredOperation, WorkspaceId,
};

use crate::fake::{ACCOUNT, FILE_SYSTEM, REGION, VOLUME, World, component};
use crate::stories::{Scene, WORKSPACE, operation};

/// What is done while processes die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Backup,
    Restore,
    Delete,
    Copy,
}

/// One fake in which operation follows operation.
struct Stage {
    story: Story,
    scene: Scene,
    /// Of what is restored and copied; of what is deleted, one for each case.
    earlier: Option<BackupRecord>,
    cases: usize,
    /// What there was before the operation.
    before: Count,
}

/// How many things of each kind there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Count {
    backups: usize,
    restores: usize,
    copies: usize,
    points: usize,
    elsewhere: usize,
    volumes: usize,
    file_systems: usize,
    catalogued: usize,
}

fn scenario() -> Value {
    let region = json!({
        "volumes": [{"id": "vol-00000000000000001", "size_gib": 8, "blocks": 4, "tags": {"Name": "db"}}],
        "file_systems": [{"id": "fs-00000000000000001", "bytes": 6_000_000, "tags": {"Name": "projects"}}],
        "vaults": {"Default": {}, "elsewhere": {}},
    });
    // Every state is still seen, and nobody has to look a dozen times at each.
    let quick = [
        ("backup.start_delay_seconds", 5),
        ("backup.ebs_seconds", 15),
        ("backup.efs_seconds", 15),
        ("restore.start_delay_seconds", 5),
        ("restore.ebs_seconds", 15),
        ("restore.efs_seconds", 15),
        ("copy.start_delay_seconds", 5),
        ("copy.seconds", 15),
        ("delete.seconds", 15),
    ];
    let rules: Value =
        quick.into_iter().map(|(name, seconds)| (name.to_owned(), Value::from(seconds))).collect();
    json!({"accounts": {ACCOUNT: {"regions": {REGION: region}}}, "rules": rules})
}

impl Stage {
    async fn of(story: Story) -> Option<Self> {
        let world = World::of(&scenario())?;
        let components = vec![component("db", "ebs", VOLUME), component("projects", "efs", FILE_SYSTEM)];
        // What nobody guards makes fewer calls.
        let tags: &[_] = if story == Story::Backup { &[("keep", "yes")] } else { &[] };
        let mut stage = Self {
            story,
            scene: Scene::guarded(world, components, tags),
            earlier: None,
            cases: 0,
            before: Count::default(),
        };
        if matches!(story, Story::Restore | Story::Copy) {
            stage.earlier = Some(stage.scene.run(stage.scene.backup("earlier")).await.1);
        }
        Some(stage)
    }

    fn operation(&self) -> OperationId {
        operation(&format!("op-{}", self.cases))
    }

    fn target(&self) -> WorkspaceId {
        format!("team/new-{}", self.cases).parse().unwrap()
    }

    fn request(&self) -> Request {
        let (id, workspace) = (self.operation(), WORKSPACE.parse().unwrap());
        let backup = || self.earlier.as_ref().unwrap().id.clone();
        match self.story {
            Story::Backup => Request::Backup(BackupRequest::new(id, workspace)),
            Story::Restore => {
                let target = self.target();
                Request::Restore(RestoreRequest::new(id, backup(), target, NEW_STORAGE, Settings::new()))
            }
            Story::Delete => Request::Delete(DeleteRequest::new(id, backup(), workspace)),
            Story::Copy => {
                let destination = [("vault".to_owned(), "elsewhere".into())].into();
                Request::Copy(CopyRequest::new(id, backup(), workspace, destination))
            }
        }
    }

    async fn count(&self) -> Count {
        let region = self.scene.world.region();
        let number = |kind: &str| region[kind].as_object().unwrap().len();
        let points = |vault: &str| region["vaults"][vault]["points"].as_object().unwrap().len();
        let catalogued = self.scene.catalog.backups(&BackupQuery::all()).await.unwrap().items.len();
        Count {
            backups: number("backups"),
            restores: number("restores"),
            copies: number("copies"),
            points: points("Default"),
            elsewhere: points("elsewhere"),
            volumes: number("volumes"),
            file_systems: number("file_systems"),
            catalogued,
        }
    }
}

#[async_trait]
impl fake::Stage for Stage {
    fn scene(&self) -> &fake::Scene {
        &self.scene
    }

    fn reads(&self, call: &str) -> bool {
        ["Describe", "List", "Get", "Simulate"].iter().any(|verb| call.starts_with(verb))
    }

    async fn next(&mut self) -> Request {
        self.cases += 1;
        if self.story == Story::Delete {
            let id = format!("earlier-{}", self.cases);
            self.earlier = Some(self.scene.run(self.scene.backup(&id)).await.1);
        }
        self.before = self.count().await;
        self.request()
    }

    async fn broken(&self, _ended: &StoredOperation) -> String {
        let (mut broken, mut due) = (String::new(), self.before.clone());
        let mut say = |wrong: bool, what: &dyn std::fmt::Debug| {
            if wrong {
                writeln!(broken, "{what:?}").unwrap();
            }
        };
        match self.story {
            Story::Backup => {
                (due.backups, due.points, due.catalogued) =
                    (due.backups + 2, due.points + 2, due.catalogued + 1)
            }
            Story::Restore => {
                (due.restores, due.volumes, due.file_systems) =
                    (due.restores + 1, due.volumes + 1, due.file_systems + 1);
            }
            Story::Delete => (due.points, due.catalogued) = (due.points - 2, due.catalogued - 1),
            Story::Copy => {
                (due.copies, due.elsewhere, due.catalogued) =
                    (due.copies + 2, due.elsewhere + 2, due.catalogued + 1)
            }
        }
        let there = self.count().await;
        say(there != due, &("there is", &there, "and not", &due));
        let made = BackupId::of(&self.operation());
        let made = self.scene.catalog.backup(&made).await.unwrap().map(|stored| stored.backup);
        let whole = |backup: &BackupRecord| {
            backup
                .components
                .iter()
                .all(|one| one.state == ComponentState::Completed && one.snapshot.is_some())
        };
        say(made.as_ref().is_some_and(|made| !whole(made)), &made);
        if self.story == Story::Backup {
            let region = self.scene.world.region();
            let tags = [
                &region["volumes"]["vol-00000000000000001"],
                &region["file_systems"]["fs-00000000000000001"],
            ];
            let tags = tags.map(|source| source["tags"].clone());
            say(
                tags != [json!({"Name": "db"}), json!({"Name": "projects"})],
                &("sources have the tags", &tags),
            );
        }
        if self.story == Story::Restore {
            let (region, target) = (self.scene.world.region(), self.target());
            let all = ["volumes", "file_systems"].map(|kind| region[kind].as_object().unwrap().values());
            let ours = all
                .into_iter()
                .flatten()
                .filter(|one| one["tags"]["stillpoint:workspace"] == target.as_str());
            let ours: Vec<_> =
                ours.filter(|one| one["tags"]["keep"] == "yes" && one["state"] == "available").collect();
            say(ours.len() != 2, &("restored", &ours));
        }
        broken
    }
}

/// Runs the story without a death, then once for each.
async fn survives(story: Story) {
    let Some(mut stage) = Stage::of(story).await else { return };
    // The first one captures more than those that come after it.
    plays(&mut stage, &End::Never).await.unwrap();
    fake::survives(&mut stage).await.unwrap();
}

#[tokio::test]
async fn a_backup_survives_a_death_at_every_outside_call() {
    survives(Story::Backup).await;
}

#[tokio::test]
async fn a_restore_survives_a_death_at_every_outside_call() {
    survives(Story::Restore).await;
}

#[tokio::test]
async fn a_deletion_survives_a_death_at_every_outside_call() {
    survives(Story::Delete).await;
}

#[tokio::test]
async fn a_copy_survives_a_death_at_every_outside_call() {
    survives(Story::Copy).await;
}
