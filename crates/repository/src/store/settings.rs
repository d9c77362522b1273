//! Settings of remote stores, by the names of their vendors' environment variables.

use std::collections::BTreeMap;
use std::fmt;

/// Prefixes of the variables that stores understand.
const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Region, endpoint, credentials and the like: a map with the names of the usual environment variables, such as
/// `AWS_REGION`, `AWS_ENDPOINT_URL_S3`, `AZURE_STORAGE_ACCOUNT_NAME` or `GOOGLE_APPLICATION_CREDENTIALS`.
///
/// Values never appear in `Debug`.
#[derive(Clone, Default)]
pub struct StoreSettings {
    values: BTreeMap<String, String>,
}

impl StoreSettings {
    /// Keeps those of `variables` that a store understands.
    pub fn new<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let values = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .filter(|(name, value)| {
                PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !value.is_empty()
            })
            .collect();
        Self { values }
    }

    /// The environment of this process. Variables that are not UTF-8 are left out.
    pub fn from_environment() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::new(std::env::vars_os().filter_map(unicode))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The settings whose names begin with `prefix`.
    pub(super) fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values
            .iter()
            .filter(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_never_printed() {
        let settings =
            StoreSettings::new([("AWS_SECRET_ACCESS_KEY", "canary"), ("PATH", "/bin"), ("AWS_REGION", "")]);
        assert_eq!(format!("{settings:?}"), r#"{"AWS_SECRET_ACCESS_KEY"}"#);
    }
}
