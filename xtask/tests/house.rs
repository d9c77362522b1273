//! The house rules, and what a host that links the core alone has to build.

use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn the_house_is_tidy() {
    let findings = xtask::tidy::check(&xtask::root()).unwrap();
    let lines: Vec<String> = findings.iter().map(|finding| format!("  {finding}\n")).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), lines.concat());
}

#[test]
fn core_alone_is_fewer_than_sixty_crates_and_names_no_cloud_database_or_http_client() {
    let output = Command::new("cargo")
        .current_dir(xtask::root())
        .args(["tree", "--offline", "--locked", "--package", "stillpoint-core"])
        .args(["--edges", "normal,build", "--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let crates: BTreeSet<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("stillpoint-core"), "{crates:?}");
    assert!(crates.len() < 60, "{} crates: {crates:?}", crates.len());
    let heavy =
        ["sqlx", "rusqlite", "libsqlite3", "hyper", "reqwest", "object_store", "aws", "azure", "rustls"];
    let found: Vec<&&str> =
        crates.iter().filter(|name| heavy.iter().any(|word| name.starts_with(word))).collect();
    assert!(found.is_empty(), "{found:?}");
}
