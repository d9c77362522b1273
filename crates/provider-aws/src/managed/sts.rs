//! Who calls: the account behind the credentials.

use serde::Deserialize;
use stillpoint_core::Result;

use crate::connection::{Call, Connection, Form, Service};

/// Source: the service model of STS, version 2011-06-15.
pub(super) const SERVICE: Service =
    Service { signing_name: "sts", id: "STS", host: "sts", target: "2011-06-15" };

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The account's number.
    pub(super) account: String,
    /// The user, role or session.
    pub(super) arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    get_caller_identity_result: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    account: String,
    arn: String,
}

/// Who the connection's credentials belong to. No policy can deny this call.
///
/// # Errors
/// `Unauthenticated` where they belong to nobody.
pub(super) async fn caller(connection: &Connection) -> Result<Caller> {
    let call = Call { connection, service: &SERVICE, operation: "GetCallerIdentity", mutates: false };
    let answer: Answer = call.query(&Form::new()).await?;
    let Identity { account, arn } = answer.get_caller_identity_result;
    Ok(Caller { account, arn })
}
