//! The one place of this program that reads environment variables by name.

use std::ffi::OsString;
use std::path::PathBuf;

/// The value of a variable that is set and not empty.
pub(super) fn variable(name: &str) -> Option<OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the configuration module that may read the environment"
    )]
    let value = std::env::var_os(name);
    value.filter(|value| !value.is_empty())
}

/// The token for a server.
pub(crate) fn token() -> Option<String> {
    variable("STILLPOINT_TOKEN").and_then(|token| token.into_string().ok())
}

/// The user's own directory.
pub(crate) fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from)
}
