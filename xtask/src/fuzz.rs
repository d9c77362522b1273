//! Fuzzing under libFuzzer, with the stable compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Cargo, Outcome, answer, run};

pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";

/// What libFuzzer learns from: counters at each edge, and the operands of comparisons. All are stable flags.
const INSTRUMENTATION: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// `[--seconds N] [TARGET…]`: each target for so long, 30 seconds and all targets unless told otherwise.
pub(crate) fn fuzz(args: &[&str]) -> Outcome {
    let (seconds, names) = match args {
        ["--seconds", seconds, names @ ..] => (seconds.parse()?, names),
        names => (30_u64, names),
    };
    let known = targets()?;
    if let Some(unknown) = names.iter().find(|name| !known.iter().any(|known| known == *name)) {
        return Err(format!("there is no target {unknown}; there are {}", known.join(", ")).into());
    }
    let program = build()?;
    for name in known.iter().filter(|known| names.is_empty() || names.contains(&known.as_str())) {
        println!("-- {name}");
        one(&program, name, seconds)?;
    }
    Ok(())
}

/// The targets are the folders of the committed corpora.
fn targets() -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(xtask::root().join("fuzz/corpus"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn folder() -> PathBuf {
    xtask::root().join("target/fuzz")
}

/// Naming the target keeps the instrumentation away from build scripts and macros, which run on their own.
fn build() -> Outcome<PathBuf> {
    let said = answer("rustc", &["-vV"]).ok_or("rustc does not run")?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let target_dir = folder();
    Cargo::new(&["build", "--release", "--locked", "--manifest-path", MANIFEST, "--target", host])
        .args(&["--target-dir", &target_dir.to_string_lossy()])
        .env("RUSTFLAGS", &INSTRUMENTATION.join(" "))
        .run()?;
    Ok(target_dir.join(host).join("release/stillpoint-fuzz"))
}

/// What libFuzzer finds interesting is kept below `target/`; the committed corpus is only read.
fn one(program: &Path, name: &str, seconds: u64) -> Outcome {
    let (found, faults) = (folder().join("corpus").join(name), folder().join("faults"));
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&faults)?;
    run(Command::new(program)
        .env("STILLPOINT_FUZZ_TARGET", name)
        .args(["-rss_limit_mb=512", "-timeout=5", "-print_final_stats=1", "-verbosity=0", "-seed=1"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/{name}-", faults.display()))
        .arg(found)
        .arg(xtask::root().join("fuzz/corpus").join(name)))
}
