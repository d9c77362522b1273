//! Instructions that single stages need, against the committed counts: `cargo xtask instructions [--update]`.
//!
//! Wall and processor time swing too much on shared machines to guard anything; the number of instructions does not.
//! callgrind counts them inside one function of the bench program `counted` of the repository crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Cargo, Outcome, answer, as_root};

const COUNTS: &str = "crates/repository/benches/instructions.txt";
/// Another machine's C library or compiler moves counts by about a percent; what is to be caught moves them by far more.
const TOLERANCE: f64 = 0.05;
const HEADER: &str = "\
# Instructions of each stage on 1 MiB of input, counted by callgrind on x86-64; `cargo xtask instructions` compares.
# `cargo xtask instructions --update` writes this file; a change of it belongs into the commit that causes it.
";

pub(crate) fn check(update: bool) -> Outcome {
    if !cfg!(target_arch = "x86_64") {
        return Err("the committed counts are of x86-64; there are none for this machine".into());
    }
    valgrind()?;
    let program = build()?;
    let names = answer(&program.to_string_lossy(), &[]).ok_or("the bench program `counted` does not run")?;
    let mut counts = BTreeMap::new();
    for (name, _bytes) in names.lines().filter_map(|line| line.split_once('\t')) {
        counts.insert(name.to_owned(), count(&program, name)?);
    }
    let file = xtask::root().join(COUNTS);
    if update {
        let lines = counts.iter().map(|(name, count)| format!("{count:>12} {name}\n"));
        fs::write(&file, format!("{HEADER}{}", lines.collect::<String>()))?;
        println!("{} stages written to {COUNTS}", counts.len());
        return Ok(());
    }
    compare(&counts, &committed(&file)?)
}

/// Installed from the machine's own package sources where it is missing.
fn valgrind() -> Outcome {
    if answer("valgrind", &["--version"]).is_some() {
        return Ok(());
    }
    println!("valgrind is missing; apt-get is asked for it");
    let installed = as_root(&["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "valgrind"]);
    match (installed, answer("valgrind", &["--version"])) {
        (Ok(()), Some(_)) => Ok(()),
        (Err(error), _) => Err(format!("counting needs valgrind, which cannot be installed: {error}").into()),
        (Ok(()), None) => Err("counting needs valgrind, which does not run here".into()),
    }
}

/// Builds the bench program and answers where it is, from what cargo says of it.
fn build() -> Outcome<PathBuf> {
    let args = ["bench", "--no-run", "--locked", "--package", "stillpoint-repository", "--bench", "counted"];
    let said = Cargo::new(&args)
        .args(&["--features", "bench", "--message-format", "json-render-diagnostics"])
        .output()?;
    let artifact =
        said.lines().find(|line| line.contains("\"name\":\"counted\"") && line.contains("\"executable\":\""));
    let path = artifact.and_then(|line| line.split_once("\"executable\":\"")?.1.split_once('"'));
    path.map(|(path, _)| PathBuf::from(path)).ok_or_else(|| "cargo does not say where `counted` is".into())
}

fn count(program: &Path, name: &str) -> Outcome<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_stage*"])
        .arg(program)
        .arg(name);
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, number)| number.trim());
    let found =
        line.and_then(|number| number.split(' ').next()?.parse::<u64>().ok()).filter(|count| *count > 0);
    match found {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("callgrind counted nothing for `{name}`: {}\n{said}", output.status).into()),
    }
}

fn committed(file: &Path) -> Outcome<BTreeMap<String, u64>> {
    let text = fs::read_to_string(file)?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let parse = |line: &str| {
        let (count, name) =
            line.trim().split_once(' ').ok_or(format!("{COUNTS}: `{line}` is no count and name"))?;
        Ok((
            name.trim().to_owned(),
            count.parse::<u64>().map_err(|error| format!("{COUNTS}: {line}: {error}"))?,
        ))
    };
    lines.map(parse).collect::<Result<_, String>>().map_err(Into::into)
}

fn compare(found: &BTreeMap<String, u64>, committed: &BTreeMap<String, u64>) -> Outcome {
    let mut complaints = Vec::new();
    for (name, count) in found {
        let Some(before) = committed.get(name) else {
            complaints.push(format!("{name}: {count} instructions and no committed count"));
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a ratio of counts far below 2^52")]
        let ratio = *count as f64 / *before as f64;
        println!("{name:<18} {count:>12} instructions, {:>6.1} % of {before}", ratio * 100.0);
        if ratio > 1.0 + TOLERANCE {
            complaints.push(format!("{name}: {count} instructions, {before} committed"));
        } else if ratio < 1.0 - TOLERANCE {
            complaints
                .push(format!("{name}: only {count} instructions, {before} committed: write that down"));
        }
    }
    for name in committed.keys().filter(|name| !found.contains_key(*name)) {
        complaints.push(format!("{name}: a committed count and no such stage"));
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(format!("{}\nif that is meant, run `cargo xtask instructions --update`", complaints.join("\n"))
        .into())
}
