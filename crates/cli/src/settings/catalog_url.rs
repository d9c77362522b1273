//! The address of the catalog, which may hold a password.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// `sqlite:PATH`, `postgres://USER@HOST/DATABASE` or `memory:`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct CatalogUrl(String);

impl CatalogUrl {
    pub(crate) fn new(url: String) -> Self {
        Self(url)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CatalogUrl {
    type Err = Infallible;

    fn from_str(url: &str) -> Result<Self, Infallible> {
        Ok(Self(url.to_owned()))
    }
}

/// Nothing but the kind of the catalog.
impl fmt::Debug for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.0.split_once(':').map_or("", |(kind, _)| kind);
        write!(f, "{kind}:…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_shows_no_password() {
        let url: CatalogUrl = "postgres://ada:secret@db/fleet".parse().unwrap();
        assert_eq!(format!("{url:?}"), "postgres:…");
        assert_eq!(format!("{:?}", CatalogUrl::new("secret".into())), ":…");
    }
}
