//! What opens a repository: a person's password or a machine's random key.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::random;

/// Fewest characters of a machine key: 32 of base64 carry 192 bits.
const MACHINE_KEY_MIN: usize = 32;

/// A repository password. Never printed, wiped from memory when dropped.
///
/// Stock restic opens the repository with the same text as its password.
#[derive(Clone)]
pub struct Credentials {
    secret: SecretString,
    strength: Strength,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strength {
    /// Thought up by a person: slow key derivation makes guessing expensive.
    Human,
    /// Random and long: nobody can guess it, so derivation may be quick.
    Machine,
}

impl Credentials {
    /// A password that a person chose.
    ///
    /// # Errors
    /// `InvalidInput` if it is empty.
    pub fn password(password: impl Into<Zeroizing<String>>) -> Result<Self> {
        let password = password.into();
        if password.is_empty() {
            return Err(Error::invalid("the repository password is empty; give one"));
        }
        Ok(Self { secret: SecretString::from(password.as_str()), strength: Strength::Human })
    }

    /// A long random secret kept by a machine, such as [`Self::generate`] makes.
    ///
    /// # Errors
    /// `InvalidInput` if it is shorter than 32 characters.
    pub fn machine_key(key: impl Into<Zeroizing<String>>) -> Result<Self> {
        let key = key.into();
        if key.len() < MACHINE_KEY_MIN {
            return Err(Error::invalid(format!("a machine key needs at least {MACHINE_KEY_MIN} characters")));
        }
        Ok(Self { secret: SecretString::from(key.as_str()), strength: Strength::Machine })
    }

    /// A new machine key of 256 random bits, and its text to be kept somewhere safe.
    ///
    /// # Errors
    /// `Io` if the operating system gives no random bytes.
    pub fn generate() -> Result<(Self, Zeroizing<String>)> {
        let bytes = Zeroizing::new(random::bytes::<32>()?);
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        Ok((Self::machine_key(text.clone())?, text))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.secret.expose_secret().as_bytes()
    }

    pub(crate) fn strength(&self) -> Strength {
        self.strength
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?}, ..)", self.strength)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_printed() {
        let credentials = Credentials::password("canary-5150".to_owned()).unwrap();
        assert!(!format!("{credentials:?}").contains("canary"));
    }

    #[test]
    fn empty_passwords_and_short_machine_keys_are_refused() {
        assert!(Credentials::password(String::new()).is_err());
        assert!(Credentials::machine_key("short".to_owned()).is_err());
        assert_eq!(Credentials::generate().unwrap().1.len(), 43);
    }
}
