//! A store in memory under virtual time, which keeps count of what reached it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, Result};
use tokio::time::Instant;

use crate::time::Timestamp;

/// When virtual time begins: 2026-01-01.
const EPOCH: i64 = 1_767_225_600;
/// Whoever acts on the sea has moments of its own, so that no two ever act at once.
pub(super) const LANES: u64 = 32;

/// What a schedule is made of. Each process sleeps `sleeps` times, for hours. One in `slow` requests is that late by
/// itself, and one in `lost` is answered by nobody; 0 stands for never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) writers: u64,
    /// Listings show each object as it was up to this long ago.
    pub(super) lag: Duration,
    pub(super) sleeps: u64,
    pub(super) slow: u64,
    pub(super) lost: u64,
    /// Holders of locks notice that time passes. Where not, their locks are taken from them unnoticed.
    pub(super) clocks: bool,
    /// Every request that arrives is printed.
    pub(super) told: bool,
}

/// Draws numbers that depend on nothing but what it was made of.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(parts: &[u64]) -> Self {
        Self(parts.iter().fold(0x2545_f491_4f6c_dd1d, |state, part| mixed(state ^ mixed(*part))))
    }

    /// A number below `bound`.
    pub(super) fn draw(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0) % bound
    }

    /// True once in so many times; never for 0.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        times != 0 && self.draw(times) == 0
    }
}

