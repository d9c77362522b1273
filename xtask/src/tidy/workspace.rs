//! Rules about the crates of the workspace: shared lints, and dependencies that point one way.

use super::{Finding, Text};

/// Crates, and words that must not occur among their dependencies.
const LAYERS: [(&str, &[&str]); 6] = [
    ("crates/core", &["stillpoint-", "object_store", "sqlx", "hyper", "reqwest", "aws-", "azure_"]),
    ("crates/localfs", &["stillpoint-", "object_store", "sqlx", "aws-", "azure_"]),
    ("crates/repository", &["stillpoint-catalog", "stillpoint-provider", "sqlx", "aws-", "azure_"]),
    (
        "crates/catalog-sql",
        &["stillpoint-provider", "stillpoint-repository", "object_store", "aws-", "azure_"],
    ),
    ("crates/provider-s3sync", &["stillpoint-catalog", "stillpoint-provider-aws", "sqlx", "aws-", "azure_"]),
    ("crates/conformance", &["stillpoint-catalog", "stillpoint-provider", "sqlx", "object_store"]),
];

pub(super) fn check(texts: &[Text], findings: &mut Vec<Finding>) {
    let manifests = texts.iter().filter(|text| text.path.ends_with("Cargo.toml"));
    for manifest in manifests.filter(|text| text.content.contains("edition.workspace")) {
        if !manifest.content.contains("[lints]\nworkspace = true") {
            findings.push(manifest.finding(0, "does not take the workspace's lints"));
        }
        let layer = LAYERS.iter().find(|(dir, _)| manifest.path.starts_with(dir));
        layer
            .map_or(&[][..], |(_, banned)| banned)
            .iter()
            .for_each(|word| forbidden(manifest, word, findings));
    }
}

fn forbidden(manifest: &Text, word: &str, findings: &mut Vec<Finding>) {
    let mut section = "";
    for (number, line) in manifest.numbered() {
        if line.starts_with('[') {
            section = line;
        }
        if section == "[dependencies]" && line.starts_with(word) {
            findings.push(manifest.finding(number, format!("dependency on `{word}…` points the wrong way")));
        }
    }
}
