//! One process on the sea: its requests take a while, it may sleep for hours, and once it is dead nothing answers it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::time::Instant;

use super::sea::{Dice, LANES, Sea, folder_of, number_of};
use crate::store::Store;

const SECOND: u64 = 1000;
pub(super) const HOUR: u64 = 3600 * SECOND;
/// A request is on its way, and its answer on its way back, for up to this long.
const WAY: u64 = 20 * SECOND;

/// A process: one backup, or one prune.
#[derive(Debug)]
pub(super) struct Boat {
    pub(super) number: u64,
    sea: Arc<Sea>,
    lane: u64,
    dead: AtomicBool,
    /// When it falls asleep, and when it wakes.
    sleeps: Mutex<Vec<(Instant, Instant)>>,
    /// How often it has asked the same of the same.
    asked: Mutex<BTreeMap<u64, u64>>,
    takes_back: AtomicBool,
}

impl Boat {
    /// The `run`-th process of an actor.
    pub(super) fn new(sea: &Arc<Sea>, actor: u64, run: u64) -> Arc<Self> {
        // The requests of a dead process may still arrive when the next one of the same actor runs.
        let lane = actor + (LANES / 4) * (run % 4);
        Arc::new(Self {
            number: actor * 1000 + run,
            sea: Arc::clone(sea),
            lane,
            dead: AtomicBool::new(false),
            sleeps: Mutex::default(),
            asked: Mutex::default(),
            takes_back: AtomicBool::new(false),
        })
    }

    pub(super) fn store(self: &Arc<Self>) -> Store {
        crate::store::object_store::from_object_store(Arc::new(Deck(Arc::clone(self))), "", "memory:")
    }

    pub(super) fn dice(&self, what: &str) -> Dice {
        Dice::of(&[self.sea.seed, self.number, number_of(what)])
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Whether it ever asked for a snapshot to be removed: such a request may arrive at any time.
    pub(super) fn takes_back(&self) -> bool {
        self.takes_back.load(Ordering::SeqCst)
    }

    /// How often the same was asked before.
    fn count(&self, key: u64) -> u64 {
        let mut asked = self.asked.lock().unwrap();
        let times = asked.entry(key).or_default();
        *times += 1;
        *times
    }

    /// From now on, the process sleeps at times of its own, not at those of its requests: whether one that is made at the
    /// same moment as another comes before or behind it must not matter.
    pub(super) fn begin(&self) {
        let (mut dice, mut sleeps) = (self.dice("sleeps"), self.sleeps.lock().unwrap());
        for _ in 0..self.sea.weather.sleeps {
            let begins = dice.draw(6 * 60 * SECOND);
            let ends = begins + dice.draw(6 * HOUR);
            sleeps.push((self.sea.moment(LANES - 1, begins), self.sea.moment(self.lane, ends)));
        }
    }

    /// Waits while the process sleeps; for ever once it is dead.
    async fn awake(&self) {
        loop {
            if self.is_dead() {
                return pending().await;
            }
            let now = Instant::now();
            let asleep = |(begins, ends): &&(Instant, Instant)| *begins <= now && now < *ends;
            let wakes = self.sleeps.lock().unwrap().iter().find(asleep).map(|sleep| sleep.1);
            match wakes {
                Some(wakes) => tokio::time::sleep_until(wakes).await,
                None => return,
            }
        }
    }

    /// One request: `act` happens when it arrives, whatever has become of who asked, and may happen twice.
    async fn request<T: Send + 'static>(
        self: &Arc<Self>,
        verb: &'static str,
        at: &Path,
        label: u64,
        act: impl Fn() -> BoxFuture<'static, Result<T>> + Send + Sync + Clone + 'static,
    ) -> Result<T> {
        let what = number_of(verb) ^ label;
        let mut dice = Dice::of(&[self.sea.seed, self.number, what, self.count(what)]);
        let weather = self.sea.weather;
        loop {
            self.awake().await;
            let late = if dice.one_in(weather.slow) { dice.draw(4 * HOUR) } else { dice.draw(WAY) };
            let (arrives, survives) = (self.sea.moment(self.lane, late), dice.one_in(2));
            let (this, act, folder) = (Arc::clone(self), act.clone(), folder_of(at).to_owned());
            let arrival = tokio::spawn(async move {
                tokio::time::sleep_until(arrives).await;
                if this.is_dead() && !survives {
                    return pending().await;
                }
                let done = act().await;
                this.sea.note(this.number, (verb, &folder), label, done.is_ok());
                done
            });
            let done = arrival.await.unwrap();
            self.sea.sleep(self.lane, dice.draw(WAY)).await;
            self.awake().await;
            if !dice.one_in(weather.lost) {
                return done;
            }
            // The answer is lost. The client asks again, or gives up.
            if dice.one_in(2) {
                return Err(Error::Generic { store: "sea", source: "no answer".into() });
            }
        }
    }
}

