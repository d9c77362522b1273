//! The settings that every Azure tool reads from the environment.

use std::collections::BTreeMap;
use std::fmt;

use stillpoint_core::Result;
use url::Url;

use super::endpoint;

/// Where Azure Resource Manager answers, where that is not Azure's public cloud.
pub(super) const RESOURCE_MANAGER_ENDPOINT: &str = "AZURE_RESOURCE_MANAGER_ENDPOINT";
pub(super) const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
pub(super) const TENANT_ID: &str = "AZURE_TENANT_ID";
pub(super) const CLIENT_ID: &str = "AZURE_CLIENT_ID";
pub(super) const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
pub(super) const FEDERATED_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
pub(super) const POD_IDENTITY_AUTHORITY_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
pub(super) const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
pub(super) const IDENTITY_HEADER: &str = "IDENTITY_HEADER";

const NAMES: [&str; 9] = [
    RESOURCE_MANAGER_ENDPOINT,
    AUTHORITY_HOST,
    TENANT_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    FEDERATED_TOKEN_FILE,
    POD_IDENTITY_AUTHORITY_HOST,
    IDENTITY_ENDPOINT,
    IDENTITY_HEADER,
];

/// What the environment says of Azure: `AZURE_RESOURCE_MANAGER_ENDPOINT`, `AZURE_AUTHORITY_HOST`, `AZURE_TENANT_ID`,
/// `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`, `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_POD_IDENTITY_AUTHORITY_HOST`,
/// `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`. `Debug` shows which are set and no value.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads this process's environment.
    #[expect(clippy::disallowed_methods, reason = "this module reads the environment for the connection")]
    pub fn of_process() -> Self {
        Self::new(NAMES.into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?))))
    }

    /// The settings of these names. Empty ones count as absent.
    pub fn new<V: Into<String>>(settings: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        Self(settings.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The setting `name`, where it is set.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Where Azure Resource Manager answers.
    ///
    /// # Errors
    /// `InvalidConfig` where the setting is no address, or plain http to another machine.
    pub(super) fn resource_manager(&self) -> Result<Url> {
        endpoint::checked(self.get(RESOURCE_MANAGER_ENDPOINT).unwrap_or(endpoint::PUBLIC_CLOUD))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Environment").field(&self.0.keys().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_and_no_secret() {
        let settings = Environment::new([(CLIENT_SECRET, "sesame"), (TENANT_ID, "")]);
        let shown = format!("{settings:?}");
        assert!(
            shown.contains(CLIENT_SECRET) && !shown.contains("sesame") && !shown.contains(TENANT_ID),
            "{shown}"
        );
    }
}
