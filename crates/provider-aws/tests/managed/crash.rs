//! Processes die at every outside call of whole operations on the fake AWS, and whoever takes over brings them to their end.
//!
//! A call to AWS is cut off before it arrives or after it was carried out, and the process dies of it; or a process dies
//! before or after a hold, a call of the provisioner, or the last writes to the catalog. All cases of a story happen in one
//! fake, one operation after the other. (Every boundary of the catalog is the conformance crate's, on a simulated cloud.)
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test that called it")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_conformance::crash::{
    CrashPoint, Fuse, FusedCatalog, FusedProvisioner, FusedWorkspace, Moment,
};
use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, BackupRequest, Catalog, Clock, ComponentState, CopyRequest,
    DeleteRequest, Holder, LocalOrchestrator, OperationId, OperationState, Orchestrator, Provisioner,
    Request, RestoreRequest, Settings, Workspace, WorkspaceId,
};

use crate::fake::{ACCOUNT, FILE_SYSTEM, REGION, VOLUME, World, component};
use crate::restore_stories::{NEW_STORAGE, NewStorage};
use crate::stories::{Scene, WORKSPACE, operation};
use crate::under_way::Death;

const LEASE: Duration = Duration::from_secs(600);
/// Looks at the operation until it counts as stuck, in half minutes of the fake's clock.
const LOOKS_MAX: usize = 2000;
/// The writes to the catalog before whose last ones a process dies: what is done and not yet known.
const LAST_WRITES: usize = 4;

/// What is done while processes die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Backup,
    Restore,
    Delete,
    Copy,
}

