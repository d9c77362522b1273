//! Calls of the `stillpoint` command, measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use stillpoint_testkit::process::{Measured, measure};

use crate::Outcome;

const MIB: u64 = 1 << 20;
/// What backup and restore may need at the most, for any tree.
const RSS_MAX: u64 = 256 * MIB;

pub(crate) struct Stillpoint {
    pub(crate) program: PathBuf,
    pub(crate) env: Vec<(String, String)>,
}

impl Stillpoint {
    /// Runs one command with `--json` and returns its document; prints one line of what it cost.
    pub(crate) fn call(&self, title: &str, args: &[&str]) -> Outcome<Value> {
        let mut command = Command::new(&self.program);
        command.args(args).arg("--json").envs(self.env.iter().map(|(name, value)| (name, value)));
        let seen = measure(&mut command)?;
        report(title, &seen);
        if !seen.status.success() {
            let (out, err) = (String::from_utf8_lossy(&seen.stdout), String::from_utf8_lossy(&seen.stderr));
            return Err(
                format!("{title}: stillpoint {args:?} ended with {}\n{out}\n{err}", seen.status).into()
            );
        }
        if seen.peak_rss_bytes >= RSS_MAX {
            return Err(
                format!("{title}: {} MiB of memory, 256 MiB are allowed", seen.peak_rss_bytes / MIB).into()
            );
        }
        Ok(serde_json::from_slice(&seen.stdout)?)
    }
}

pub(crate) fn report(title: &str, seen: &Measured) {
    let processor = seen.user + seen.system;
    println!(
        "{title:<28} {:>8.2} s wall {:>8.2} s processor {:>6} MiB memory",
        seen.wall.as_secs_f64(),
        processor.as_secs_f64(),
        seen.peak_rss_bytes / MIB
    );
}

/// The number at `path`, which every document of this command has.
pub(crate) fn number(document: &Value, path: &str) -> Outcome<u64> {
    let found = document.pointer(path).and_then(Value::as_u64);
    found.ok_or_else(|| format!("no number at {path} in {document}").into())
}

pub(crate) fn text<'a>(document: &'a Value, path: &str) -> Outcome<&'a str> {
    document
        .pointer(path)
        .and_then(Value::as_str)
        .ok_or_else(|| format!("no text at {path} in {document}").into())
}

pub(crate) fn utf8(path: &Path) -> Outcome<&str> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()).into())
}