/// A boat as a store.
#[derive(Debug, Clone)]
struct Deck(Arc<Boat>);

impl fmt::Display for Deck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sea")
    }
}

#[async_trait]
impl ObjectStore for Deck {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let boat = &self.0;
        let mut class = number_of(folder_of(at));
        if folder_of(at) == "data" {
            // Two packs may be on their way at once, one of content and one of listings.
            class ^= number_of(&payload.content_length().to_string());
        }
        let label = Dice::of(&[boat.number, class, boat.count(class)]).draw(u64::MAX);
        let (sea, number, at, named) = (Arc::clone(&boat.sea), boat.number, at.clone(), at.clone());
        let put = move || -> BoxFuture<'static, Result<PutResult>> {
            let (sea, at, payload, options) = (sea.clone(), at.clone(), payload.clone(), options.clone());
            Box::pin(async move {
                let done = sea.objects.put_opts(&at, payload, options).await?;
                sea.wrote(&at, label, number);
                Ok(done)
            })
        };
        boat.request("put", &named, label, put).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.sea.objects.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        let (sea, label, at, named) = (Arc::clone(&self.0.sea), self.0.sea.label(at), at.clone(), at.clone());
        let get = move || -> BoxFuture<'static, Result<GetResult>> {
            let (sea, at, options) = (sea.clone(), at.clone(), options.clone());
            Box::pin(async move {
                let mut found = sea.objects.get_opts(&at, options).await?;
                found.meta = sea.dated(found.meta);
                Ok(found)
            })
        };
        self.0.request("get", &named, label, get).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let boat = Arc::clone(&self.0);
        let delete = move |at: Result<Path>| {
            let boat = Arc::clone(&boat);
            async move {
                let at = at?;
                if folder_of(&at) == "snapshots" {
                    boat.takes_back.store(true, Ordering::SeqCst);
                }
                let (sea, label, there) = (Arc::clone(&boat.sea), boat.sea.label(&at), at.clone());
                let delete = move || -> BoxFuture<'static, Result<()>> {
                    let (sea, at) = (sea.clone(), there.clone());
                    Box::pin(async move { sea.delete(&at).await })
                };
                boat.request("delete", &at, label, delete).await?;
                Ok(at)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (boat, prefix) = (Arc::clone(&self.0), prefix.cloned());
        let listed = async move {
            let at = prefix.clone().unwrap_or_default();
            let label = number_of(at.as_ref());
            let sea = Arc::clone(&boat.sea);
            let draw = Dice::of(&[sea.seed, boat.number, label, boat.count(label)]).draw(u64::MAX);
            let list = move || -> BoxFuture<'static, Result<Vec<ObjectMeta>>> {
                let (sea, prefix) = (sea.clone(), prefix.clone());
                Box::pin(async move { sea.listing(prefix.as_ref(), draw).await })
            };
            match boat.request("list", &at, label, list).await {
                Ok(found) => stream::iter(found.into_iter().map(Ok)).boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        };
        stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.sea.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.sea.objects.copy_opts(from, to, options).await
    }
}
