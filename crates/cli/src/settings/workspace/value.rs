//! Values of the configuration that are checked where they are read, so that their line is named.

use std::fmt;

use serde::Deserialize;

/// An AWS account: twelve digits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Account(String);

/// A cloud region, as its provider spells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Region(String);

/// An Azure subscription: a GUID.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Subscription(String);

impl Subscription {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Subscription {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hyphens = text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        if text.len() == 36 && hyphens {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!("subscription {text:?} is not the id of an Azure subscription (a GUID)"))
    }
}

impl Account {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Region {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Account {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(text));
        }
        Err(format!("account {text:?} is not an AWS account of twelve digits; write it between quotes"))
    }
}

impl TryFrom<String> for Region {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !text.is_empty() && text.len() <= 64 && text.bytes().all(fits) {
            return Ok(Self(text));
        }
        Err(format!("region {text:?} is not a region; write it as in us-west-2"))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
