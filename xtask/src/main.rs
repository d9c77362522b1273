//! Project chores, run as `cargo xtask NAME`. It needs nothing but the standard library, so it starts at once.
//!
//! | name | does |
//! |---|---|
//! | `ci` | everything a change must pass: format, lints, documentation, oracles, examples, all tests |
//! | `tools` | puts the foreign oracles (restic, rustic), the simulated clouds, and PostgreSQL where the machine has none under `.tools/` |
//! | `tidy` | the house rules alone; `ci` runs them as a test |
//! | `fuzz` | fuzzes every parser under libFuzzer: `--seconds N`, names of targets |
//! | `browser` | plays the catalog page's story in a real browser; `--shots FOLDER` keeps pictures |
//! | `s3-server` | an S3 server on loopback; `--help` lists its flags |
//! | `real-input` | backs a real tree up, changes and restores it, and checks the result; `--help` lists its flags |
//! | `bench-peers` | installs our peers and measures us beside them; `--help` lists its flags, docs/performance.md explains |
//! | `instructions` | counts the instructions of single stages and compares; `--update` writes the counts down |
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks on both streams"
)]

mod browser;
mod ci;
mod command;
mod fuzz;
mod instructions;
mod peers;
mod tools;

use std::process::ExitCode;

use command::{Cargo, Outcome};

const USAGE: &str = "usage: cargo xtask ci | tools | tidy | fuzz [--seconds N] [TARGET…] | browser [--shots FOLDER] | s3-server [FLAGS] | \
    real-input [FLAGS] | bench-peers [FLAGS] | instructions [--update]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Outcome {
    match args {
        ["ci"] => ci::run(),
        ["tools"] => tools::install(),
        ["tidy"] => tidy(),
        ["fuzz", args @ ..] => fuzz::fuzz(args),
        ["browser"] => browser::test(None),
        ["browser", "--shots", folder] => browser::test(Some(folder)),
        ["s3-server", flags @ ..] => {
            Cargo::new(&["run", "--quiet", "--package", "stillpoint-testkit", "--bin", "s3-server", "--"])
                .args(flags)
                .run()
        }
        ["real-input", flags @ ..] => released("real-input", flags),
        ["bench-peers", flags @ ..] => bench_peers(flags),
        ["instructions"] => instructions::check(false),
        ["instructions", "--update"] => instructions::check(true),
        _ => Err(USAGE.into()),
    }
}

/// Runs a program of the test kit, built for speed, beside a `stillpoint` built for speed.
fn released(program: &str, flags: &[&str]) -> Outcome {
    Cargo::new(&["build", "--release", "--locked", "--package", "stillpoint"]).run()?;
    Cargo::new(&[
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "stillpoint-testkit",
        "--bin",
        program,
        "--",
    ])
    .args(flags)
    .run()
}

fn bench_peers(flags: &[&str]) -> Outcome {
    if !flags.contains(&"--help") {
        let named = flags.iter().position(|flag| *flag == "--tools").and_then(|at| flags.get(at + 1));
        let names = named
            .map_or(vec!["restic", "rustic", "rclone", "s5cmd", "aws"], |names| names.split(',').collect());
        peers::install(&names)?;
    }
    released("bench-peers", flags)
}

fn tidy() -> Outcome {
    let findings = xtask::tidy::check(&xtask::root())?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("{} findings", findings.len()).into()) }
}
