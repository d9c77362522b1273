//! What `cargo xtask` and its tests share: the house rules.

pub mod tidy;

use std::path::PathBuf;

/// The project's folder, from what cargo tells each program it runs, else from where this program was built.
pub fn root() -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "one build folder may serve several checkouts; cargo knows which"
    )]
    let told = std::env::var_os("CARGO_MANIFEST_DIR");
    let mut here = told.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.pop();
    here
}
