//! Tests that Markdown pages name are there, so that no claim points to nothing.

use std::collections::BTreeSet;

use super::{Finding, Text};

/// A word in backquotes of so many parts is the name of a test: nothing else is named by a whole sentence.
const PARTS_LEAST: usize = 5;

pub(super) fn check(texts: &[Text], findings: &mut Vec<Finding>) {
    let known: BTreeSet<&str> = texts.iter().flat_map(functions).collect();
    for page in texts.iter().filter(|text| text.is("md")) {
        for (number, line) in page.numbered() {
            for name in sentences(line).filter(|name| !known.contains(name)) {
                findings.push(page.finding(number, format!("test `{name}`, which does not exist")));
            }
        }
    }
}

/// The functions of a source file, each by its name.
fn functions(text: &Text) -> impl Iterator<Item = &str> {
    let word = if text.is("rs") {
        "fn "
    } else if text.is("py") {
        "def "
    } else {
        "\0"
    };
    text.content.split(word).skip(1).map(|rest| rest.split(|c: char| !is_of_a_name(c)).next().unwrap_or(""))
}

/// What stands in backquotes and reads like the name of a test.
fn sentences(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|word| {
        word.chars().all(is_of_a_name)
            && word.split('_').filter(|part| !part.is_empty()).count() >= PARTS_LEAST
    })
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}
