//! The two questions that IAM is asked: is there such a role, and may somebody do something.
//!
//! Source: the service model of IAM, version 2010-05-08.

use serde::Deserialize;
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, Result};
use url::form_urlencoded;

use super::arn::Arn;
use super::clients::Clients;
use crate::connection::{Call, Connection, Form, Service};

/// IAM is one service for all regions of a partition; it signs for one of them.
/// Source: <https://docs.aws.amazon.com/general/latest/gr/iam-service.html>.
const PARTITIONS: [(&str, &str, Service); 3] = [
    ("aws", "us-east-1", service("iam.amazonaws.com")),
    ("aws-cn", "cn-north-1", service("iam.cn-north-1.amazonaws.com.cn")),
    ("aws-us-gov", "us-gov-west-1", service("iam.us-gov.amazonaws.com")),
];

const fn service(host: &'static str) -> Service {
    Service { signing_name: "iam", id: "IAM", host, target: "2010-05-08" }
}

/// A role, as far as AWS Backup is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    /// Who may assume it, in IAM's own words.
    trust: Value,
}

impl Role {
    /// Whether `service` may assume it.
    pub(super) fn trusts(&self, service: &str) -> bool {
        let names = |value: &Value, wanted: &str| match value {
            Value::String(one) => one == wanted,
            Value::Array(many) => many.iter().any(|one| one == wanted),
            _ => false,
        };
        let statements = match &self.trust["Statement"] {
            Value::Array(many) => many.as_slice(),
            one => std::slice::from_ref(one),
        };
        statements.iter().any(|statement| {
            statement["Effect"] == "Allow"
                && names(&statement["Action"], "sts:AssumeRole")
                && names(&statement["Principal"]["Service"], service)
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleAnswer {
    get_role_result: RoleResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleResult {
    role: RoleItem,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleItem {
    #[serde(default)]
    assume_role_policy_document: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SimulationAnswer {
    simulate_principal_policy_result: SimulationResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SimulationResult {
    #[serde(default)]
    evaluation_results: Members,
}

#[derive(Default, Deserialize)]
struct Members {
    #[serde(default)]
    member: Vec<Evaluation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Evaluation {
    eval_action_name: String,
    eval_decision: String,
}

/// A question to IAM's simulator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// A user's or role's own name.
    pub(super) principal: &'a str,
    pub(super) actions: &'a [String],
    pub(super) resources: &'a [String],
    /// The service that a role is handed to, where that is what is asked.
    pub(super) passed_to: Option<&'a str>,
}

impl Clients {
    fn iam(&self, partition: &str) -> Result<(Connection, &'static Service)> {
        let known = PARTITIONS.iter().find(|(name, ..)| *name == partition);
        let (_, region, service) = known.ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!("where IAM of the partition {partition} is, is not known"),
            )
        })?;
        Ok((self.connection.in_region(region), service))
    }

    /// The role `arn`.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub(super) async fn role(&self, arn: &Arn) -> Result<Role> {
        let (connection, service) = self.iam(&arn.partition)?;
        let call = Call { connection: &connection, service, operation: "GetRole", mutates: false };
        // A role's name is the last part of its path.
        let name = arn.resource.rsplit('/').next().unwrap_or_default();
        let answer: RoleAnswer = call.query(&Form::new().with("RoleName", name)).await?;
        let encoded = format!("trust={}", answer.get_role_result.role.assume_role_policy_document);
        let decoded = form_urlencoded::parse(encoded.as_bytes()).next().map(|(_, text)| text.into_owned());
        let trust = serde_json::from_str(&decoded.unwrap_or_default()).map_err(|error| {
            Error::new(ErrorKind::Unexpected, format!("the trust of {arn} is no JSON")).with_source(error)
        })?;
        Ok(Role { trust })
    }

    /// Which of the actions the principal may not do, as IAM's simulator says; it knows the policies of the account and
    /// not those of an organisation or of the resources.
    ///
    /// # Errors
    /// `NotFound` where there is no such principal.
    pub(super) async fn denied(&self, partition: &str, question: &Question<'_>) -> Result<Vec<String>> {
        let (connection, service) = self.iam(partition)?;
        let call =
            Call { connection: &connection, service, operation: "SimulatePrincipalPolicy", mutates: false };
        let mut form = Form::new()
            .with("PolicySourceArn", question.principal)
            .list("ActionNames.member", question.actions)
            .list("ResourceArns.member", question.resources);
        if let Some(service) = question.passed_to {
            form = form
                .with("ContextEntries.member.1.ContextKeyName", "iam:PassedToService")
                .with("ContextEntries.member.1.ContextKeyType", "string")
                .with("ContextEntries.member.1.ContextKeyValues.member.1", service);
        }
        let answer: SimulationAnswer = call.query(&form).await?;
        let results = answer.simulate_principal_policy_result.evaluation_results.member;
        let denied = results.into_iter().filter(|result| result.eval_decision != "allowed");
        Ok(denied.map(|result| result.eval_action_name).collect())
    }
}

/// The name by which IAM knows who calls: of a session the role's own; `None` for the account's root, whom no policy
/// binds.
pub(super) fn principal(caller: &str) -> Option<String> {
    let arn: Arn = caller.parse().ok()?;
    match (arn.service.as_str(), arn.resource_type()) {
        ("iam", "user" | "role") => Some(caller.to_owned()),
        ("sts", "assumed-role") => {
            let name = arn.resource_id().split('/').next()?;
            let mut role = arn.sibling("iam", format!("role/{name}"));
            role.region = String::new();
            Some(role.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_is_asked_about_by_its_role() {
        for (caller, expected) in [
            ("arn:aws:iam::1:user/ann", Some("arn:aws:iam::1:user/ann")),
            ("arn:aws:sts::1:assumed-role/Admin/session", Some("arn:aws:iam::1:role/Admin")),
            ("arn:aws:iam::1:root", None),
            ("nobody", None),
        ] {
            assert_eq!(principal(caller).as_deref(), expected);
        }
    }

    #[test]
    fn a_trust_may_name_one_service_or_many() {
        let trusts =
            |statement: Value| Role { trust: json!({"Statement": statement}) }.trusts("backup.amazonaws.com");
        let statement = |service: Value| json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}});
        assert!(trusts(json!([statement(json!("backup.amazonaws.com"))])));
        assert!(trusts(statement(json!(["ec2.amazonaws.com", "backup.amazonaws.com"]))));
        assert!(!trusts(json!([statement(json!("ec2.amazonaws.com"))])));
        assert!(!trusts(json!([])));
    }

    #[test]
    fn iam_has_one_address_for_each_partition() {
        let connection = Connection::with_credentials("eu-west-1", "a", "b", None, None).unwrap();
        let clients = Clients::new(&connection, "eu-west-1").unwrap();
        let (connection, service) = clients.iam("aws").unwrap();
        assert_eq!(connection.region(), "us-east-1");
        assert_eq!(connection.endpoint(service).unwrap().as_str(), "https://iam.amazonaws.com/");
        let (connection, service) = clients.iam("aws-cn").unwrap();
        assert_eq!(
            connection.endpoint(service).unwrap().as_str(),
            "https://iam.cn-north-1.amazonaws.com.cn/"
        );
    }
}