fn mixed(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A number for a text.
pub(super) fn number_of(text: &str) -> u64 {
    text.bytes().fold(7, |state, byte| mixed(state ^ u64::from(byte)))
}

/// The objects, and when each was written or deleted.
#[derive(Debug)]
pub(super) struct Sea {
    pub(super) objects: Arc<InMemory>,
    pub(super) weather: Weather,
    pub(super) seed: u64,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Names hold random numbers; these are the same whenever the schedule is run again.
    labels: BTreeMap<Path, u64>,
    /// Which process stored a lock.
    holders: BTreeMap<Path, u64>,
    written: BTreeMap<Path, Instant>,
    /// Since when there is an object of this name: one that is written over was in the listings before.
    named: BTreeMap<Path, Instant>,
    ghosts: BTreeMap<Path, (ObjectMeta, Instant)>,
    trace: u64,
    requests: u64,
}

impl Sea {
    /// A copy of `objects`, with everything else drawn from `seed`.
    pub(super) fn new(objects: &InMemory, seed: u64, weather: Weather) -> Arc<Self> {
        let (objects, begun) = (Arc::new(objects.fork()), Instant::now());
        Arc::new(Self { objects, weather, seed, begun, state: Mutex::default() })
    }

    /// The store's time.
    pub(super) fn now(&self) -> Timestamp {
        let passed = self.begun.elapsed();
        Timestamp::new(EPOCH + i64::try_from(passed.as_secs()).unwrap(), passed.subsec_nanos())
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }

    /// The first moment of a lane that is at least so many milliseconds ahead.
    pub(super) fn moment(&self, lane: u64, milliseconds: u64) -> Instant {
        let earliest = self.milliseconds() + milliseconds.max(1);
        let ahead = (LANES + lane % LANES - earliest % LANES) % LANES;
        self.begun + Duration::from_millis(earliest + ahead)
    }

    /// Waits until then.
    pub(super) async fn sleep(&self, lane: u64, milliseconds: u64) {
        tokio::time::sleep_until(self.moment(lane, milliseconds)).await;
    }

    /// Adds a request that reached the store to the trace: the same sum for the same requests at the same moments.
    #[expect(clippy::print_stdout, reason = "a schedule that is replayed is told")]
    pub(super) fn note(&self, process: u64, (verb, what): (&str, &str), label: u64, done: bool) {
        let event = [self.milliseconds(), process, number_of(verb), label, u64::from(done)];
        if self.weather.told {
            let at = Duration::from_millis(event[0]);
            println!("{at:?}: process {process} {verb} {what} {label:016x} {done}");
        }
        let mut state = self.state.lock().unwrap();
        state.trace = state.trace.wrapping_add(Dice::of(&event).0);
        state.requests += 1;
    }

    /// The trace, and of how many requests it is.
    pub(super) fn trace(&self) -> (u64, u64) {
        let state = self.state.lock().unwrap();
        (state.trace, state.requests)
    }

    pub(super) fn label(&self, at: &Path) -> u64 {
        let known = self.state.lock().unwrap().labels.get(at).copied();
        known.unwrap_or_else(|| number_of(folder_of(at)))
    }

    pub(super) fn wrote(&self, at: &Path, label: u64, process: u64) {
        let mut state = self.state.lock().unwrap();
        state.labels.insert(at.clone(), label);
        state.written.insert(at.clone(), Instant::now());
        state.named.entry(at.clone()).or_insert_with(Instant::now);
        if folder_of(at) == "locks" {
            state.holders.insert(at.clone(), process);
        }
    }

    pub(super) async fn delete(&self, at: &Path) -> Result<()> {
        use object_store::ObjectStoreExt;
        if let Ok(meta) = self.objects.head(at).await {
            self.objects.delete(at).await?;
            let ghost = (self.dated(meta), Instant::now());
            let mut state = self.state.lock().unwrap();
            state.named.remove(at);
            state.ghosts.insert(at.clone(), ghost);
        }
        Ok(())
    }

    /// The locks that are there, each with the process that took it.
    pub(super) async fn locks(&self) -> Vec<(Path, u64)> {
        let there: Vec<_> = self.objects.list(Some(&"locks".into())).try_collect().await.unwrap();
        let state = self.state.lock().unwrap();
        let mut locks: Vec<_> =
            there.into_iter().map(|meta| (meta.location.clone(), state.holders[&meta.location])).collect();
        locks.sort_by_key(|(at, process)| (*process, state.labels[at]));
        locks
    }

    /// An object's description with the store's own time.
    pub(super) fn dated(&self, meta: ObjectMeta) -> ObjectMeta {
        let written = self.state.lock().unwrap().written.get(&meta.location).copied();
        let passed = written.unwrap_or(self.begun).duration_since(self.begun);
        let last_modified = std::time::UNIX_EPOCH + Duration::from_secs(EPOCH.unsigned_abs()) + passed;
        ObjectMeta { last_modified: last_modified.into(), ..meta }
    }

    /// What a listing shows: of what is new, some; of what is gone, some still; and some twice. `draw` is one to
    /// depend on nothing but this listing.
    pub(super) async fn listing(&self, prefix: Option<&Path>, draw: u64) -> Result<Vec<ObjectMeta>> {
        let there: Vec<_> = self.objects.list(prefix).try_collect().await?;
        let lag = self.weather.lag;
        if lag.is_zero() {
            return Ok(there.into_iter().map(|meta| self.dated(meta)).collect());
        }
        let (named, ghosts) = {
            let state = self.state.lock().unwrap();
            (state.named.clone(), state.ghosts.clone())
        };
        let recent = |at: &Instant| at.elapsed() < lag;
        let chance = |at: &Path, of: u64| Dice::of(&[draw, self.label(at)]).one_in(of);
        let mut shown = Vec::new();
        for meta in there {
            let hidden = named.get(&meta.location).is_some_and(recent) && chance(&meta.location, 2);
            if !hidden {
                let meta = self.dated(meta);
                shown.extend(chance(&meta.location, 7).then(|| meta.clone()));
                shown.push(meta);
            }
        }
        for (at, (meta, deleted)) in &ghosts {
            let asked = prefix.is_none_or(|prefix| at.prefix_matches(prefix));
            let gone = shown.iter().all(|shown| shown.location != *at);
            if asked && gone && recent(deleted) && chance(at, 2) {
                shown.push(meta.clone());
            }
        }
        shown.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(shown)
    }
}

/// The folder of a name: its first part, or the first two of our own.
pub(super) fn folder_of(at: &Path) -> &str {
    let text = at.as_ref();
    let skip = if text.starts_with("stillpoint/") { "stillpoint/".len() } else { 0 };
    text[skip..].find('/').map_or(text, |end| &text[..skip + end])
}
