//! Programs written by others that read and write the same repository format.
//!
//! `cargo xtask tools` puts them under `.tools/` in the project's folder. A test that needs one asks for it and, when
//! it is not there, is skipped with a printed line on a developer's machine and fails where `CI` or
//! `STILLPOINT_REQUIRE_ORACLES` is set:
//!
//! ```
//! # fn main() {
//! let Some(restic) = stillpoint_testkit::oracle::restic() else { return };
//! let dir = tempfile::tempdir().unwrap();
//! let repository = restic.repository(dir.path().join("repo").display().to_string(), "password");
//! repository.run(&["init"]);
//! repository.run(&["check", "--read-data"]);
//! # }
//! ```

mod azurite;
mod fake_cloud;
mod moto;
mod restic;
mod rustic;

use std::env;
use std::path::{Path, PathBuf};

pub use azurite::{Azurite, azurite};
pub use fake_cloud::{FakeCloud, FakeCloud as FakeAws, fake_aws, fake_azure};
pub use moto::{Moto, moto};
pub use restic::{Repository, Restic, restic};
pub use rustic::{Rustic, rustic};

/// The folder that `cargo xtask tools` fills: `STILLPOINT_TOOLS_DIR`, else `.tools` in the project's folder.
pub fn tools_dir() -> PathBuf {
    match variable("STILLPOINT_TOOLS_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this module decides from the environment whether a skip is allowed"
)]
pub(crate) fn variable(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The program when it is there; otherwise a skip that is printed, or a failure where skips are forbidden.
#[expect(
    clippy::print_stderr,
    reason = "a missing oracle is said out loud, and fails where a skip is forbidden"
)]
fn found(name: &str, path: PathBuf) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path);
    }
    let required = variable("CI").is_some() || variable("STILLPOINT_REQUIRE_ORACLES").is_some();
    assert!(!required, "{name} is required and is not at {}; run `cargo xtask tools`", path.display());
    eprintln!("SKIPPED: {name} is not at {}; run `cargo xtask tools` to have this test", path.display());
    None
}
