//! Damage anywhere in a repository is noticed and never turns into wrong bytes or a panic.
//!
//! Every byte of every object has a bit flipped, and every object is cut to every length. One check stands for several
//! objects damaged at once, each of which it must name; which bit is flipped is drawn from `STILLPOINT_SEED`. With
//! `STILLPOINT_TAMPER=bits` every bit is flipped so. With `STILLPOINT_TAMPER=each` every bit and every length is a case
//! of its own, whose files are all read back, and many of them restored to disk. All print what they did.

mod bench;
mod cases;
mod specimen;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stillpoint_repository::check::{CheckDepth, CheckOptions, ProblemKind};
use stillpoint_repository::{LockMode, Origin, Repository};

use crate::support::{create, credentials, local, noise, save, some_files};
use cases::{Case, Edit, all_are_named, all_are_noticed};
use specimen::{Specimen, kind};

#[expect(clippy::disallowed_methods, reason = "the release run is chosen from outside")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn specimen() -> Specimen {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(Specimen::make())
}

/// True for the longest run, in which nothing stands for anything else.
fn each_alone() -> bool {
    variable("STILLPOINT_TAMPER").is_some_and(|what| what == "each")
}

/// True for the long run, in which no bit stands for the others of its byte.
fn every_bit() -> bool {
    variable("STILLPOINT_TAMPER").is_some_and(|what| what == "bits")
}

/// Kinds of objects that a check looks at apart from each other, so that damage in one hides none in another.
const TOGETHER: [&[&str]; 3] = [&["data", "keys", "locks", "stillpoint"], &["index"], &["snapshots"]];

/// Cases that each damage all objects of some kinds at one place: `edit` says how, given the name and the place.
fn everywhere(specimen: &Specimen, edit: impl Fn(usize, &str) -> Edit) -> Vec<Case> {
    let mut cases = Vec::new();
    for kinds in TOGETHER {
        let objects = || specimen.objects.iter().filter(|(name, _)| kinds.contains(&kind(name)));
        let longest = objects().map(|(_, bytes)| bytes.len()).max().unwrap();
        cases.extend((0..longest).map(|at| {
            let reached = objects().filter(|(_, bytes)| at < bytes.len());
            Case(reached.map(|(name, _)| (name.clone(), edit(at, name))).collect())
        }));
    }
    cases
}

/// Every byte of the objects of some kinds, or of all.
fn places<'a>(specimen: &'a Specimen, kinds: &[&str]) -> Vec<(&'a str, usize)> {
    let objects = specimen.objects.iter().filter(|(name, _)| kinds.is_empty() || kinds.contains(&kind(name)));
    objects.flat_map(|(name, bytes)| (0..bytes.len()).map(move |at| (name.as_str(), at))).collect()
}

#[test]
fn a_flipped_bit_in_any_byte_of_any_object_is_noticed() {
    let seed = variable("STILLPOINT_SEED").map_or(1, |seed| seed.parse().unwrap());
    let specimen = specimen();
    if each_alone() {
        let places = places(&specimen, &[]);
        all_are_noticed("every bit of every byte, alone", &specimen, places.len() * 8, 1009, |number| {
            let (name, at) = places[number / 8];
            Case::one(name, Edit::Flip { at, bit: u8::try_from(number % 8).unwrap() })
        });
        return;
    }
    let drawn = noise(seed, specimen.bytes());
    let first = |at: usize, name: &str| drawn[(at * 31 + name.len() * 7) % drawn.len()];
    for round in 0..if every_bit() { 8 } else { 1 } {
        let flip = |at, name: &str| Edit::Flip { at, bit: first(at, name).wrapping_add(round) % 8 };
        let round = format!("bit {} of 8 of every byte, seed {seed}", round + 1);
        all_are_named(&round, &specimen, &everywhere(&specimen, flip));
        let opening = places(&specimen, &["config", "keys"]);
        all_are_noticed(
            &format!("{round}, of what is read to open"),
            &specimen,
            opening.len(),
            509,
            |number| {
                let (name, at) = opening[number];
                Case::one(name, flip(at, name))
            },
        );
    }
}

