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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn findings(path: &str, content: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(&Text { path: PathBuf::from(path), content: content.to_owned() }, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    fn one(path: &str, content: &str) -> String {
        let found = findings(path, content);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }

    #[test]
    fn a_clean_file_passes() {
        assert_eq!(findings("src/lease.rs", "//! Leases.\npub struct Lease;\n"), Vec::<String>::new());
    }

    #[test]
    fn each_rule_finds_a_planted_fault() {
        assert!(one("a.rs", &format!("//! A.\n{}", "// line\n".repeat(500))).contains("501 lines"));
        assert!(one("a.rs", "pub struct A;\n").contains("no module documentation"));
        assert!(one("a.rs", "//! A.\npub struct LeaseManager;\n").contains("a.rs:2: `LeaseManager`"));
        assert!(one("lease_utils.rs", "//! A.\n").contains("file name"));
        assert!(one("a.rs", concat!("//! A.\nfn a() { to", "do!() }\n")).contains("unfinished"));
        assert!(one("a.rs", concat!("//! A.\n#[ig", "nore]\n")).contains("does not run"));
        assert!(one("page.md", concat!("see /wo", "rk/file\n")).contains("one machine"));
    }
}
