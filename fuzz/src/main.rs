//! All fuzz targets in one program; `STILLPOINT_FUZZ_TARGET` names the one to run. `cargo xtask fuzz` builds and runs it.
#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn find() -> fn(&[u8]) {
    let wanted = std::env::var("STILLPOINT_FUZZ_TARGET").expect("STILLPOINT_FUZZ_TARGET names the target");
    let mut all =
        stillpoint_repository::fuzzing::TARGETS.iter().chain(&stillpoint_provider_s3sync::fuzzing::TARGETS);
    all.find(|(name, _)| *name == wanted).expect("there is a target of this name").1
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET.get_or_init(find)(data));