#[test]
fn an_object_cut_to_any_length_is_noticed() {
    let specimen = specimen();
    if each_alone() {
        let cuts = places(&specimen, &[]);
        all_are_noticed("cuts to every length, alone", &specimen, cuts.len(), 1009, |number| {
            let (name, length) = cuts[number];
            Case::one(name, Edit::Cut(length))
        });
        return;
    }
    all_are_named("cuts to every length", &specimen, &everywhere(&specimen, |at, _| Edit::Cut(at)));
    let opening = places(&specimen, &["config", "keys"]);
    all_are_noticed("cuts of what is read to open", &specimen, opening.len(), 509, |number| {
        let (name, length) = opening[number];
        Case::one(name, Edit::Cut(length))
    });
}

#[test]
fn objects_that_change_places_are_noticed() {
    let (specimen, foreign) = (specimen(), specimen());
    let mut cases = Vec::new();
    let put = |name: &str, bytes: &bytes::Bytes| (name.to_owned(), Edit::Put(bytes.clone()));
    for (name, bytes) in &specimen.objects {
        for (other, others) in specimen.objects.iter().filter(|(other, _)| *other > name) {
            if kind(name) == kind(other) {
                cases.push(Case(vec![put(name, others), put(other, bytes)]));
            }
        }
        // One under the name of another kind, and one of another repository with the same password.
        let other = specimen.objects.iter().find(|(other, _)| kind(name) != kind(other));
        let foreign = foreign.objects.iter().find(|(other, _)| kind(name) == kind(other));
        cases.extend(other.into_iter().chain(foreign).map(|(_, bytes)| Case(vec![put(name, bytes)])));
    }
    all_are_noticed("swaps and substitutions", &specimen, cases.len(), 97, |number| cases[number].clone());
}

/// The engine cannot know of everything that was taken away. What it leaves to the records of backups and to the
/// catalog: the newest snapshot, a record, a lock.
#[test]
fn an_object_that_is_gone_is_noticed() {
    let specimen = specimen();
    let newest = format!("snapshots/{}", specimen.snapshots.last().unwrap().0);
    let known: Vec<&String> = (specimen.objects.keys())
        .filter(|name| **name != newest && !["stillpoint", "locks"].contains(&kind(name)))
        .collect();
    let mut kinds = BTreeMap::new();
    known.iter().for_each(|name| *kinds.entry(kind(name)).or_insert(0) += 1);
    assert_eq!(kinds["snapshots"], 2);
    assert!(["config", "keys", "index", "data"].iter().all(|kind| kinds[kind] > 0), "{kinds:?}");
    all_are_noticed("deletions", &specimen, known.len(), 1, |number| Case::one(known[number], Edit::Remove));
}

#[test]
fn a_removed_snapshot_that_comes_back_is_noticed() {
    let specimen = specimen();
    let (name, bytes) = specimen.older.iter().find(|(name, _)| kind(name) == "snapshots").unwrap();
    all_are_noticed("replays", &specimen, 1, 1, |_| Case::one(name, Edit::Put(bytes.clone())));
}

#[tokio::test]
async fn a_snapshot_that_another_program_removed_is_no_damage_but_is_said() {
    let Some(restic) = stillpoint_testkit::oracle::restic() else { return };
    let dir = tempfile::tempdir().unwrap();
    let repository = create(local(dir.path())).await;
    let first = save(&repository, &some_files()).await;
    let second = crate::support::save_after(&repository, &some_files(), Some(first)).await;
    let check = async || {
        repository.with_fresh_index().check(&CheckOptions::new(CheckDepth::Structure)).await.unwrap()
    };
    assert_eq!(check().await.warnings, []);
    let judge = restic.repository(dir.path().to_str().unwrap(), crate::support::PASSWORD);
    judge.run(&["forget", &first.to_hex()]);
    let report = check().await;
    assert!(report.is_sound());
    assert_eq!((report.warnings.len(), report.warnings[0].kind), (1, ProblemKind::Snapshot));
    assert!(report.warnings[0].message.contains(&second.short()), "{report:?}");
    // What we remove ourselves leaves nothing to wonder at, for restic neither.
    let third = crate::support::save_after(&repository, &some_files(), Some(second)).await;
    let fourth = crate::support::save_after(&repository, &some_files(), Some(third)).await;
    repository.delete_snapshot(&third).await.unwrap();
    assert_eq!(check().await.warnings.len(), 1);
    judge.run(&["tag", "--add", "kept", &fourth.to_hex()]);
    judge.check_read_data();
    assert_eq!(check().await.warnings.len(), 1);
}

