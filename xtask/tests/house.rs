//! The house rules, and what a host that links the core alone has to build.
#![expect(clippy::unwrap_used, reason = "a failed assumption ends the test")]

use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn the_house_is_tidy() {
    let findings = xtask::tidy::check(&xtask::root()).unwrap();
    let lines: Vec<String> = findings.iter().map(|finding| format!("  {finding}\n")).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), lines.concat());
}

/// Names of all crates that a selection of the workspace compiles.
fn tree(args: &[&str]) -> BTreeSet<String> {
    let output = Command::new("cargo")
        .current_dir(xtask::root())
        .args(["tree", "--offline", "--locked", "--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn core_alone_is_at_most_sixty_four_crates_and_names_no_cloud_database_or_http_client() {
    let crates = tree(&["--package", "stillpoint-core", "--edges", "normal,build"]);
    assert!(crates.contains("stillpoint-core"), "{crates:?}");
    assert!(crates.len() <= 64, "{} crates: {crates:?}", crates.len());
    let heavy =
        ["sqlx", "rusqlite", "libsqlite3", "hyper", "reqwest", "object_store", "aws", "azure", "rustls"];
    let found: Vec<&String> =
        crates.iter().filter(|name| heavy.iter().any(|word| name.starts_with(word))).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn no_crate_that_deny_toml_bans_is_in_the_tree() {
    let rules = std::fs::read_to_string(xtask::root().join("deny.toml")).unwrap();
    let banned: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next())
        .collect();
    assert!(banned.len() > 5, "{banned:?}");
    let crates = tree(&["--workspace"]);
    let found: Vec<&&str> = banned.iter().filter(|name| crates.contains(**name)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn object_storage_needs_no_crate_of_a_cloud() {
    for package in ["stillpoint-core", "stillpoint-repository", "stillpoint-provider-s3sync"] {
        let crates = tree(&["--package", package, "--edges", "normal,build"]);
        // The cryptography of TLS has its name from AWS, and nothing else.
        let clouds = crates.iter().filter(|name| {
            let cloud = ["aws", "azure", "google"].iter().any(|cloud| name.starts_with(cloud));
            cloud && !name.starts_with("aws-lc-") || name.contains("smithy")
        });
        assert_eq!(clouds.collect::<Vec<_>>(), Vec::<&String>::new(), "{package}");
    }
}
