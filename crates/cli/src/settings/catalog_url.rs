//! The address of the catalog, which may hold a password.

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

    /// Whether hosts can share it. One in a file moves with its file: whatever that machine is called, it has what it began.
    pub(crate) fn is_of_a_fleet(&self) -> bool {
        self.0.starts_with("postgres")
    }
}

impl FromStr for CatalogUrl {
    type Err = &'static str;

    /// An empty one is none, as in a file of settings that leaves it open.
    fn from_str(url: &str) -> Result<Self, &'static str> {
        let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|kind| url.starts_with(kind));
        if known || url.is_empty() || url == "memory:" {
            return Ok(Self(url.to_owned()));
        }
        Err("a catalog is sqlite:PATH, postgres://USER@HOST/DATABASE or memory:")
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
        assert!(url.is_of_a_fleet() && !"sqlite:/c.db".parse::<CatalogUrl>().unwrap().is_of_a_fleet());
    }

    #[test]
    fn what_is_no_catalog_is_refused_and_an_empty_text_is_none() {
        for bad in ["foo", "/srv/catalog.sqlite", "mysql://db", "memory:x", "postgres:"] {
            assert!(bad.parse::<CatalogUrl>().is_err(), "{bad:?} must be refused");
        }
        assert!("".parse::<CatalogUrl>().is_ok());
    }
}