fn objects(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(objects(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A repository on disk.
async fn stored(dir: &Path) -> Vec<PathBuf> {
    let repository = create(local(dir)).await;
    let mut files = some_files();
    files.retain(|_, data| data.len() < 1000);
    save(&repository, &files).await;
    objects(dir)
}

/// True if opening or a full check complains.
async fn is_noticed(dir: &Path) -> bool {
    let Ok(repository) = Repository::open(local(dir), &credentials(), Origin::detect()).await else {
        return true;
    };
    !repository.check(&CheckOptions::new(CheckDepth::ReadAll).without_lock()).await.unwrap().is_sound()
}

#[tokio::test]
async fn a_missing_or_cut_pack_is_found_without_reading_any() {
    let dir = tempfile::tempdir().unwrap();
    let objects = stored(dir.path()).await;
    let packs: Vec<_> = objects.iter().filter(|path| path.to_str().unwrap().contains("/data/")).collect();
    for pack in packs {
        let bytes = fs::read(pack).unwrap();
        fs::write(pack, &bytes[1..]).unwrap();
        assert_eq!(structural_problem(dir.path()).await, ProblemKind::Pack);
        fs::remove_file(pack).unwrap();
        assert_eq!(structural_problem(dir.path()).await, ProblemKind::Pack);
        fs::write(pack, bytes).unwrap();
    }
    let index = objects.iter().find(|path| path.to_str().unwrap().contains("/index/")).unwrap();
    fs::remove_file(index).unwrap();
    assert_eq!(structural_problem(dir.path()).await, ProblemKind::Tree);
}

async fn structural_problem(dir: &Path) -> ProblemKind {
    let repository = Repository::open(local(dir), &credentials(), Origin::detect()).await.unwrap();
    let report = repository.check(&CheckOptions::new(CheckDepth::Structure)).await.unwrap();
    assert_eq!(report.packs_read, 0);
    report.problems[0].kind
}

#[tokio::test]
async fn a_damaged_lock_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let repository = create(local(dir.path())).await;
    let lock = repository.lock(LockMode::Shared).await.unwrap();
    let path = &objects(&dir.path().join("locks"))[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[20] ^= 4;
    fs::write(path, bytes).unwrap();
    assert!(is_noticed(dir.path()).await);
    lock.release().await.unwrap();
}

#[tokio::test]
async fn leftovers_of_killed_writers_disturb_nobody() {
    let dir = tempfile::tempdir().unwrap();
    stored(dir.path()).await;
    let scratch = dir.path().join("stillpoint/tmp");
    fs::write(scratch.join("half"), b"half a pack").unwrap();
    let half = fs::File::options().write(true).open(scratch.join("half")).unwrap();
    half.set_modified(half.metadata().unwrap().modified().unwrap() - Duration::from_secs(25 * 3600)).unwrap();
    assert!(!is_noticed(dir.path()).await);
    let Some(restic) = stillpoint_testkit::oracle::restic() else { return };
    restic.repository(dir.path().to_str().unwrap(), crate::support::PASSWORD).check_read_data();
    let repository = Repository::open(local(dir.path()), &credentials(), Origin::detect()).await.unwrap();
    repository.lock(LockMode::Shared).await.unwrap().release().await.unwrap();
    assert!(objects(&scratch).is_empty());
}
