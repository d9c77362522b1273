//! The command `stillpoint`: backs workspaces up and restores them, and never abandons an operation half-way.

mod args;
mod cpus;
mod engine;
mod exit;
mod logging;
mod managed;
mod output;
mod remote;
mod run;
mod session;
mod settings;
mod signals;

use std::ffi::OsString;
use std::process::ExitCode;

use stillpoint_core::{Error, ErrorKind};

use crate::args::Cli;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;

/// Threads that drive async work; blocking work has threads of its own.
const WORKER_THREADS: usize = 4;

fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::read(&line) {
        Ok(cli) => cli,
        Err(error) => return refused(&line, &error).into(),
    };
    logging::start(cli.global.verbose);
    let output = Output::new(cli.global.json);
    let json = Output::new(cli.global.json);
    // Before any other thread is there: those that are started later follow.
    let limited = cli.global.cpus.map_or(Ok(()), cpus::limit).map_err(Failure::from);
    let outcome = limited.and_then(|()| runtime()).and_then(|runtime| {
        let outcome = runtime.block_on(signals::guard(&json, run::run(cli, output)));
        // Blocking work that nobody waits for any more must not hold the process up.
        runtime.shutdown_background();
        outcome
    });
    report(&json, outcome).into()
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKER_THREADS).enable_all().build();
    built.map_err(|error| {
        Error::new(ErrorKind::Unexpected, "no threads can be started").with_source(error).into()
    })
}

/// Says why a command has no result, on standard error and, where JSON is wanted, as the document.
fn report(output: &Output, outcome: Outcome) -> Exit {
    let failure = match outcome {
        Ok(exit) => return exit,
        Err(failure) => failure,
    };
    output.note(format_args!("error: {failure}"));
    if output.is_json()
        && let Err(error) = output.document(&failure.document())
    {
        output.note(format_args!("error: {error}"));
    }
    failure.exit()
}

/// Answers a command line that clap did not take: help and version are results, everything else is an error.
fn refused(line: &[OsString], error: &clap::Error) -> Exit {
    let json = line.iter().any(|word| word == "--json");
    let shown = error.print();
    if !error.use_stderr() {
        return if shown.is_ok() { Exit::Done } else { Exit::Failed };
    }
    if json {
        // The first paragraph says what is wrong, the others how it is done.
        let said = error.render().to_string();
        let said = said.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let message = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let printed = Output::new(true).document(&Failure::usage(message).document());
        if printed.is_err() {
            return Exit::Failed;
        }
    }
    Exit::Usage
}
