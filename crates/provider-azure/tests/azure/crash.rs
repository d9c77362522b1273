//! Processes die at every outside call of whole operations on the fake Azure, and whoever takes over brings them to their end.
//!
//! A call to Azure is cut off before it arrives or after it was carried out, and the process dies of it; or a process dies
//! before or after a hold, a call of the provisioner, or the last writes to the catalog. All cases of a story happen in one
//! fake, one operation after the other.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test that called it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stillpoint_conformance::crash::{
    CrashPoint, Fuse, FusedCatalog, FusedProvisioner, FusedWorkspace, Moment,
};
use stillpoint_core::{
    BackupQuery, BackupRecord, BackupRequest, Catalog, Clock, DeleteRequest, Holder, LocalOrchestrator,
    OperationId, OperationState, Orchestrator, Provisioner, Request, RestoreRequest, Settings, Workspace,
};

use crate::fake::{World, disk};
use crate::shares::share;
use crate::stories::{NEW_STORAGE, NewStorage, Scene, WORKSPACE, operation, projects};
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
}

/// How the first process dies.
#[derive(Clone, Debug)]
enum End {
    /// Of the `nth` call of an operation of Azure, cut off `before` it arrives or `after` it was carried out.
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
    /// Its calls to Azure, each as often as it was made.
    calls: BTreeMap<String, usize>,
    /// Calls of the workspace and of the provisioner.
    outside: usize,
    /// Writes to the catalog.
    catalog: usize,
    died: bool,
}

/// One fake in which operation follows operation.
struct Stage {
    story: Story,
    scene: Scene,
    /// What is restored; of what is deleted, one for each case.
    earlier: Option<BackupRecord>,
    cases: usize,
}

/// Snapshots of disks and of the share, disks, and backups in the catalog.
type Count = (usize, usize, usize, usize);

impl Stage {
    async fn of(story: Story) -> Option<Self> {
        let world = World::named("workspace")?;
        // An hour of Azure's limits is over sooner than all the deaths.
        world.set(&json!({"rules": {"snapshot.rate": 1000}}));
        let components = vec![disk("db"), projects()];
        let mut stage = Self { story, scene: Scene::with(&world, components), earlier: None, cases: 0 };
        if story == Story::Restore {
            stage.earlier = Some(stage.scene.run(stage.scene.backup("earlier")).await.1);
        }
        Some(stage)
    }

    fn operation(&self) -> OperationId {
        operation(&format!("op-{}", self.cases))
    }

    fn request(&self) -> Request {
        let (id, workspace) = (self.operation(), WORKSPACE.parse().unwrap());
        let backup = || self.earlier.as_ref().unwrap().id.clone();
        match self.story {
            Story::Backup => Request::Backup(BackupRequest::new(id, workspace)),
            Story::Restore => {
                let target = format!("team/new-{}", self.cases).parse().unwrap();
                let mut request = RestoreRequest::new(id, backup(), target, NEW_STORAGE, Settings::new());
                request.components = vec!["db".parse().unwrap()];
                Request::Restore(request)
            }
            Story::Delete => Request::Delete(DeleteRequest::new(id, backup(), workspace)),
        }
    }

    async fn count(&self) -> Count {
        let (of_disks, of_share) = self.scene.points();
        let catalogued = self.scene.catalog.backups(&BackupQuery::all()).await.unwrap().items.len();
        (of_disks, of_share, self.scene.world.count("disks"), catalogued)
    }

