//! What `cargo xtask` and its tests share: the house rules.

pub mod tidy;

use std::path::{Path, PathBuf};

/// The project's folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
