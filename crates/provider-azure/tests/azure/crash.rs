//! Processes die at every outside call of whole operations on the fake Azure, and whoever takes over brings them to their end.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::collections::BTreeMap;
use std::fmt::Write;

use async_trait::async_trait;
use serde_json::json;
use stillpoint_conformance::fake;
use stillpoint_core::{
    BackupQuery, BackupRecord, BackupRequest, Catalog, DeleteRequest, OperationState, Request,
    RestoreRequest, Settings, StoredOperation, WorkspaceId,
};

use crate::fake::{World, disk};
use crate::stories::{NEW_STORAGE, Scene, WORKSPACE, operation, projects};
use crate::vaults;

/// What is done while processes die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Backup,
    Restore,
    Delete,
}

/// What there is, by its kind.
type Count = BTreeMap<&'static str, usize>;

/// One fake in which operation follows operation.
struct Stage {
    story: Story,
    /// Whether all of it goes through vaults.
    vaulted: bool,
    scene: Scene,
    /// What is restored; of what is deleted, one for each case.
    earlier: Option<BackupRecord>,
    cases: usize,
    /// What there was before the operation.
    before: Count,
}

impl Stage {
    /// A disk and a share, each with its snapshots.
    async fn of(story: Story) -> Option<Self> {
        let world = World::named("workspace")?;
        // An hour of Azure's limits is over sooner than all the deaths.
        world.set(&json!({"rules": {"snapshot.rate": 1000}}));
        let components = vec![disk("db"), projects()];
        if story != Story::Backup {
            return Some(Self::begins(story, false, Scene::with(&world, components)).await);
        }
        // What nobody guards makes fewer calls.
        let tags = [("keep".to_owned(), "yes".to_owned())].into();
        let scene = Scene::guarded(&world, components, tags, World::provider);
        Some(Self::begins(story, false, scene).await)
    }

    /// A disk and a share, each protected by the vault of its kind.
    async fn in_vaults(story: Story) -> Option<Self> {
        // Short enough that nobody looks often, and long enough to be seen while they run.
        let rules = json!({"job.start_delay_seconds": 2, "job.backup_seconds": 4, "job.restore_seconds": 4,
            "share.snapshot_maximum": 10_000});
        let world = World::of(&vaults::scenario(rules))?;
        let components = vec![vaults::disk("disk-0"), vaults::files("share-0")];
        let scene = Scene::by(&world, components, vaults::provider);
        Some(Self::begins(story, true, scene).await)
    }

    async fn begins(story: Story, vaulted: bool, scene: Scene) -> Self {
        let mut stage = Self { story, vaulted, scene, earlier: None, cases: 0, before: Count::new() };
        if story == Story::Restore || (vaulted && story == Story::Delete) {
            stage.earlier = Some(stage.scene.run(stage.scene.backup("earlier")).await.1);
        }
        stage
    }

    fn target(&self) -> WorkspaceId {
        format!("team/new-{}", self.cases).parse().unwrap()
    }

    fn request(&self) -> Request {
        let (id, workspace) = (operation(&format!("op-{}", self.cases)), WORKSPACE.parse().unwrap());
        let backup = || self.earlier.as_ref().unwrap().id.clone();
        match self.story {
            Story::Backup => Request::Backup(BackupRequest::new(id, workspace)),
            Story::Restore => {
                let mut request =
                    RestoreRequest::new(id, backup(), self.target(), NEW_STORAGE, Settings::new());
                if !self.vaulted {
                    request.components = vec!["db".parse().unwrap()];
                }
                Request::Restore(request)
            }
            Story::Delete => Request::Delete(DeleteRequest::new(id, backup(), workspace)),
        }
    }

    async fn count(&self) -> Count {
        let world = &self.scene.world;
        let mut count: Count = ["snapshots", "disks", "shares", "recoveryPoints"]
            .map(|kind| (kind, world.count(kind)))
            .into_iter()
            .collect();
        count.insert("snapshots of the share", self.scene.points().1);
        let catalogued = self.scene.catalog.backups(&BackupQuery::all()).await.unwrap().items.len();
        count.insert("catalogued", catalogued);
        count
    }

    /// What an operation adds; takes away, where it deletes.
    fn adds(&self) -> &'static [(&'static str, usize)] {
        match (self.story, self.vaulted) {
            (Story::Backup | Story::Delete, false) => {
                &[("snapshots", 1), ("snapshots of the share", 1), ("catalogued", 1)]
            }
            (Story::Backup, true) => &[("recoveryPoints", 2), ("catalogued", 1)],
            // Nobody deletes one recovery point.
            (Story::Delete, true) => &[],
            (Story::Restore, false) => &[("disks", 1)],
            (Story::Restore, true) => &[("disks", 1), ("shares", 1)],
        }
    }
}

