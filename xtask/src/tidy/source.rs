//! Rules about one file by itself.

use super::{Finding, Text};

const RUST_LINES_MAX: usize = 500;
const TYPE_WORDS: [&str; 5] = ["struct ", "enum ", "trait ", "type ", "mod "];
const VAGUE: [&str; 3] = ["Manager", "Helper", "Util"];

pub(super) fn check(text: &Text, findings: &mut Vec<Finding>) {
    machine_paths(text, findings);
    if text.is("rs") {
        length(text, findings);
        module_doc(text, findings);
        vague_names(text, findings);
        unfinished(text, findings);
    }
}

fn length(text: &Text, findings: &mut Vec<Finding>) {
    let lines = text.content.lines().count();
    if lines > RUST_LINES_MAX {
        findings.push(
            text.finding(lines, format!("{lines} lines, {RUST_LINES_MAX} are allowed: split by concern")),
        );
    }
}

fn module_doc(text: &Text, findings: &mut Vec<Finding>) {
    let documented = text.content.starts_with("//!") || text.content.starts_with("#![doc");
    if !documented {
        findings.push(text.finding(1, "no module documentation on the first line"));
    }
}

fn vague_names(text: &Text, findings: &mut Vec<Finding>) {
    let stem = text.path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    if VAGUE.iter().any(|word| stem.contains(&word.to_lowercase())) {
        findings.push(text.finding(0, "a file name that does not say what is inside"));
    }
    for (number, line) in text.numbered() {
        for keyword in TYPE_WORDS {
            let Some(rest) = line.trim_start().trim_start_matches("pub ").strip_prefix(keyword) else {
                continue;
            };
            let name: String = rest.chars().take_while(|letter| letter.is_alphanumeric()).collect();
            if VAGUE.iter().any(|word| name.contains(word)) {
                findings.push(text.finding(number, format!("`{name}` does not say what it does")));
            }
        }
    }
}

/// The words are put together here, so that this file does not find itself.
fn unfinished(text: &Text, findings: &mut Vec<Finding>) {
    let banned = [
        (concat!("to", "do!("), "unfinished code"),
        (concat!("unimple", "mented!("), "unfinished code"),
        (concat!("FIX", "ME"), "a known fault left in"),
        (concat!("XX", "X"), "a known fault left in"),
        (concat!("#[ig", "nore"), "a test that does not run"),
        (concat!("```ig", "nore"), "an example that is not compiled"),
        (concat!("dbg", "!("), "left from debugging"),
    ];
    for (number, line) in text.numbered() {
        for (word, why) in banned {
            if line.contains(word) {
                findings.push(text.finding(number, format!("`{word}`: {why}")));
            }
        }
    }
}

fn machine_paths(text: &Text, findings: &mut Vec<Finding>) {
    for (number, line) in text.numbered() {
        for path in [concat!("/wo", "rk/"), concat!("/ro", "ot/")] {
            if line.contains(path) {
                findings.push(text.finding(number, format!("`{path}` is a path of one machine")));
            }
        }
    }
}
