//! Somebody swaps directories of the target for links to the outside while a restore runs.
#![expect(clippy::disallowed_methods, reason = "the race goes on for a time that whoever runs it chooses")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use stillpoint_localfs::Landing;

use super::arena::Arena;
use super::case::{Case, folder, node};
use super::{attempt, case, repository};

const FOLDERS: usize = 8;

/// Seconds of racing: 3, or what the variable says.
#[expect(clippy::disallowed_methods, reason = "a release run races for longer than a test run")]
fn duration() -> Duration {
    let asked = std::env::var("STILLPOINT_RACE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(3))
}

/// Directories with files, links and pipes, whose names also occur outside.
fn tree() -> Case {
    let mut nodes = Vec::new();
    let mut listings = vec![case::empty()];
    for number in 0..FOLDERS {
        let mut entries: Vec<Value> =
            ["canary", "egg", "new"].iter().map(|name| node("file", name)).collect();
        entries.push(node("dir", "nest"));
        entries.push(node("fifo", "pipe"));
        entries.push(node("symlink", "perch"));
        entries.sort_by_key(|entry| entry["name"].to_string());
        let (directory, below) = folder(&format!("{number}"), &entries);
        nodes.push(directory);
        listings.push(below);
    }
    // The racer fills the target too, so it is not required to be empty.
    Case::new("racing", &nodes).with(listings).landing(Landing::Merge)
}

/// Swaps each directory for a link to the outside and back, for as long as `go_on` says.
fn swap(target: &Path, outside: &Path, go_on: &AtomicBool, swaps: &AtomicU64) {
    let bait = target.join(".bait");
    while go_on.load(Ordering::Relaxed) {
        for number in 0..FOLDERS {
            let (place, aside) = (target.join(number.to_string()), target.join(format!(".aside-{number}")));
            // The restore and this thread take turns as they please, so any step may fail.
            drop(fs::rename(&place, &aside));
            if symlink(outside, &bait).is_ok() && fs::rename(&bait, &place).is_ok() {
                swaps.fetch_add(1, Ordering::Relaxed);
            }
            std::thread::yield_now();
            drop(fs::remove_file(&place));
            drop(fs::rename(&aside, &place));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn swapping_directories_for_links_never_leads_a_restore_outside() {
    let repository = repository().await;
    let case = tree();
    let snapshot = case::store(&repository, std::slice::from_ref(&case)).await[0];
    let (swaps, until) = (AtomicU64::new(0), Instant::now() + duration());
    let (mut restores, mut disturbed) = (0_u64, 0_u64);
    while Instant::now() < until || disturbed == 0 {
        let arena = Arena::new();
        fs::create_dir(arena.target()).unwrap();
        let go_on = AtomicBool::new(true);
        let outcome = {
            let (target, outside) = (arena.target(), arena.outside());
            let racer = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    racer.wait();
                    swap(&target, &outside, &go_on, &swaps);
                });
                racer.wait();
                let outcome = tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(attempt(
                        &repository,
                        &snapshot,
                        &case,
                        &target,
                    ))
                });
                go_on.store(false, Ordering::Relaxed);
                outcome
            })
        };
        arena.assert_unharmed("racing");
        restores += 1;
        disturbed += u64::from(outcome.map_or(true, |summary| !summary.issues.is_empty()));
        assert!(restores < 1_000_000, "the race was never run");
    }
    let swaps = swaps.into_inner();
    assert!(swaps > 0);
    #[expect(clippy::print_stdout, reason = "a release run reports what it did")]
    {
        println!("{restores} restores, {disturbed} of them disturbed, {swaps} swaps");
    }
}
