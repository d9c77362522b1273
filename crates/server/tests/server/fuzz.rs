//! Requests made from the description: valid ones, and ones that it forbids.

use std::path::Path;
use std::process::Command;

use super::support::Scene;

/// What must hold of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,\
                      negative_data_rejection";

/// The fuzzer, as `cargo xtask tools` installs it. Where it is missing the test says so, and fails in CI.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "whether a missing tool is a failure is the machine's to say, and a skip is said out loud"
)]
fn fuzzer() -> Option<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join(".tools/schemathesis/bin/schemathesis");
    if program.is_file() {
        return Some(program);
    }
    let needed = ["CI", "STILLPOINT_REQUIRE_ORACLES"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!needed, "schemathesis is needed; `cargo xtask tools` installs it");
    eprintln!("SKIPPED, because schemathesis is not there; `cargo xtask tools` installs it");
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_breaks_the_server_or_is_answered_against_the_description() {
    let Some(program) = fuzzer() else { return };
    let scene = Scene::new().await;
    let admin = scene.administrator().await;
    for number in 0..5 {
        scene.catalogued(&number.to_string(), number * 1000).await;
    }
    admin.backed_up("ada").await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(folder.path())
        .args(["run", &format!("http://{}/openapi.json", scene.address)])
        .args(["--header", &format!("Authorization: Bearer {}", admin.token.as_deref().unwrap())])
        .args(["--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", "3"])
        .args(["--seed", "1", "--generation-database", "none", "--workers", "2"])
        .args(["--no-shrink", "--no-color"]);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("Tested: "), "it tested something: {said}");
}
