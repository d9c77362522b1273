//! The one place of this program that reads environment variables by name.

use std::ffi::OsString;

/// The value of a variable that is set and not empty.
pub(super) fn variable(name: &str) -> Option<OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the configuration module that may read the environment"
    )]
    let value = std::env::var_os(name);
    value.filter(|value| !value.is_empty())
}
