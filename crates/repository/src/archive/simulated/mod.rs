//! Backups and prunes beside each other under virtual time: whatever sleeps, dies, lags, goes astray or loses its lock,
//! no confirmed snapshot ever lacks a blob.
//!
//! The code is that of real backups and prunes, without the walk through a directory. `STILLPOINT_SEED` replays one
//! schedule; `STILLPOINT_SCHEDULES` says how many of each kind are run.

mod boat;
mod sea;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;

use sea::Weather;
use world::{Counts, World};

use crate::clock;
use crate::credentials::Credentials;
use crate::origin::Origin;
use crate::repository::Repository;

const SCHEDULES: u64 = 30;

/// An empty repository, whose key is derived once for all schedules.
async fn empty() -> (Repository, Arc<InMemory>) {
    let objects = Arc::new(InMemory::new());
    let store = crate::store::object_store::from_object_store(objects.clone(), "", "memory:");
    let credentials = Credentials::generate().unwrap().0;
    (Repository::init(store, &credentials, Origin::detect()).await.unwrap(), objects)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Runs one schedule; returns its trace and what came to pass.
fn schedule(base: &Repository, objects: &InMemory, seed: u64, weather: Weather) -> (u64, Counts) {
    runtime().block_on(async {
        let world = World::new(base, objects, seed, weather);
        let (sea, start) = (Arc::clone(&world.sea), world.sea.now());
        let _clock = clock::simulate(move || if weather.clocks { sea.now() } else { start });
        world.run().await;
        let counts = *world.counts.lock().unwrap();
        (world.sea.trace().0, counts)
    })
}

#[expect(clippy::disallowed_methods, reason = "a test is told its seed by its environment")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

#[expect(clippy::print_stdout, reason = "a run says its seeds and what it tried")]
fn simulate(kind: &str, weather: impl Fn(u64) -> Weather) {
    let (base, objects) = runtime().block_on(empty());
    let schedules = number("STILLPOINT_SCHEDULES").unwrap_or(SCHEDULES);
    let single = number("STILLPOINT_SEED");
    let first = single.or(number("STILLPOINT_FIRST_SEED")).unwrap_or(1);
    let seeds = first..first + if single.is_some() { 1 } else { schedules };
    let (mut sum, mut traces) = (Counts::default(), 0_u64);
    for seed in seeds.clone() {
        match catch_unwind(AssertUnwindSafe(|| schedule(&base, &objects, seed, weather(seed)))) {
            Ok((trace, counts)) => {
                sum.add(&counts);
                traces = traces.rotate_left(1) ^ trace;
            }
            Err(failure) => {
                println!("STILLPOINT_SEED={seed} cargo nextest run -p stillpoint-repository {kind}");
                resume_unwind(failure);
            }
        }
    }
    println!("{kind}: seeds {seeds:?}, trace {traces:016x}, {sum:?}");
    let proves = sum.sweeps > 0 && sum.backups > schedules && sum.unchanged > 0 && sum.kills > 0;
    assert!(single.is_some() || proves, "these schedules prove nothing: {sum:?}");
}

fn weather(seed: u64) -> Weather {
    Weather {
        writers: 2 + seed % 3,
        lag: Duration::ZERO,
        sleeps: seed / 3 % 3,
        slow: 8 + seed % 30,
        lost: [0, 30, 100][usize::try_from(seed % 3).unwrap()],
        clocks: seed.is_multiple_of(2),
        told: number("STILLPOINT_SEED").is_some(),
    }
}

#[test]
fn simulated_writers_and_prunes_that_sleep_and_die_lose_nothing() {
    simulate("simulated_writers_and_prunes_that_sleep_and_die_lose_nothing", weather);
}

#[test]
fn simulated_listings_that_lag_lose_nothing() {
    simulate("simulated_listings_that_lag_lose_nothing", |seed| Weather {
        lag: Duration::from_secs(60 * (1 + seed % 60)),
        ..weather(seed)
    });
}

#[test]
fn the_same_seed_is_simulated_alike_every_time() {
    let (base, objects) = runtime().block_on(empty());
    for seed in 1..6 {
        let first = schedule(&base, &objects, seed, weather(seed)).0;
        assert_eq!(first, schedule(&base, &objects, seed, weather(seed)).0, "seed {seed}");
        assert_ne!(first, schedule(&base, &objects, seed + 1000, weather(seed)).0, "seed {seed}");
    }
}
