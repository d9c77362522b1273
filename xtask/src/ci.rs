//! Everything a change must pass, in one run that stops at the first failure.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{self, Cargo, Outcome, variable};
use crate::tools;

/// The whole workspace with the same features and profile in each stage, so that nothing is built twice.
const WORKSPACE: [&str; 2] = ["--workspace", "--locked"];

/// So many tests run at once on each processor: many wait for another process, or for time to pass, most of theirs.
const TESTS_A_PROCESSOR: usize = 2;

type Stage = (&'static str, fn() -> Outcome);

const STAGES: [Stage; 11] = [
    ("format", format),
    ("lints", lints),
    ("documentation", documentation),
    ("oracles", oracles),
    ("fake AWS", fake_aws),
    ("fake Azure", fake_azure),
    ("build", build),
    ("examples", examples),
    ("browser", browser),
    ("doc tests", doc_tests),
    ("tests", tests),
];

pub(crate) fn run() -> Outcome {
    let mut times = Vec::new();
    for (name, stage) in STAGES {
        println!("\n== {name}");
        let start = now();
        let outcome = stage();
        times.push((name, start.elapsed(), outcome.is_ok()));
        if outcome.is_err() {
            summary(&times);
            return outcome;
        }
    }
    summary(&times);
    Ok(())
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "stage times are for people to read")]
    Instant::now()
}

fn summary(times: &[(&str, Duration, bool)]) {
    println!("\n== summary");
    for (name, time, good) in times {
        println!("{name:<14} {:>7.1} s  {}", time.as_secs_f64(), if *good { "ok" } else { "FAILED" });
    }
    let total: Duration = times.iter().map(|(_, time, _)| *time).sum();
    println!("{:<14} {:>7.1} s", "all", total.as_secs_f64());
}

fn format() -> Outcome {
    Cargo::new(&["fmt", "--all", "--check"]).run()?;
    Cargo::new(&["fmt", "--manifest-path", tools::RUSTIC_MANIFEST, "--check"]).run()?;
    Cargo::new(&["fmt", "--manifest-path", crate::fuzz::MANIFEST, "--check"]).run()
}

fn lints() -> Outcome {
    Cargo::new(&["clippy"]).args(&WORKSPACE).args(&["--all-targets", "--", "-D", "warnings"]).run()
}

/// The examples are documented too, because only then does cargo settle on the same features as in the other stages.
fn documentation() -> Outcome {
    let targets = ["--no-deps", "--lib", "--bins", "--examples"];
    Cargo::new(&["doc"]).args(&WORKSPACE).args(&targets).env("RUSTDOCFLAGS", "-D warnings").run()
}

/// Where a skipped test is a failure the oracles are needed; elsewhere the tests that want them say that they skip.
fn oracles() -> Outcome {
    match tools::install() {
        Err(error) if variable("CI").is_none() => {
            println!("going on without the oracles, so tests that need them are skipped: {error}");
            Ok(())
        }
        outcome => outcome,
    }
}

/// The tests of the simulated AWS; the crates that talk to it are tested with everything else.
fn fake_aws() -> Outcome {
    fake("AWS", &tools::AWS, "tools/fake-aws")
}

/// The same of the simulated Azure.
fn fake_azure() -> Outcome {
    fake("Azure", &tools::AZURE, "tools/fake-azure")
}

fn fake(cloud: &str, environment: &tools::Environment, place: &str) -> Outcome {
    let Some(python) = environment.python() else {
        let needed = ["CI", "STILLPOINT_REQUIRE_ORACLES"].into_iter().any(|name| variable(name).is_some());
        println!("SKIPPED, because the Python environment of `cargo xtask tools` is not there");
        return if needed { Err(format!("the fake {cloud} cannot be tested").into()) } else { Ok(()) };
    };
    command::run(Command::new(python).args(["-m", "pytest"]).current_dir(xtask::root().join(place)))
}

fn nextest() -> bool {
    command::answer("cargo", &["nextest", "--version"]).is_some()
}

fn build() -> Outcome {
    if nextest() {
        Cargo::new(&["nextest", "run", "--no-run"]).args(&WORKSPACE).run()
    } else {
        Cargo::new(&["test", "--no-run"]).args(&WORKSPACE).run()
    }
}

fn tests() -> Outcome {
    if nextest() {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = (TESTS_A_PROCESSOR * processors).to_string();
        let run = ["nextest", "run", "--no-tests", "fail", "--test-threads", &at_once];
        Cargo::new(&run).args(&WORKSPACE).run()
    } else {
        Cargo::new(&["test", "--no-fail-fast", "--lib", "--bins", "--tests"]).args(&WORKSPACE).run()
    }
}

fn doc_tests() -> Outcome {
    Cargo::new(&["test", "--quiet", "--doc"]).args(&WORKSPACE).run()
}

/// Runs every example, as the build stage has compiled it.
fn examples() -> Outcome {
    let names = example_names()?;
    if names.is_empty() {
        return Err("no example was found".into());
    }
    // A small fleet on PostgreSQL, whose large one is in docs/performance.md.
    for name in names.iter().map(String::as_str).chain(["fleet"]) {
        println!("-- example {name}");
        command::run(&mut Command::new(target_dir()?.join("debug/examples").join(name)))?;
    }
    Ok(())
}

/// The catalog page in a real browser, against the demonstration that the build stage has compiled.
fn browser() -> Outcome {
    crate::browser::stage(&target_dir()?.join("debug/examples/demo"))
}

/// Asked to run an example without being told which, cargo lists them all, one indented name on a line.
fn example_names() -> Outcome<Vec<String>> {
    let output = Command::new("cargo")
        .current_dir(xtask::root())
        .args(["run", "--package", "stillpoint-examples", "--example"])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(said.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect())
}

pub(crate) fn target_dir() -> Outcome<PathBuf> {
    // This program lies in `<target>/debug/`.
    let here = std::env::current_exe()?;
    let dir = here.parent().and_then(|dir| dir.parent()).ok_or("this program is not in a target folder")?;
    Ok(dir.to_owned())
}