#[async_trait]
impl fake::Stage for Stage {
    fn scene(&self) -> &fake::Scene {
        &self.scene
    }

    fn reads(&self, call: &str) -> bool {
        !["create", "delete", "update", "trigger", "adhoc"].iter().any(|verb| call.contains(verb))
    }

    async fn next(&mut self) -> Request {
        self.cases += 1;
        if self.story == Story::Delete && !self.vaulted {
            let id = format!("earlier-{}", self.cases);
            self.earlier = Some(self.scene.run(self.scene.backup(&id)).await.1);
        }
        self.before = self.count().await;
        self.request()
    }

    fn ending(&self) -> OperationState {
        match (self.story, self.vaulted) {
            (Story::Delete, true) => OperationState::Failed,
            _ => OperationState::Completed,
        }
    }

    async fn broken(&self, ended: &StoredOperation) -> String {
        let (mut broken, mut due) = (String::new(), self.before.clone());
        for (kind, count) in self.adds() {
            let there = due.get_mut(kind).unwrap();
            *there = if self.story == Story::Delete { *there - count } else { *there + count };
        }
        let there = self.count().await;
        if there != due {
            writeln!(broken, "there is {there:?} and not {due:?}: doubled or lost").unwrap();
        }
        if self.story == Story::Restore {
            let (state, target) = (self.scene.world.fake().get("state"), self.target());
            let ours = state["resources"].as_object().unwrap().values().filter_map(|made| {
                let tags = [&made["tags"], &made["properties"]["metadata"]];
                let of = |tags: &&serde_json::Value| {
                    let marks = ["stillpoint:workspace", "stillpoint_workspace"];
                    marks.iter().any(|mark| tags[*mark] == target.as_str())
                };
                tags.into_iter().find(of)
            });
            let kept = ours.filter(|tags| tags["keep"] == "yes").count();
            if kept != self.adds().len() {
                writeln!(broken, "{kept} of what was made carry their tags").unwrap();
            }
        }
        for source in [disk("db"), projects()] {
            let written = self.scene.world.written_on(&source.resource);
            if !self.vaulted && written.keys().ne(["workspace"]) {
                writeln!(broken, "{} is left with {written:?}", source.id).unwrap();
            }
        }
        if self.ending() == OperationState::Failed {
            let said = format!("{:?}", ended.operation.error);
            if !said.contains("is locked until ") {
                writeln!(broken, "nobody says until when: {said}").unwrap();
            }
            let backup = self.earlier.as_ref().unwrap();
            let stored = self.scene.catalog.backup(&backup.id).await.unwrap().unwrap().backup;
            if stored.state != backup.state {
                writeln!(broken, "a backup that lost nothing is {:?}", stored.state).unwrap();
            }
        }
        broken
    }
}

/// Runs a story without a death, then once for each.
async fn survives(stage: Option<Stage>, at_least: usize) {
    let Some(mut stage) = stage else { return };
    let deaths = fake::survives(&mut stage).await.unwrap();
    assert!(deaths >= at_least, "only {deaths} deaths");
}

#[tokio::test]
async fn a_backup_survives_a_death_at_every_outside_call() {
    survives(Stage::of(Story::Backup).await, 25).await;
}

#[tokio::test]
async fn a_restore_survives_a_death_at_every_outside_call() {
    survives(Stage::of(Story::Restore).await, 10).await;
}

#[tokio::test]
async fn a_deletion_survives_a_death_at_every_outside_call() {
    survives(Stage::of(Story::Delete).await, 10).await;
}

#[tokio::test]
async fn a_backup_through_vaults_survives_a_death_at_every_outside_call() {
    survives(Stage::in_vaults(Story::Backup).await, 20).await;
}

#[tokio::test]
async fn a_restore_through_vaults_survives_a_death_at_every_outside_call() {
    survives(Stage::in_vaults(Story::Restore).await, 20).await;
}

/// Nothing of it is gone while the vault keeps it, whoever dies on the way; the entry stays as good as it was.
#[tokio::test]
async fn a_deletion_in_vaults_survives_a_death_at_every_outside_call() {
    survives(Stage::in_vaults(Story::Delete).await, 5).await;
}
