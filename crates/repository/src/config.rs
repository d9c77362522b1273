//! The repository configuration, the object `config`.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::polynomial::Polynomial;
use crate::random;

/// Format version that compresses; the one we create.
const CURRENT: u32 = 2;

/// Contents of `config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) version: u32,
    pub(crate) id: String,
    pub(crate) chunker_polynomial: String,
}

impl Config {
    pub(crate) fn generate() -> Result<Self> {
        Ok(Self {
            version: CURRENT,
            id: crate::id::Id::from_bytes(random::bytes()?).to_hex(),
            chunker_polynomial: format!("{:x}", Polynomial::random_irreducible()?.0),
        })
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|source| Error::invalid("the configuration cannot be written").with_source(source))
    }

    pub(crate) fn from_json(json: &[u8]) -> Result<Self> {
        let config: Self = serde_json::from_slice(json)
            .map_err(|source| Error::corrupt("config", "it is not valid").with_source(source))?;
        if !(1..=CURRENT).contains(&config.version) {
            let message = format!(
                "the repository has format version {}, this program reads 1 and {CURRENT}; use a newer program",
                config.version
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let polynomial = u64::from_str_radix(&config.chunker_polynomial, 16)
            .map_err(|source| Error::corrupt("config", "its polynomial is no number").with_source(source))?;
        if !Polynomial(polynomial).is_irreducible() {
            return Err(Error::corrupt("config", "its polynomial is reducible"));
        }
        Ok(config)
    }

    /// True if blobs and files may be compressed.
    pub(crate) fn compresses(&self) -> bool {
        self.version >= CURRENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_configuration_survives_its_json_form() {
        let config = Config::generate().unwrap();
        assert_eq!(Config::from_json(&config.to_json().unwrap()).unwrap(), config);
        assert!(config.compresses());
    }

    #[test]
    fn newer_versions_and_reducible_polynomials_are_refused() {
        let newer = br#"{"version":3,"id":"x","chunker_polynomial":"25b468838dcb75"}"#;
        assert_eq!(Config::from_json(newer).unwrap_err().kind(), &ErrorKind::Unsupported);
        let reducible = br#"{"version":2,"id":"x","chunker_polynomial":"4"}"#;
        assert!(matches!(Config::from_json(reducible).unwrap_err().kind(), ErrorKind::Corrupt { .. }));
    }
}
