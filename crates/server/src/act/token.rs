//! Managing tokens.

use std::time::Duration;

use serde::Deserialize;
use stillpoint_core::{Error, ErrorKind, Result};
use utoipa::ToSchema;

use super::bounds;
use crate::access::{AuditLine, Caller, NewToken, Role, Secret, TokenRecord, keep_token};
use crate::plane::ControlPlane;

/// A token to make.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenOrder {
    /// Whose or what for it is.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) name: String,
    /// What its holder may do.
    #[schema(value_type = RoleWord)]
    pub(crate) role: Role,
    /// The only environment that it may see.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) environment: Option<String>,
    /// How many seconds it lasts; without it for ever.
    #[serde(default, deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 1, maximum = 3162240000_u64)]
    pub(crate) expires_seconds: Option<u64>,
}

/// What a token's holder may do.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes the words of `Role`")]
pub(crate) enum RoleWord {
    Viewer,
    Operator,
    Administrator,
}

impl ControlPlane {
    /// Makes a token.
    ///
    /// # Errors
    /// `PermissionDenied` for all but administrators of all environments; `InvalidInput` for a name that is none.
    pub(crate) async fn make_token(
        &self,
        caller: &Caller,
        order: &TokenOrder,
    ) -> Result<(Secret, TokenRecord)> {
        let done = async {
            caller.require(Role::Administrator)?;
            caller.require_all_environments()?;
            let mut made = NewToken::new(order.name.as_str(), order.role);
            made.environment.clone_from(&order.environment);
            made.expires = order.expires_seconds.map(Duration::from_secs);
            made.created_by = Some(caller.name.clone());
            let (secret, record) = made.make(self.clock(), self.entropy())?;
            if keep_token(self.access().as_ref(), &record, self.clock().now()).await? {
                return Ok((secret, record));
            }
            Err(Error::new(ErrorKind::Conflict, "the token could not be stored; try again"))
        };
        let done = done.await;
        let subject = done.as_ref().map_or_else(|_| order.name.clone(), |(_, record)| record.id.clone());
        self.noted(caller, "token-create", &subject, None, done).await
    }

    /// Every token, without its secret.
    ///
    /// # Errors
    /// `PermissionDenied` for all but administrators of all environments.
    pub(crate) async fn tokens(&self, caller: &Caller) -> Result<Vec<TokenRecord>> {
        caller.require(Role::Administrator)?;
        caller.require_all_environments()?;
        self.access().tokens().await
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// `PermissionDenied` for all but administrators of all environments; `NotFound` where there is none.
    pub(crate) async fn revoke_token(&self, caller: &Caller, id: &str) -> Result<()> {
        let done = async {
            caller.require(Role::Administrator)?;
            caller.require_all_environments()?;
            if self.access().remove_token(id).await? {
                self.gate().forget(id);
                return Ok(());
            }
            Err(Error::new(ErrorKind::NotFound, "there is no such token; the list shows what there is"))
        };
        let done = done.await;
        self.noted(caller, "token-revoke", id, None, done).await
    }

    /// The newest lines of the audit log.
    ///
    /// # Errors
    /// `PermissionDenied` for all but administrators of all environments.
    pub(crate) async fn audit_lines(&self, caller: &Caller, limit: usize) -> Result<Vec<AuditLine>> {
        caller.require(Role::Administrator)?;
        caller.require_all_environments()?;
        self.access().audit(limit).await
    }
}
