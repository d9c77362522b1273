//! Who calls.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use stillpoint_core::{Error, ErrorKind, Origin, Result};

/// What a caller may do; each role may do what the one before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Looks.
    Viewer,
    /// Backs up, verifies, plans and restores, and stops what runs.
    Operator,
    /// Deletes, holds, sets schedules and retention, and manages tokens.
    Administrator,
}

impl Role {
    /// The word used in storage and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let roles = [Self::Viewer, Self::Operator, Self::Administrator];
        roles.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("{text:?} is no role; say viewer, operator or administrator"),
            )
        })
    }
}

/// Whoever holds the token that a request came with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The token's id, which is no secret.
    pub token: String,
    /// The name that the token was given.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The only environment that it may see; `None` for all.
    pub environment: Option<String>,
}

impl Caller {
    /// A caller.
    pub fn new(
        token: impl Into<String>,
        name: impl Into<String>,
        role: Role,
        environment: Option<String>,
    ) -> Self {
        Self { token: token.into(), name: name.into(), role, environment }
    }

    /// Whether it may see what belongs to `environment`.
    pub fn sees(&self, environment: Option<&str>) -> bool {
        self.environment.is_none() || self.environment.as_deref() == environment
    }

    /// Where a workspace comes from, as far as it may see that: a backup of another environment can be restored into its own.
    pub(crate) fn sees_origin(&self, origin: Option<Origin>) -> Option<Origin> {
        origin.filter(|origin| self.sees(origin.environment.as_deref()))
    }

    /// Whether it has `role` or more.
    pub fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Refuses a caller with less than `role`.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub fn require(&self, role: Role) -> Result<()> {
        if self.may(role) {
            return Ok(());
        }
        let message = format!("this takes the role {role}; the token {} is for a {}", self.token, self.role);
        Err(Error::new(ErrorKind::PermissionDenied, message))
    }

    /// Refuses a caller that is bound to one environment.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub fn require_all_environments(&self) -> Result<()> {
        match &self.environment {
            None => Ok(()),
            Some(only) => {
                let message =
                    format!("this concerns all environments; the token {} is for {only} alone", self.token);
                Err(Error::new(ErrorKind::PermissionDenied, message))
            }
        }
    }
}
