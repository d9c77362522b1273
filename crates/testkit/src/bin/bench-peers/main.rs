//! Us and our peers on the same work: `cargo xtask bench-peers`.
//!
//! Seeded corpora are backed up, changed, backed up again and restored by every tool in turn, against one S3 server in
//! the memory of this process that counts requests and bytes. Restored trees are compared. Medians, ratios to the best
//! peer, targets and verdicts are printed as Markdown tables and written as JSON.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program reports what it measured"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "figures for people, with far fewer digits than a float holds"
)]

mod case;
mod corpus;
mod measure;
mod run;
mod table;
mod tool;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use case::Case;
use corpus::Corpus;
use run::Run;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Measures stillpoint beside restic, rustic, rclone, s5cmd and aws on seeded corpora.
///
/// Example, some minutes: cargo xtask bench-peers --corpus home --scale 0.1 --rounds 2 --tools stillpoint,rustic,restic
#[derive(Debug, Parser)]
struct Flags {
    /// Folder for corpora, caches and restored trees; its subfolders are emptied. Best on a file system in memory, with
    /// room for about three times the corpus.
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
    /// Folder with the peers' programs, which `cargo xtask bench-peers` fills.
    #[arg(long, default_value = ".tools/peers")]
    peers: PathBuf,
    /// The `stillpoint` program; by default the one beside this program.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Size of the corpora; 1 is 2.9 GiB, 200,000 files and 3 GiB.
    #[arg(long, default_value_t = 0.25)]
    scale: f64,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Which corpora.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Corpus::Home, Corpus::Tiny, Corpus::Models])]
    corpus: Vec<Corpus>,
    /// Which cases.
    #[arg(long = "only", value_enum, value_delimiter = ',', default_values_t = Case::ALL)]
    cases: Vec<Case>,
    /// Which tools.
    #[arg(long, value_delimiter = ',', default_value = "stillpoint,restic,rustic,rclone,s5cmd")]
    tools: Vec<String>,
    /// Wait added to every request, in milliseconds, as a store far away has it.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Folder on a disk for the case restore-disk, which is left out without it.
    #[arg(long)]
    disk: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench-peers.json")]
    json: PathBuf,
    /// Equal seeds make equal corpora and edits.
    #[arg(long, default_value_t = 20_260_101)]
    seed: u64,
    /// Leave the corpora where they are.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    match run(Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nbench-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut flags: Flags) -> Outcome {
    if !(0.000_1..=4.0).contains(&flags.scale) || flags.rounds == 0 {
        return Err("--scale must be between 0.0001 and 4, and --rounds at least 1".into());
    }
    fs::create_dir_all(&flags.dir)?;
    // Tools record absolute paths, and restores are looked for below them.
    flags.dir = fs::canonicalize(&flags.dir)?;
    let program = match &flags.program {
        Some(program) => fs::canonicalize(program)?,
        None => std::env::current_exe()?.with_file_name("stillpoint"),
    };
    let peers = fs::canonicalize(&flags.peers).unwrap_or_else(|_missing| flags.peers.clone());
    let tools = tool::all(&program, &peers, &flags.tools)?;
    let versions: Vec<(&str, String)> =
        tools.iter().map(|tool| (tool.name(), tool::version(&**tool))).collect();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism()?.get();
    println!(
        "scale {}, {} rounds, {} ms latency, {cores} cores",
        flags.scale, flags.rounds, flags.latency_ms
    );
    println!("load at the start: {}", load.trim());
    for (name, version) in &versions {
        println!("{name}: {version}");
    }
    let mut samples = Vec::new();
    for corpus in &flags.corpus {
        samples.extend(Run::corpus(&flags, &tools, *corpus)?);
    }
    let rows = table::rows(&samples);
    let (text, verdicts) = table::markdown(&flags.corpus, &rows);
    println!("{text}\n### Summary\n\n{}", table::summary(&flags.corpus, &rows, &verdicts));
    let load_after = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load at the end: {}", load_after.trim());
    let document = json!({
        "scale": flags.scale, "rounds": flags.rounds, "latency_ms": flags.latency_ms, "seed": flags.seed,
        "cores": cores, "load_before": load.trim(), "load_after": load_after.trim(),
        "versions": versions, "medians": rows, "verdicts": verdicts, "samples": samples,
    });
    fs::write(&flags.json, serde_json::to_vec_pretty(&document)?)?;
    println!("figures: {}", flags.json.display());
    Ok(())
}
