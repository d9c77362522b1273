//! Rules about the crates of the workspace: shared lints, and dependencies that point one way.

use super::{Finding, Text};

/// Crates, and words that must not occur among their dependencies.
const LAYERS: [(&str, &[&str]); 6] = [
    ("crates/core", &["stillpoint-", "object_store", "sqlx", "hyper", "reqwest", "aws-", "azure_"]),
    ("crates/localfs", &["stillpoint-", "object_store", "sqlx", "aws-", "azure_"]),
    (
        "crates/repository",
        &["stillpoint-catalog", "stillpoint-provider", "sqlx", "aws-sdk-", "aws-config", "azure_"],
    ),
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_dependency_that_points_the_wrong_way_is_found_and_a_dev_dependency_is_not() {
        let content = "edition.workspace = true\n[lints]\nworkspace = true\n\n[dependencies]\nserde = \"1\"\n\
            stillpoint-repository.workspace = true\n[dev-dependencies]\nsqlx = \"1\"\n";
        let manifest = Text { path: PathBuf::from("crates/core/Cargo.toml"), content: content.to_owned() };
        let mut findings = Vec::new();
        check(&[manifest], &mut findings);
        let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["crates/core/Cargo.toml:7: dependency on `stillpoint-…` points the wrong way"]);
    }
}
