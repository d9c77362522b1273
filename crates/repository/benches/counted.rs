//! One stage, run once, for `cargo xtask instructions` to count: `counted NAME`, or `counted` alone for the names, each
//! with the bytes it works on or, of the index, the blobs.
#![expect(clippy::unwrap_used, reason = "a failed assumption ends the count")]
#![expect(clippy::print_stdout, reason = "the runner reads the names")]

mod stage;

/// Small enough to take seconds when every instruction is simulated.
const BYTES: usize = 1 << 20;

fn main() {
    // Cargo adds flags of its own when it runs a bench.
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    for mut stage in stage::all(BYTES) {
        match &wanted {
            None => println!("{}\t{}", stage.name, stage.bytes),
            Some(name) if name == stage.name => counted_stage(&mut *stage.work),
            Some(_) => {}
        }
    }
}

/// The runner counts what happens between entering this function and leaving it.
#[inline(never)]
fn counted_stage(work: &mut dyn FnMut()) {
    work();
}
