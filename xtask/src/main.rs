//! Project chores, run as `cargo xtask NAME`. It needs nothing but the standard library, so it starts at once.
//!
//! | name | does |
//! |---|---|
//! | `ci` | everything a change must pass: format, lints, documentation, oracles, examples, all tests |
//! | `tools` | puts the foreign oracles (restic, rustic) under `.tools/` |
//! | `tidy` | the house rules alone; `ci` runs them as a test |
//! | `fuzz` | fuzzes every parser under libFuzzer: `--seconds N`, names of targets |
//! | `s3-server` | an S3 server on loopback; `--help` lists its flags |
//! | `real-input` | backs a real tree up, changes and restores it, and checks the result; `--help` lists its flags |
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks on both streams"
)]

mod ci;
mod command;
mod fuzz;
mod tools;

use std::process::ExitCode;

use command::{Cargo, Outcome};

const USAGE: &str = "usage: cargo xtask ci | tools | tidy | fuzz [--seconds N] [TARGET…] | s3-server [FLAGS] | real-input [FLAGS]";

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
        ["s3-server", flags @ ..] => {
            Cargo::new(&["run", "--quiet", "--package", "stillpoint-testkit", "--bin", "s3-server", "--"])
                .args(flags)
                .run()
        }
        ["real-input", flags @ ..] => {
            Cargo::new(&["build", "--release", "--package", "stillpoint"]).run()?;
            Cargo::new(&[
                "run",
                "--quiet",
                "--release",
                "--package",
                "stillpoint-testkit",
                "--bin",
                "real-input",
                "--",
            ])
            .args(flags)
            .run()
        }
        _ => Err(USAGE.into()),
    }
}

fn tidy() -> Outcome {
    let findings = xtask::tidy::check(&xtask::root())?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("{} findings", findings.len()).into()) }
}