    /// Runs one operation whose first process comes to this end. Nothing may be broken afterwards.
    async fn plays(&mut self, end: &End) -> Met {
        self.cases += 1;
        let scene = &self.scene;
        if self.story == Story::Delete {
            let id = format!("earlier-{}", self.cases);
            self.earlier = Some(scene.run(scene.backup(&id)).await.1);
        }
        let before = self.count().await;
        let since = scene.world.fake().get("journal").as_array().unwrap().len();
        let (mut outside, mut catalog) = (None, None);
        match end {
            End::Cut { call, nth, when } => {
                let fault = json!({"op": call, "nth": nth, "fault": {"kind": "cut", "when": when}});
                scene.world.fake().post("inject", &fault);
            }
            End::Outside(at) => outside = Some(*at),
            End::Catalog(at) => catalog = Some(*at),
            End::Never => {}
        }
        let (outside, catalog) = (Arc::new(Fuse::new(outside)), Arc::new(Fuse::new(catalog)));
        let death = Death::default();
        let first = mortal(scene, &outside, &catalog, &death);
        tokio::select! {
            biased;
            () = outside.blows() => {}
            () = catalog.blows() => {}
            () = death.comes() => {}
            () = self.follow(&first) => {}
        }
        drop(first);
        let calls = calls(&scene.world, since);
        let died = outside.is_blown() || catalog.is_blown() || death.is_here();
        if died {
            scene.clock.sleep(LEASE + Duration::from_secs(1)).await;
            self.follow(&scene.orchestrator("two")).await;
        }
        self.is_whole(before, end).await;
        Met { calls, outside: outside.crossed(), catalog: catalog.crossed(), died }
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

    /// Fails where something is not as it has to be when everything came to its end.
    async fn is_whole(&self, (disks, shares, made, catalogued): Count, end: &End) {
        let stored = self.scene.catalog.operation(&self.operation()).await.unwrap().unwrap();
        let (story, ended) = (self.story, &stored.operation);
        assert_eq!(ended.state, OperationState::Completed, "{story:?}, {end:?}: {ended:?}");
        assert!(!stored.lease.live, "{story:?}, {end:?}: an ended operation is still held");
        assert_eq!(self.scene.workspace.held_by(), None, "{story:?}, {end:?}");
        let there = self.count().await;
        let due = match story {
            Story::Backup => (disks + 1, shares + 1, made, catalogued + 1),
            Story::Restore => (disks, shares, made + 1, catalogued),
            Story::Delete => (disks - 1, shares - 1, made, catalogued - 1),
        };
        assert_eq!(there, due, "{story:?}, {end:?}: neither doubled nor lost");
        if story == Story::Restore {
            let state = self.scene.world.fake().get("state");
            let target = format!("team/new-{}", self.cases);
            let mut all = state["resources"].as_object().unwrap().values();
            let disk = all.find(|disk| disk["tags"]["stillpoint:workspace"] == target.as_str()).unwrap();
            assert_eq!(disk["tags"]["keep"], "yes", "{end:?}: {disk}");
        }
        let ledger = self.scene.catalog.ledger(&self.operation()).await.unwrap();
        assert!(ledger.is_sorted_by_key(|entry| entry.fence), "{end:?}: written under an old lease");
    }
}

/// An orchestrator as a process has it that dies by its fuses, or of a lost answer.
fn mortal(scene: &Scene, outside: &Arc<Fuse>, catalog: &Arc<Fuse>, death: &Death) -> LocalOrchestrator {
    let inner = Arc::clone(&scene.catalog) as Arc<dyn Catalog>;
    let workspace = Arc::clone(&scene.workspace) as Arc<dyn Workspace>;
    let provisioner = Arc::new(NewStorage) as Arc<dyn Provisioner>;
    let provider = scene.world.provider().looking_in([share("projects")]).unwrap();
    LocalOrchestrator::builder(Arc::new(FusedCatalog::new(inner, Arc::clone(catalog))))
        .clock(Arc::clone(&scene.clock) as Arc<dyn Clock>)
        .holder(Holder::new("one", "process"))
        .lease_ttl(LEASE)
        .provider(scene.clock.waits_for_mortal(Arc::new(provider), death))
        .workspace(Arc::new(FusedWorkspace::new(workspace, Arc::clone(outside))))
        .provisioner(NEW_STORAGE, Arc::new(FusedProvisioner::new(provisioner, Arc::clone(outside))))
        .build()
}

/// The calls to Azure since a line of the journal, each as often as it was made.
fn calls(world: &World, since: usize) -> BTreeMap<String, usize> {
    let journal = world.fake().get(&format!("journal?since={since}"));
    let mut calls = BTreeMap::new();
    for call in journal.as_array().unwrap().iter().filter_map(|entry| entry["operation"].as_str()) {
        *calls.entry(call.to_owned()).or_default() += 1;
    }
    calls
}

/// Every call that changes something, cut off before and after it was carried out; of every call that reads, the first.
fn cuts(met: &Met) -> Vec<End> {
    let mut cuts = Vec::new();
    for (call, count) in &met.calls {
        let writes = ["create", "delete", "update"].iter().any(|verb| call.contains(verb));
        let (count, ends) = if writes { (*count, &["before", "after"][..]) } else { (1, &["after"][..]) };
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
    let unharmed = stage.plays(&End::Never).await;
    let ends: Vec<_> = cuts(&unharmed).into_iter().chain(boundaries(&unharmed)).collect();
    assert!(ends.len() > 10, "{ends:?}");
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
