//! Whole trees of lies, drawn from a seed, restored into targets that are drawn too.
//!
//! The other cases each have one thing wrong with them; here lies meet each other and whatever stands in the target. A
//! release run takes `STILLPOINT_HOSTILE_TREES` trees, from `STILLPOINT_FIRST_SEED` on.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use stillpoint_localfs::Landing;
use stillpoint_repository::Repository;

use super::arena::{Arena, entries};
use super::case::{self, CONTENT, Case, id_of, listing, node};
use super::{assert_powerless, attempt, repository};

/// Trees that one repository holds; the next ones get a new one, so that memory is bounded.
const BATCH: u64 = 250;

/// Names that collide with each other, with what is planted in a target, and with what stands outside of it.
const NAMES: [&str; 10] =
    ["a", "b", "entry", "parent", "canary", "egg", "nest", "perch", "new", ".stillpoint-restore-op"];

const BAD_NAMES: [&str; 14] = [
    "",
    ".",
    "..",
    "/",
    "/outside",
    "../outside",
    "../../outside/canary",
    "a/b",
    "a/../../outside/new",
    r"\x2e\x2e",
    r"a\x2fb",
    r"\x00",
    "..\u{0}",
    "\n",
];

const KINDS: [&str; 9] = ["file", "file", "dir", "dir", "symlink", "symlink", "fifo", "chardev", "socket"];

const LINKS: [&str; 9] = [
    "/",
    "..",
    ".",
    "../outside",
    "../outside/nest",
    "../outside/canary",
    "../../outside",
    "a",
    "/proc/self/root",
];

/// A number that whoever runs the tests may choose.
#[expect(clippy::disallowed_methods, reason = "the release run is chosen from outside")]
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// One tree and the target for it.
struct Forest {
    dice: StdRng,
    listings: Vec<Vec<u8>>,
}

impl Forest {
    /// The case of a seed: the same one whenever it is asked for.
    fn case(seed: u64) -> Case {
        let mut forest = Self { dice: StdRng::seed_from_u64(seed), listings: vec![case::empty()] };
        let top = forest.directory(4);
        let landings = [Landing::EmptyTarget, Landing::Continue, Landing::Merge, Landing::Replace];
        let landing = *landings.choose(&mut forest.dice).unwrap();
        let planted = forest.dice.random_bool(0.7).then(|| forest.dice.random());
        Case::raw(format!("tree of seed {seed}, {landing:?}"), top)
            .with(forest.listings)
            .landing(landing)
            .prepared(move |target, _| {
                if let Some(seed) = planted {
                    fs::create_dir(target).unwrap();
                    plant(&mut StdRng::seed_from_u64(seed), target, 3);
                }
            })
    }

    /// A listing, with those below it set aside.
    fn directory(&mut self, levels: usize) -> Vec<u8> {
        let mut nodes: Vec<Value> = (0..self.dice.random_range(0..6)).map(|_| self.node(levels)).collect();
        // Most listings are in order, for one that is not ends in its first lie.
        if self.dice.random_bool(0.95) {
            nodes.sort_by_key(|node| node["name"].as_str().unwrap_or_default().to_owned());
            if self.dice.random_bool(0.95) {
                nodes.dedup_by_key(|node| node["name"].clone());
            }
        }
        listing(&nodes)
    }

    fn node(&mut self, levels: usize) -> Value {
        let names: &[&str] = if self.dice.random_bool(0.05) { &BAD_NAMES } else { &NAMES };
        let kind = KINDS.choose(&mut self.dice).unwrap();
        let mut node = node(kind, names.choose(&mut self.dice).unwrap());
        match *kind {
            "dir" if levels > 0 => {
                let below = self.directory(levels - 1);
                node["subtree"] = json!(id_of(&below));
                self.listings.push(below);
            }
            "symlink" => node["linktarget"] = json!(LINKS.choose(&mut self.dice).unwrap()),
            _ => {}
        }
        if self.dice.random_bool(0.3) {
            let (field, value) = self.lie();
            node[field] = value;
        }
        node
    }

