//! Real input, end to end: `cargo xtask real-input`.
//!
//! A copy of a real tree (by default the Rust toolchain, with more added until it has 30,000 files and 1 GB) is backed up
//! by the `stillpoint` command, backed up again unchanged, edited, backed up, lost, and restored into an empty directory.
//! The result must equal the tree in content and all metadata, stock restic must find no fault in the repository, and
//! what restic restores must equal it too. Any miss ends the run with a sentence and exit code 1.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program reports what it measured"
)]

mod command;
mod input;
mod story;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Backs a real tree up, changes and restores it, and checks the result.
///
/// Example: cargo xtask real-input --tree /usr/lib/python3 --store local
#[derive(Debug, Parser)]
struct Flags {
    /// Tree to copy and use, of any size; by default the Rust toolchain and, if that is not enough, the sources of the
    /// crates and the Python installation.
    #[arg(long)]
    tree: Option<PathBuf>,
    /// Where the backups go.
    #[arg(long, value_enum, default_value_t = Store::Both)]
    store: Store,
    /// Folder for the copy, the store and the restored trees; it must not exist. A temporary one by default.
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// The `stillpoint` program; by default the one beside this program.
    #[arg(long)]
    program: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    Local,
    S3,
    Both,
}

fn main() -> ExitCode {
    match run(Flags::parse()) {
        Ok(()) => {
            println!("\nreal input: everything held");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nreal input: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Outcome {
    let temporary = tempfile::tempdir()?;
    let scratch = flags.scratch.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&scratch)?;
    let program = match flags.program {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("stillpoint"),
    };
    if !program.is_file() {
        return Err(format!("{} is not there: build it first", program.display()).into());
    }
    let tree = scratch.join("original");
    input::prepare(flags.tree.as_deref(), &tree)?;
    for store in [Store::Local, Store::S3] {
        if flags.store == store || flags.store == Store::Both {
            story::tell(&program, &tree, &scratch, store == Store::S3)?;
        }
    }
    Ok(())
}