/// How the first process dies.
#[derive(Clone, Debug)]
enum End {
    /// Of the `nth` call of an operation of AWS, cut off `before` it arrives or `after` it was carried out.
    Cut { call: String, nth: usize, when: &'static str },
    /// At a call of the workspace or of the provisioner.
    Outside(CrashPoint),
    /// At a write to the catalog.
    Catalog(CrashPoint),
    /// Not at all.
    Never,
}

/// What the first process met.
struct Met {
    /// Its calls to AWS, each as often as it was made.
    calls: BTreeMap<String, usize>,
    /// Calls of the workspace and of the provisioner.
    outside: usize,
    /// Writes to the catalog.
    catalog: usize,
    died: bool,
}

/// What a process dies of.
struct Fuses {
    outside: Arc<Fuse>,
    catalog: Arc<Fuse>,
    death: Death,
}

/// One fake in which operation follows operation.
struct Stage {
    story: Story,
    scene: Scene,
    /// Of what is restored and copied; of what is deleted, one for each case.
    earlier: Option<BackupRecord>,
    cases: usize,
}

/// How many things of each kind there are.
#[derive(Debug, PartialEq, Eq)]
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
        "volumes": [{"id": "vol-00000000000000001", "size_gib": 8, "blocks": 4}],
        "file_systems": [{"id": "fs-00000000000000001", "bytes": 6_000_000}],
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

/// Calls that change nothing, by the names that AWS gives them.
fn reads(call: &str) -> bool {
    ["Describe", "List", "Get", "Simulate"].iter().any(|verb| call.starts_with(verb))
}

impl Stage {
    async fn of(story: Story) -> Option<Self> {
        let world = World::of(&scenario())?;
        let components = vec![component("db", "ebs", VOLUME), component("projects", "efs", FILE_SYSTEM)];
        let mut stage = Self { story, scene: Scene::with(world, components), earlier: None, cases: 0 };
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

    /// Runs one operation whose first process comes to this end. Nothing may be broken afterwards.
    async fn plays(&mut self, end: &End) -> Met {
        self.cases += 1;
        let (story, scene) = (self.story, &self.scene);
        if story == Story::Delete {
            let id = format!("earlier-{}", self.cases);
            self.earlier = Some(scene.run(scene.backup(&id)).await.1);
        }
        let before = self.count().await;
        let since = scene.world.called();
        let (mut outside, mut catalog) = (None, None);
        match end {
            End::Cut { call, nth, when } => {
                let fault = json!({"kind": "cut", "when": when});
                scene.world.inject(&json!({"op": call, "nth": nth, "fault": fault}));
            }
            End::Outside(at) => outside = Some(*at),
            End::Catalog(at) => catalog = Some(*at),
            End::Never => {}
        }
        let fuse = |point| Arc::new(Fuse::new(point));
        let fuses = Fuses { outside: fuse(outside), catalog: fuse(catalog), death: Death::default() };
        let first = mortal(scene, &fuses);
        tokio::select! {
            biased;
            () = fuses.outside.blows() => {}
            () = fuses.catalog.blows() => {}
            () = fuses.death.comes() => {}
            () = self.follow(&first) => {}
        }
        drop(first);
        let calls = scene.world.calls_since(since);
        let died = fuses.outside.is_blown() || fuses.catalog.is_blown() || fuses.death.is_here();
        if died {
            scene.clock.sleep(LEASE + Duration::from_secs(1)).await;
            self.follow(&scene.orchestrator("two")).await;
        }
        let broken = self.broken(before).await;
        assert_eq!(broken, "", "{story:?}, {end:?}");
        Met { calls, outside: fuses.outside.crossed(), catalog: fuses.catalog.crossed(), died }
    }

    /// Submits, as a host that does not know how far it got, and follows to the end.
    async fn follow(&self, process: &LocalOrchestrator) {
        process.recover().await.unwrap();
        process.submit(self.request()).await.unwrap();
        for _ in 0..LOOKS_MAX {
            process.recover().await.unwrap();
            if process.status(&self.operation()).await.unwrap().operation.state.is_terminal() {
                return;
            }
            self.scene.clock.sleep(Duration::from_secs(30)).await;
        }
        panic!("the operation does not end");
    }

    /// What is not as it has to be when everything came to its end.
    async fn broken(&self, mut due: Count) -> String {
        let mut broken = String::new();
        let mut say = |wrong: bool, what: &dyn std::fmt::Debug| {
            if wrong {
                writeln!(broken, "{what:?}").unwrap();
            }
        };
        let stored = self.scene.catalog.operation(&self.operation()).await.unwrap().unwrap();
        let ended = &stored.operation;
        say(ended.state != OperationState::Completed, ended);
        say(stored.lease.live, &"an ended operation is still held");
        say(self.scene.workspace.held_by().is_some(), &"the workspace is still held still");
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
        let ledger = self.scene.catalog.ledger(&self.operation()).await.unwrap();
        say(!ledger.is_sorted_by_key(|entry| entry.fence), &"a line was written under an old lease");
        broken
    }
}

/// An orchestrator as a process has it that dies by its fuses, or of a lost answer.
fn mortal(scene: &Scene, fuses: &Fuses) -> LocalOrchestrator {
    let outside = || Arc::clone(&fuses.outside);
    let catalog = Arc::clone(&scene.catalog) as Arc<dyn Catalog>;
    let workspace = Arc::clone(&scene.workspace) as Arc<dyn Workspace>;
    let provisioner = Arc::new(NewStorage) as Arc<dyn Provisioner>;
    LocalOrchestrator::builder(Arc::new(FusedCatalog::new(catalog, Arc::clone(&fuses.catalog))))
        .clock(Arc::clone(&scene.clock) as Arc<dyn Clock>)
        .holder(Holder::new("one", "process"))
        .lease_ttl(LEASE)
        .provider(scene.clock.waits_for_mortal(Arc::new(scene.world.provider()), &fuses.death))
        .workspace(Arc::new(FusedWorkspace::new(workspace, outside())))
        .provisioner(NEW_STORAGE, Arc::new(FusedProvisioner::new(provisioner, outside())))
        .build()
}

/// Every call that changes something, cut off before and after it was carried out; of every call that reads, the first.
fn cuts(met: &Met) -> Vec<End> {
    let mut cuts = Vec::new();
    for (call, count) in &met.calls {
        let (count, ends) =
            if reads(call) { (1, &["after"][..]) } else { (*count, &["before", "after"][..]) };
        for nth in 1..=count {
            cuts.extend(ends.iter().map(|when| End::Cut { call: call.clone(), nth, when }));
        }
    }
    cuts
}

fn boundaries(met: &Met) -> impl Iterator<Item = End> {
    let moments = [Moment::Before, Moment::After];
    let outside = (0..met.outside).flat_map(move |at| moments.map(|moment| CrashPoint::new(at, moment)));
    let last =
        (met.catalog.saturating_sub(LAST_WRITES)..met.catalog).map(|at| CrashPoint::new(at, Moment::Before));
    outside.map(End::Outside).chain(last.map(End::Catalog))
}

/// Runs the story without a death, then once for each.
async fn survives(story: Story) {
    let Some(mut stage) = Stage::of(story).await else { return };
    // The first one captures more than those that come after it.
    stage.plays(&End::Never).await;
    let unharmed = stage.plays(&End::Never).await;
    let ends: Vec<_> = cuts(&unharmed).into_iter().chain(boundaries(&unharmed)).collect();
    let mut lived = Vec::new();
    for end in &ends {
        if !stage.plays(end).await.died {
            lived.push(end);
        }
    }
    // Two calls at once may come in another order, so not every one comes in every run.
    assert!(lived.len() * 10 <= ends.len(), "of {} ends these did not come: {lived:?}", ends.len());
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
