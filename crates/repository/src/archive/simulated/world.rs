//! What happens on the sea: backups and prunes that run, die and sleep beside each other, and what was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::memory::InMemory;

use super::super::publish::publish_without_lock;
use super::super::sink::{Belief, Sink};
use super::boat::{Boat, HOUR};
use super::sea::{Dice, LANES, Sea, Weather};
use crate::blob::BlobKind;
use crate::cache::Relied;
use crate::cancellation::Cancellation;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::prune::{Commit, PruneOptions, PruneState};
use crate::repository::Repository;
use crate::snapshot::Snapshot;
use crate::tree::{Node, NodeKind, Tree};
use crate::writer::WriterOptions;

/// Short beside the hours that processes sleep, so that much meets.
const GRACE: Duration = Duration::from_secs(2 * 3600);
/// Different pieces of content that backups choose from.
const PIECES: u64 = 4;
const PRUNERS: u64 = 2;
/// The lane of who takes locks away and kills.
const FATE: u64 = LANES - 1;

/// A snapshot that was reported as made.
#[derive(Debug, Clone)]
struct Promise {
    id: Id,
    snapshot: Snapshot,
    pieces: Vec<u64>,
    relied: Arc<Relied>,
}

impl Promise {
    fn belief(&self) -> Belief {
        Belief { snapshot: self.id, relied: Arc::clone(&self.relied) }
    }
}

/// What came to pass, to tell a schedule that proves something from one that does not.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) backups: u64,
    pub(super) unchanged: u64,
    pub(super) adopted: u64,
    pub(super) begun_anew: u64,
    pub(super) sweeps: u64,
    pub(super) copied: u64,
    pub(super) kills: u64,
    pub(super) stolen: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.backups += other.backups;
        self.unchanged += other.unchanged;
        self.adopted += other.adopted;
        self.begun_anew += other.begun_anew;
        self.sweeps += other.sweeps;
        self.copied += other.copied;
        self.kills += other.kills;
        self.stolen += other.stolen;
    }
}

/// One schedule.
pub(super) struct World {
    pub(super) sea: Arc<Sea>,
    base: Repository,
    promised: Mutex<BTreeMap<u64, Promise>>,
    forgotten: Mutex<BTreeSet<Id>>,
    boats: Mutex<BTreeMap<u64, Arc<Boat>>>,
    pub(super) counts: Mutex<Counts>,
}

impl World {
    pub(super) fn new(base: &Repository, objects: &InMemory, seed: u64, weather: Weather) -> Self {
        Self {
            sea: Sea::new(objects, seed, weather),
            base: base.clone(),
            promised: Mutex::default(),
            forgotten: Mutex::default(),
            boats: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap());
    }

    pub(super) async fn run(&self) {
        let writers = self.sea.weather.writers;
        let writing = futures::future::join_all((0..writers).map(|actor| self.writer(actor)));
        let pruning = futures::future::join_all((writers..writers + PRUNERS).map(|actor| self.pruner(actor)));
        tokio::select! {
            _ = futures::future::join(writing, pruning) => {}
            () = self.fate() => {}
        }
        self.assert_promises().await;
        let (_, requests) = self.sea.trace();
        self.count(|counts| counts.requests = requests);
    }

    /// Lets a process run until it ends or its time has come.
    async fn live(&self, boat: &Boat, dice: &mut Dice, run: impl Future<Output = Result<()>>) -> Result<()> {
        let life = if dice.one_in(7) { dice.draw(600_000) } else { 100 * HOUR };
        tokio::select! {
            biased;
            done = run => done,
            () = self.sea.sleep(FATE, life) => {
                boat.kill();
                self.count(|counts| counts.kills += 1);
                Ok(())
            }
        }
    }

    fn launch(&self, actor: u64, run: u64) -> (Arc<Boat>, Repository) {
        let boat = Boat::new(&self.sea, actor, run);
        self.boats.lock().unwrap().insert(boat.number, Arc::clone(&boat));
        let repository = self.base.on_salted_copy(boat.store(), boat.number).unwrap();
        (boat, repository)
    }

    async fn writer(&self, actor: u64) {
        for run in 0..8 {
            let (boat, repository) = self.launch(actor, run);
            let mut dice = boat.dice("writer");
            self.sea.sleep(actor, dice.draw(2 * HOUR)).await;
            boat.begin();
            let work = dice.draw(10);
            let mut own = dice.clone();
            let backup = async {
                match work {
                    0 => self.adopt(&boat, &repository).await,
                    1..4 => self.backup(&boat, &repository, &mut own, true).await,
                    _ => self.backup(&boat, &repository, &mut own, false).await,
                }
            };
            // A backup that fails has promised nothing.
            drop(self.live(&boat, &mut dice, backup).await);
            if dice.one_in(2) && !boat.is_dead() {
                drop(self.forget(&repository, &mut dice).await);
            }
        }
    }

