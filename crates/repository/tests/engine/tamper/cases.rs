//! Changes of one or two objects, and judging many of them on all cores.

use std::fmt;
use std::sync::Mutex;

use bytes::Bytes;

use super::bench::{Bench, Verdict};
use super::specimen::Specimen;

/// Of so many checks one is accompanied by reading every file back.
const READ_EACH: usize = 16;

/// What happens to an object.
#[derive(Clone)]
pub(super) enum Edit {
    /// One bit is flipped.
    Flip { at: usize, bit: u8 },
    /// Only so many bytes are left.
    Cut(usize),
    /// Other bytes stand under its name.
    Put(Bytes),
    /// It is gone.
    Remove,
}

/// The edits of a change, each with the name of its object.
#[derive(Clone)]
pub(super) struct Case(pub(super) Vec<(String, Edit)>);

impl Case {
    pub(super) fn one(name: &str, edit: Edit) -> Self {
        Self(vec![(name.to_owned(), edit)])
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, edit) in &self.0 {
            match edit {
                Edit::Flip { at, bit } => write!(f, "bit {bit} of byte {at} of {name}; ")?,
                Edit::Cut(length) => write!(f, "{name} cut to {length} bytes; ")?,
                Edit::Put(bytes) => write!(f, "{name} replaced by {} other bytes; ", bytes.len())?,
                Edit::Remove => write!(f, "{name} removed; ")?,
            }
        }
        Ok(())
    }
}

fn edited(specimen: &Specimen, name: &str, edit: &Edit) -> Option<Bytes> {
    match edit {
        Edit::Flip { at, bit } => {
            let mut bytes = specimen.objects[name].to_vec();
            bytes[*at] ^= 1 << bit;
            Some(bytes.into())
        }
        Edit::Cut(length) => Some(specimen.objects[name].slice(..*length)),
        Edit::Put(bytes) => Some(bytes.clone()),
        Edit::Remove => None,
    }
}

/// Has every case checked on all cores, and panics with the objects that were damaged and not named.
pub(super) fn all_are_named(what: &str, specimen: &Specimen, cases: &[Case]) {
    let objects: usize = cases.iter().map(|case| case.0.len()).sum();
    let missed = on_all_cores(specimen, cases.len(), async |bench, number| {
        let unnamed = bench.unnamed(&change(specimen, &cases[number]), number % READ_EACH == 0).await;
        unnamed.into_iter().map(|name| format!("{name}, case {number}")).collect()
    });
    println!(
        "tamper: {what}: {objects} damaged objects in {} checks, {} objects with {} bytes, {} missed",
        cases.len(),
        specimen.objects.len(),
        specimen.bytes(),
        missed.len()
    );
    assert!(missed.is_empty(), "nobody named {missed:?}");
}

/// Judges every case on all cores, restores every `restore_each`th to disk, and panics with those nobody noticed.
pub(super) fn all_are_noticed(
    what: &str,
    specimen: &Specimen,
    cases: usize,
    restore_each: usize,
    case: impl Fn(usize) -> Case + Sync,
) {
    let missed = on_all_cores(specimen, cases, async |bench, number| {
        let case = case(number);
        let change = change(specimen, &case);
        if number % restore_each == 0 {
            bench.restore(&change).await;
        }
        let missed = bench.judge(&change).await == Verdict::Missed;
        missed.then(|| format!("{case:?}")).into_iter().collect()
    });
    println!(
        "tamper: {what}: {cases} cases, {} objects with {} bytes, {} restored to disk, {} missed",
        specimen.objects.len(),
        specimen.bytes(),
        cases.div_ceil(restore_each),
        missed.len()
    );
    assert!(missed.is_empty(), "nobody noticed {missed:?}");
}

fn change<'a>(specimen: &Specimen, case: &'a Case) -> Vec<(&'a str, Option<Bytes>)> {
    case.0.iter().map(|(name, edit)| (name.as_str(), edited(specimen, name, edit))).collect()
}

/// Runs `judge` with every number below `cases`, each thread on a bench of its own; answers what was found.
fn on_all_cores(
    specimen: &Specimen,
    cases: usize,
    judge: impl AsyncFn(&Bench<'_>, usize) -> Vec<String> + Sync,
) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (found, judge) = (&found, &judge);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let bench = Bench::new(specimen).await;
                    for number in (thread..cases).step_by(threads) {
                        let new = judge(&bench, number).await;
                        found.lock().unwrap().extend(new);
                    }
                });
            });
        }
    });
    found.into_inner().unwrap()
}
