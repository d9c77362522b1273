//! Tokens: random secrets of which only a digest is kept.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stillpoint_core::{Clock, Entropy, Error, ErrorKind, Result, Timestamp};
use utoipa::ToSchema;

use super::caller::{Caller, Role};

/// What every token begins with, so that scanners for leaked secrets find it.
const PREFIX: &str = "stp_";
/// Random bytes in a token.
const SECRET_BYTES: usize = 32;
/// Random bytes in a token's id.
const ID_BYTES: usize = 6;
/// The longest name of a token, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// A token as its holder has it. It is shown once and stored nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A fresh secret.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; SECRET_BYTES];
        entropy.fill(&mut bytes);
        Self(format!("{PREFIX}{}", hex(&bytes)))
    }

    /// What a caller sent.
    pub fn given(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for its holder.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it. The secret is random and long, so one pass of SHA-256 gives nothing away.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// A value that follows from the secret and `purpose`, and from which the secret does not follow.
    pub(crate) fn derive(&self, purpose: &str) -> String {
        hex(&Sha256::new().chain_update(purpose).chain_update([0]).chain_update(self.0.as_bytes()).finalize())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is stored of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct TokenRecord {
    /// Names it; no secret.
    pub id: String,
    /// Whose or what for it is.
    pub name: String,
    /// What it may do: `viewer`, `operator` or `administrator`.
    #[schema(value_type = String)]
    pub role: Role,
    /// The only environment that it may see; `None` for all.
    #[serde(default)]
    pub environment: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Who made it.
    #[serde(default)]
    pub created_by: Option<String>,
    /// When it ends; `None` for never.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// The digest of the secret.
    #[serde(skip)]
    pub digest: String,
}

impl TokenRecord {
    /// Whether it still opens anything at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Who calls with it.
    pub fn caller(&self) -> Caller {
        Caller::new(&self.id, &self.name, self.role, self.environment.clone())
    }
}

/// A token that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewToken {
    /// Whose or what for it is.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The only environment that it may see; `None` for all.
    pub environment: Option<String>,
    /// How long it lasts; `None` for ever.
    pub expires: Option<Duration>,
    /// Who makes it.
    pub created_by: Option<String>,
}

impl NewToken {
    /// A token for `role` that sees every environment and lasts for ever.
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        Self { name: name.into(), role, environment: None, expires: None, created_by: None }
    }

    /// The token and what is to be stored of it.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is empty, too long or not one line.
    pub fn make(self, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<(Secret, TokenRecord)> {
        let environment = self.environment.as_deref().unwrap_or("all");
        for (what, text) in [("name", self.name.as_str()), ("environment", environment)] {
            if text.trim().is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
                let message = format!("a token's {what} is one line of 1 to {NAME_BYTES_MAX} bytes");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        let secret = Secret::generate(entropy);
        let mut id = [0; ID_BYTES];
        entropy.fill(&mut id);
        let now = clock.now();
        let record = TokenRecord {
            id: hex(&id),
            name: self.name,
            role: self.role,
            environment: self.environment,
            created_at: now,
            created_by: self.created_by,
            expires_at: self.expires.map(|span| now.after(span)),
            digest: secret.digest(),
        };
        Ok((secret, record))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{SeededEntropy, SystemClock};

    use super::*;

    #[test]
    fn neither_a_stored_token_nor_its_debug_form_gives_the_secret_away() {
        let made = NewToken::new("ada", Role::Viewer);
        let (secret, record) = made.make(&SystemClock::default(), &SeededEntropy::new(1)).unwrap();
        let shown = format!("{secret:?} {record:?} {}", serde_json::to_string(&record).unwrap());
        assert!(!shown.contains(secret.expose()), "{shown}");
        assert!(!serde_json::to_string(&record).unwrap().contains(&record.digest));
        assert_eq!(Secret::given(secret.expose()).digest(), record.digest);
    }

    #[test]
    fn a_token_ends_when_its_time_is_over() {
        let mut made = NewToken::new("ada", Role::Viewer);
        made.expires = Some(Duration::from_secs(60));
        let (_, record) = made.make(&SystemClock::default(), &SeededEntropy::new(1)).unwrap();
        assert!(record.is_valid(record.created_at.after(Duration::from_secs(59))));
        assert!(!record.is_valid(record.created_at.after(Duration::from_secs(60))));
    }
}