    /// As a backup of a directory does it, but for the directory.
    async fn backup(&self, boat: &Boat, repository: &Repository, dice: &mut Dice, same: bool) -> Result<()> {
        let parent = self.any(dice).filter(|_| same || dice.one_in(2));
        let pieces: Vec<u64> = match &parent {
            Some(parent) if same => parent.pieces.clone(),
            _ => (0..PIECES).filter(|_| dice.one_in(2)).collect(),
        };
        for attempt in 0..4 {
            let believed = parent.as_ref().filter(|_| attempt == 0);
            let options = WriterOptions::default();
            let fresh = repository.with_fresh_index();
            let sink = Sink::new(fresh.clone(), options, believed.map(Promise::belief), Cancellation::new());
            // It goes on for as long as it can where the lock is lost; a backup of a directory would stop at once.
            let made = self.attempt(boat, &fresh, &sink, dice, (believed, &pieces)).await;
            sink.release().await?;
            match made {
                Ok(Some((id, snapshot))) => {
                    let relied = match (fresh.loaded_index(), believed) {
                        (None, Some(parent)) => Arc::clone(&parent.relied),
                        (index, _) => Arc::new(Relied::on(index.unwrap())),
                    };
                    let promise = Promise { id, snapshot, pieces, relied };
                    self.promised.lock().unwrap().insert(boat.number, promise);
                    return Ok(());
                }
                Ok(None) => self.count(|counts| counts.begun_anew += 1),
                Err(_) if sink.is_belief_lost() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn attempt(
        &self,
        boat: &Boat,
        repository: &Repository,
        sink: &Sink,
        dice: &mut Dice,
        (believed, pieces): (Option<&Promise>, &[u64]),
    ) -> Result<Option<(Id, Snapshot)>> {
        let mut tree = Vec::new();
        for piece in pieces {
            let data = content(*piece);
            let id = Id::of(&data);
            if !believed.is_some_and(|parent| parent.pieces.contains(piece)) {
                let writer = &sink.ready().await?.writer;
                writer.add(BlobKind::Data, id, data).await?;
                match dice.draw(8) {
                    0 => writer.checkpoint().await?,
                    // A large backup stores packs long before it indexes them. A lock that was stolen then, beside
                    // listings that show packs which are gone, is more than the protocol promises to bear.
                    1 | 2 if self.sea.weather.lag.is_zero() => {
                        writer.store_open().await?;
                        self.sea.sleep(boat.number / 1000, dice.draw(4 * HOUR)).await;
                    }
                    _ => {}
                }
            }
            let mut node = Node::new(format!("piece-{piece}"), NodeKind::File);
            node.content = Some(vec![id]);
            tree.push(node);
        }
        let tree = Tree::new(tree)?.encode();
        let root = Id::of(&tree);
        let mut snapshot = Snapshot::new(self.sea.now(), root, vec!["/w".to_owned()], repository.origin());
        snapshot.tags = vec![boat.number.to_string()];
        if let Some(parent) = believed.filter(|parent| parent.snapshot.tree == root) {
            if sink.get().is_none()
                && let Some(seen) =
                    publish_without_lock(repository, &snapshot, &parent.id, &parent.relied).await?
            {
                self.count(|counts| counts.unchanged += 1);
                return Ok(Some((seen.id, snapshot)));
            }
        } else {
            sink.ready().await?.writer.add(BlobKind::Tree, root, tree).await?;
        }
        let ready = sink.ready().await?;
        ready.writer.clone().finish().await?;
        // The rounds alone must do, also for who never learns that his lock was taken from him.
        let watch = dice.one_in(2).then_some(&ready.watch);
        match repository.commit(&snapshot, watch, &ready.rounds).await? {
            Commit::Stored(id) => {
                self.count(|counts| counts.backups += 1);
                Ok(Some((id, snapshot)))
            }
            Commit::Swept => Ok(None),
        }
    }

    /// Takes up a snapshot whose maker died, as a provider does that finds one of its own.
    async fn adopt(&self, boat: &Boat, repository: &Repository) -> Result<()> {
        let mut found = repository.snapshots().await?.readable;
        found.sort_by_key(|stored| maker(&stored.snapshot));
        let known: Vec<Id> = self.promised.lock().unwrap().values().map(|promise| promise.id).collect();
        let left_behind = found.into_iter().find(|stored| {
            let boats = self.boats.lock().unwrap();
            let maker = &boats[&maker(&stored.snapshot)];
            maker.is_dead()
                && !maker.takes_back()
                && !known.contains(&stored.id)
                && !self.forgotten.lock().unwrap().contains(&stored.id)
        });
        let Some(stored) = left_behind else { return Ok(()) };
        if repository.confirm_snapshot(&stored.snapshot).await? {
            let (pieces, relied) = (Vec::new(), Arc::default());
            let promise = Promise { id: stored.id, snapshot: stored.snapshot, pieces, relied };
            self.promised.lock().unwrap().insert(boat.number, promise);
            self.count(|counts| counts.adopted += 1);
        }
        Ok(())
    }

    fn any(&self, dice: &mut Dice) -> Option<Promise> {
        let promised = self.promised.lock().unwrap();
        let whole: Vec<_> = promised.values().filter(|promise| !promise.pieces.is_empty()).collect();
        let count = u64::try_from(whole.len()).unwrap();
        let at = if count == 0 { return None } else { dice.draw(count) };
        whole.get(usize::try_from(at).unwrap()).map(|promise| (*promise).clone())
    }

    async fn forget(&self, repository: &Repository, dice: &mut Dice) -> Result<()> {
        let Some(promise) = self.any(dice) else { return Ok(()) };
        self.promised.lock().unwrap().retain(|_, kept| kept.id != promise.id);
        self.forgotten.lock().unwrap().insert(promise.id);
        repository.delete_snapshot(&promise.id).await
    }

    /// Prunes that follow each other; some die in the middle.
    async fn pruner(&self, actor: u64) {
        for run in 0..12 {
            let (boat, repository) = self.launch(actor, run);
            let mut dice = boat.dice("pruner");
            self.sea.sleep(actor, dice.draw(3 * HOUR / 2)).await;
            boat.begin();
            let sea = Arc::clone(&self.sea);
            let grace = if dice.one_in(4) { Duration::ZERO } else { GRACE };
            let mut options = PruneOptions::with_grace(grace);
            options.listing_delay = self.sea.weather.lag;
            options.waste_percent = u8::try_from(dice.draw(60)).unwrap();
            let options = options.with_local_time(move || sea.now());
            let prune = async {
                let report = repository.prune(&options).await?;
                self.count(|counts| {
                    counts.sweeps += u64::from(report.state == PruneState::Freed);
                    counts.copied += report.copied_blobs;
                });
                Ok(())
            };
            if let Err(error) = self.live(&boat, &mut dice, prune).await {
                assert!(self.is_expected(&error), "a prune failed: {error:?}");
            }
        }
    }

    fn is_expected(&self, error: &Error) -> bool {
        let refused =
            matches!(error.kind(), ErrorKind::Locked { .. } | ErrorKind::Busy | ErrorKind::Unavailable);
        // A process that slept finds its clock and the store's apart.
        let slept = *error.kind() == ErrorKind::Unsupported;
        // Where listings lag, an index may not be seen yet: the prune stops rather than delete.
        let unseen = matches!(error.kind(), ErrorKind::Corrupt { .. } | ErrorKind::NotFound);
        // A snapshot that nobody promised may lack something.
        let refusals = [
            "it cannot be read whole",
            "its pack is gone; nothing is deleted",
            "the pack is missing although the index lists it",
        ];
        // Another prune ended the round in between.
        let ended = *error.kind() == ErrorKind::NotFound && error.to_string().contains("stillpoint/gc/");
        let unconfirmed = refusals.iter().any(|refusal| error.to_string().contains(refusal));
        refused || slept || ended || unseen && !self.sea.weather.lag.is_zero() || unconfirmed
    }

    /// Takes locks away: of the dead, and where nobody looks at a clock also of living backups. Meanwhile every promise is
    /// held against the store.
    async fn fate(&self) {
        let mut dice = Dice::of(&[self.sea.seed, FATE]);
        loop {
            self.sea.sleep(FATE, dice.draw(HOUR)).await;
            for (at, process) in self.sea.locks().await {
                let dead = self.boats.lock().unwrap().get(&process).is_some_and(|boat| boat.is_dead());
                let writes = process / 1000 < self.sea.weather.writers;
                let stolen = !dead && !self.sea.weather.clocks && writes && dice.one_in(2);
                if stolen || dead && !self.sea.weather.clocks {
                    self.sea.delete(&at).await.unwrap();
                    self.count(|counts| counts.stolen += u64::from(stolen));
                }
            }
            self.assert_promises().await;
        }
    }

    /// Looks at every promise without delay, index and all.
    async fn assert_promises(&self) {
        let objects = Arc::clone(&self.sea.objects);
        let store = crate::store::object_store::from_object_store(objects, "", "memory:");
        let repository = self.base.on_salted_copy(store, 0).unwrap();
        let promised: Vec<Promise> = self.promised.lock().unwrap().values().cloned().collect();
        for promise in promised {
            if let Err(error) = read(&repository, &promise).await {
                let stands = self.promised.lock().unwrap().values().any(|kept| kept.id == promise.id);
                let maker = maker(&promise.snapshot);
                assert!(
                    !stands,
                    "the snapshot of process {maker} was confirmed and has lost something: {error:?}"
                );
            }
        }
    }
}

/// The process that made a snapshot.
fn maker(snapshot: &Snapshot) -> u64 {
    snapshot.tags[0].parse().unwrap()
}

fn content(piece: u64) -> Vec<u8> {
    let mut dice = Dice::of(&[piece]);
    std::iter::repeat_with(|| u8::try_from(dice.draw(256)).unwrap()).take(300).collect()
}

async fn read(repository: &Repository, promise: &Promise) -> Result<()> {
    repository.load_snapshot(&promise.id).await?;
    let root = promise.snapshot.tree;
    let json = repository.load_blob(BlobKind::Tree, &root).await?;
    for node in Tree::decode(&root, &json)?.into_nodes() {
        for id in node.content.iter().flatten() {
            repository.load_blob(BlobKind::Data, id).await?;
        }
    }
    Ok(())
}
