//! Which files there are, and how large they may be.

use std::fs;
use std::io;
use std::path::Path;

use super::{Finding, Text};

/// Build products and version control are not the project's text.
const SKIPPED: [&str; 3] = ["target", ".git", ".tools"];
const FILE_BYTES_MAX: u64 = 512 * 1024;

/// All text files below `root`, and a finding for each file that is too large. A binary file is no text and is passed
/// over once its size is known.
pub(super) fn collect(root: &Path) -> io::Result<(Vec<Text>, Vec<Finding>)> {
    let (mut texts, mut findings) = (Vec::new(), Vec::new());
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !SKIPPED.iter().any(|name| entry.file_name() == *name) {
                    pending.push(entry.path());
                }
                continue;
            }
            let path = entry.path().strip_prefix(root).map_err(io::Error::other)?.to_owned();
            if entry.metadata()?.len() > FILE_BYTES_MAX {
                findings.push(Finding { path, line: 0, what: "file of more than 512 KiB".to_owned() });
            } else if kind.is_file()
                && let Ok(content) = String::from_utf8(fs::read(entry.path())?)
            {
                texts.push(Text { path, content });
            }
        }
    }
    texts.sort_by(|left, right| left.path.cmp(&right.path));
    Ok((texts, findings))
}