    /// A field that says what it should not.
    fn lie(&mut self) -> (&'static str, Value) {
        let odd = *[0, 1, 2, 7, 9, 0xffff_ffff, u64::MAX].choose(&mut self.dice).unwrap();
        let attribute = |name: &str| json!([{ "name": name, "value": "AAAAAgAAAAA=" }]);
        let lies = [
            ("size", json!(odd)),
            ("inode", json!(9)),
            ("links", json!(odd)),
            ("device_id", json!(odd)),
            ("uid", json!(odd)),
            ("mode", json!(odd)),
            ("mode", json!(0o6755 | 0x00f0_0000_u32)),
            ("mode", json!(0)),
            ("type", json!("dir")),
            ("type", json!("file")),
            ("type", json!("irregular")),
            ("type", json!("symlink")),
            ("linktarget", json!("../outside/canary")),
            ("linktarget", json!("")),
            ("subtree", json!(id_of(b"unknown"))),
            ("subtree", json!(id_of(CONTENT))),
            ("subtree", json!("../../outside")),
            ("content", json!([id_of(CONTENT), id_of(CONTENT)])),
            ("content", json!([id_of(b"unknown")])),
            ("content", json!([])),
            ("content", json!(null)),
            ("mtime", json!("0000-01-01T00:00:00Z")),
            ("mtime", json!("never")),
            ("extended_attributes", attribute("security.capability")),
            ("extended_attributes", attribute("system.posix_acl_access")),
            ("extended_attributes", attribute("user.note")),
            ("extended_attributes", attribute("")),
        ];
        lies.choose(&mut self.dice).unwrap().clone()
    }
}

/// Fills a target with entries of the names that trees use, and with links out of it.
fn plant(dice: &mut StdRng, folder: &Path, levels: usize) {
    for name in NAMES {
        let path = folder.join(name);
        match dice.random_range(0..12) {
            0 => fs::write(path, b"mine").unwrap(),
            1 | 2 => {
                let climb = "../".repeat(4 - levels);
                let end = *["outside", "outside/nest", "outside/canary", "outside/new"].choose(dice).unwrap();
                symlink(format!("{climb}{end}"), path).unwrap();
            }
            3 if levels > 0 => {
                fs::create_dir(&path).unwrap();
                plant(dice, &path, levels - 1);
            }
            _ => {}
        }
    }
}

/// Restores a tree and answers with how many entries stand in its target afterwards; `None` where it was refused.
async fn restored(
    repository: &Repository,
    snapshot: &stillpoint_repository::Id,
    case: &Case,
) -> Option<usize> {
    let arena = Arena::new();
    (case.prepare)(&arena.target(), &arena.outside());
    let outcome = attempt(repository, snapshot, case, &arena.target()).await;
    arena.assert_unharmed(&case.label);
    assert_powerless(&arena.target(), &case.label);
    match outcome {
        Ok(_) => Some(entries(&arena.target()).len()),
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{}", case.label);
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_generated_tree_leads_outside_or_grants_powers() {
    let (first, trees) = (number("STILLPOINT_FIRST_SEED", 1), number("STILLPOINT_HOSTILE_TREES", 500));
    let (mut whole, mut placed) = (0_u64, 0);
    for start in (first..first + trees).step_by(usize::try_from(BATCH).unwrap()) {
        let repository = repository().await;
        let cases: Vec<Case> = (start..(start + BATCH).min(first + trees)).map(Forest::case).collect();
        let snapshots = case::store(&repository, &cases).await;
        for (case, snapshot) in cases.iter().zip(&snapshots) {
            if let Some(entries) = restored(&repository, snapshot, case).await {
                whole += 1;
                placed += entries;
            }
        }
    }
    #[expect(clippy::print_stdout, reason = "a release run reports what it did")]
    {
        println!("{trees} trees from seed {first}: {whole} restored, {placed} entries in their targets");
    }
    assert!(whole * 4 > trees, "only {whole} of {trees} were not refused: the trees prove too little");
}
