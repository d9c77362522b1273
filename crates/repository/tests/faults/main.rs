//! Every call of a restore and of a backup that changes a file system is made to fail, one at a time.
//!
//! With `STILLPOINT_TREES=N` this is done with N trees, of which all but the first are generated from seeds.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed unwrap is a failed test, also in shared set-up"
)]

mod child;
mod scene;
mod unprivileged;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use stillpoint_testkit::inject::Injector;

use child::Said;
use scene::Scene;

/// The errors, by number and by the words a message has for them.
const ERRORS: [(i32, &str); 4] =
    [(28, "No space left"), (5, "Input/output error"), (122, "quota"), (4, "Interrupted")];

/// Runs `check` for each call and each error on two threads, and answers how many calls failed.
fn at_every_point(calls: u64, check: impl Fn(u64, i32, &str) -> bool + Sync) -> u64 {
    let points: Vec<_> = ERRORS
        .iter()
        .flat_map(|(errno, words)| (1..=calls).map(move |call| (call, *errno, *words)))
        .collect();
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((call, errno, words)) =
                    usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok().and_then(|at| points.get(at))
                {
                    failed.fetch_add(u64::from(check(*call, *errno, words)), Ordering::Relaxed);
                }
            });
        }
    });
    failed.into_inner()
}

#[expect(clippy::disallowed_methods, reason = "the length of a run is chosen from outside")]
fn trees() -> std::ops::Range<u64> {
    0..std::env::var("STILLPOINT_TREES").map_or(1, |trees| trees.parse().unwrap())
}

fn told(what: &str, tree: u64, calls: u64, failed: u64) {
    println!(
        "faults: {what}, tree {tree}: {calls} calls, each failed in {} ways, {failed} failures",
        ERRORS.len()
    );
}

#[test]
fn a_restore_survives_the_failure_of_any_of_its_calls() {
    trees().for_each(restore_with_failing_calls);
}

fn restore_with_failing_calls(tree: u64) {
    let injector = Injector::new().unwrap();
    let scene = Scene::of(tree);
    scene.back_up();
    let calls =
        injector.run(0, 0, &scene.room("probe"), &scene.child("restore", "probe", "empty")).unwrap().calls;
    let failed = at_every_point(calls, |call, errno, words| {
        let room = format!("{call}-{errno}");
        let label = format!("call {call} fails with {words:?}");
        let run =
            injector.run(call, errno, &scene.room(&room), &scene.child("restore", &room, "empty")).unwrap();
        let Some(name) = run.failed else { return false };
        let said = Said::of(&run.output, &format!("{label} in {name}"));
        assert_no_partial_file(&scene.source(), &scene.room(&room).join("target"), &label);
        let clean = said.ended && said.remarks.is_empty();
        assert!(clean || said.remarks.contains(words), "{label} in {name}: {said:?}");
        // A restore that ended, though with remarks, is over; to mend what it lacks is another's task.
        let again = if said.ended { "replace" } else { "empty" };
        if !clean {
            let run = injector.run(0, 0, &scene.room(&room), &scene.child("restore", &room, again)).unwrap();
            let said = Said::of(&run.output, &label);
            assert!(said.ended && said.remarks.is_empty(), "{label} in {name}, afterwards: {said:?}");
        }
        stillpoint_testkit::compare::assert_same(&scene.source(), &scene.room(&room).join("target"));
        std::fs::remove_dir_all(scene.room(&room)).unwrap();
        true
    });
    told("restore", tree, calls, failed);
    assert!(failed >= 500, "only {failed} calls failed");
}

#[test]
fn a_backup_into_a_directory_survives_the_failure_of_any_of_its_calls() {
    trees().for_each(back_up_with_failing_calls);
}

fn back_up_with_failing_calls(tree: u64) {
    let injector = Injector::new().unwrap();
    let scene = Scene::of(tree);
    let calls = injector.run(0, 0, &scene.room("probe"), &scene.child("backup", "probe", "")).unwrap().calls;
    let failed = at_every_point(calls, |call, errno, words| {
        let room = format!("{call}-{errno}");
        let label = format!("call {call} fails with {words:?}");
        let run = injector.run(call, errno, &scene.room(&room), &scene.child("backup", &room, "")).unwrap();
        let Some(name) = run.failed else { return false };
        let said = Said::of(&run.output, &format!("{label} in {name}"));
        assert!(said.ended || said.remarks.contains(words), "{label} in {name}: {said:?}");
        let run = injector.run(0, 0, &scene.room(&room), &scene.child("again", &room, "")).unwrap();
        let said = Said::of(&run.output, &label);
        assert!(said.ended && said.remarks.is_empty(), "{label} in {name}, afterwards: {said:?}");
        stillpoint_testkit::compare::assert_same(&scene.source(), &scene.room(&room).join("target"));
        std::fs::remove_dir_all(scene.room(&room)).unwrap();
        true
    });
    told("backup", tree, calls, failed);
    assert!(failed >= 100, "only {failed} calls failed");
}

/// Each file under a final name is whole, whatever the run came to.
fn assert_no_partial_file(source: &Path, target: &Path, label: &str) {
    let mut waiting = vec![target.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            if path.to_string_lossy().contains(".stillpoint-restore-") {
                continue;
            }
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() {
                let original = source.join(path.strip_prefix(target).unwrap());
                let equal = std::fs::read(&path).unwrap() == std::fs::read(original).unwrap();
                assert!(equal, "{label}: {path:?} is not whole");
            }
        }
    }
}
