//! Key files: the master key, sealed under a key derived from the password with scrypt.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::credentials::{Credentials, Strength};
use crate::crypto::{KEY_LEN, SealingKey};
use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::random;
use crate::time::Timestamp;

const SALT: usize = 64;
/// Most memory a key file may make us spend: what rustic's largest default takes, twice.
const MAX_MEMORY: u64 = 256 << 20;
const MAX_PARALLEL: u32 = 16;
/// Most key files a repository may make us try; each may cost a second.
pub(crate) const MAX_KEYS: usize = 20;

/// Key files that are tried: one more, for a changed password has two keys until the old one is removed.
pub(crate) const KEYS_TRIED: usize = MAX_KEYS + 1;
/// Longest key file we read.
pub(crate) const MAX_KEY_FILE: u64 = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyFile {
    /// Rustic leaves out what it does not know.
    created: Option<Timestamp>,
    username: Option<String>,
    hostname: Option<String>,
    kdf: String,
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
    salt: String,
    data: String,
}

#[derive(Debug, Clone, Copy)]
struct Cost {
    log_n: u8,
    r: u32,
    p: u32,
}

impl Cost {
    fn of(strength: Strength) -> Self {
        match strength {
            Strength::Human => Self { log_n: 15, r: 8, p: 1 },
            Strength::Machine => Self { log_n: 10, r: 8, p: 1 },
        }
    }

    /// The cost a key file demands, if it is one we are willing to pay.
    fn read(file: &KeyFile) -> Option<Self> {
        let memory = file.n.checked_mul(128)?.checked_mul(u64::from(file.r))?;
        let acceptable = file.kdf == "scrypt"
            && file.n.is_power_of_two()
            && file.n > 1
            && (1..=MAX_MEMORY).contains(&memory)
            && (1..=MAX_PARALLEL).contains(&file.p);
        let log_n = u8::try_from(file.n.trailing_zeros()).ok()?;
        acceptable.then_some(Self { log_n, r: file.r, p: file.p })
    }

    fn derive(self, credentials: &Credentials, salt: &[u8]) -> Result<SealingKey> {
        let params = scrypt::Params::new(self.log_n, self.r, self.p).map_err(|source| {
            Error::invalid("the key derivation cost is not valid").with_source(source.to_string())
        })?;
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        scrypt::scrypt(credentials.expose(), salt, &params, bytes.as_mut_slice()).map_err(|source| {
            Error::invalid("the password cannot be derived from").with_source(source.to_string())
        })?;
        SealingKey::from_bytes(bytes)
    }
}

impl KeyFile {
    /// Seals `master` under `credentials`. Takes about a third of a second for a human password.
    pub(crate) fn create(
        master: &SealingKey,
        credentials: &Credentials,
        origin: &Origin,
        created: Timestamp,
    ) -> Result<Self> {
        let salt: [u8; SALT] = random::bytes()?;
        let cost = Cost::of(credentials.strength());
        let sealed = cost.derive(credentials, &salt)?.seal(&master.to_json()?)?;
        Ok(Self {
            created: Some(created),
            username: Some(origin.username.clone()),
            hostname: Some(origin.hostname.clone()),
            kdf: "scrypt".to_owned(),
            n: 1 << cost.log_n,
            r: cost.r,
            p: cost.p,
            salt: STANDARD.encode(salt),
            data: STANDARD.encode(sealed),
        })
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|source| Error::invalid("the key file cannot be written").with_source(source))
    }

    /// When, by whom and where it was made.
    pub(crate) fn into_origin(self) -> (Option<Timestamp>, Option<String>, Option<String>) {
        (self.created, self.username, self.hostname)
    }

    pub(crate) fn from_json(object: &str, json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json)
            .map_err(|source| Error::corrupt(object, "it is not a key file").with_source(source))
    }

    /// True if opening this file would get as far as deriving a key.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn is_usable(&self) -> bool {
        Cost::read(self).is_some_and(|cost| scrypt::Params::new(cost.log_n, cost.r, cost.p).is_ok())
            && STANDARD.decode(&self.salt).is_ok()
            && STANDARD.decode(&self.data).is_ok()
    }

    /// The master key, or `None` if the password is not this key's.
    pub(crate) fn open(&self, object: &str, credentials: &Credentials) -> Result<Option<SealingKey>> {
        let cost = Cost::read(self)
            .ok_or_else(|| Error::corrupt(object, "it demands an unknown or unreasonable key derivation"))?;
        let decode = |text: &str| {
            STANDARD
                .decode(text)
                .map_err(|source| Error::corrupt(object, "it is not base64").with_source(source))
        };
        let (salt, sealed) = (decode(&self.salt)?, decode(&self.data)?);
        match cost.derive(credentials, &salt)?.open(&sealed).map(Zeroizing::new) {
            Ok(json) => SealingKey::from_json(&json).map(Some).ok_or_else(|| {
                Error::corrupt(object, "its password fits but the master key inside is not valid")
            }),
            Err(_wrong_password) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Credentials {
        Credentials::machine_key("0123456789abcdef0123456789abcdef".to_owned()).unwrap()
    }

    #[test]
    fn a_key_file_opens_with_its_password_only() {
        let master = SealingKey::generate().unwrap();
        let file = KeyFile::create(&master, &machine(), &Origin::default(), Timestamp::default()).unwrap();
        let file = KeyFile::from_json("keys/x", &file.to_json().unwrap()).unwrap();
        let opened = file.open("keys/x", &machine()).unwrap().unwrap();
        assert_eq!(opened.open(&master.seal(b"x").unwrap()).unwrap(), b"x");
        let other = Credentials::machine_key("another key of thirty-two letters".to_owned()).unwrap();
        assert!(file.open("keys/x", &other).unwrap().is_none());
    }

    #[test]
    fn a_key_file_cannot_demand_unbounded_work() {
        let master = SealingKey::generate().unwrap();
        for change in [
            |file: &mut KeyFile| file.n = 1 << 40,
            |file: &mut KeyFile| file.n = 3,
            |file: &mut KeyFile| file.r = u32::MAX,
            |file: &mut KeyFile| file.r = 0,
            |file: &mut KeyFile| file.p = 1000,
            |file: &mut KeyFile| file.kdf = "md5".to_owned(),
        ] {
            let mut file =
                KeyFile::create(&master, &machine(), &Origin::default(), Timestamp::default()).unwrap();
            change(&mut file);
            assert!(file.open("keys/x", &machine()).is_err());
        }
    }
}
