//! Policy documents as IAM writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::on::On;
use super::{PolicyScope, Task};

/// The version of IAM's policy language.
const VERSION: &str = "2012-10-17";
/// The service that works with the role.
pub(in super::super) const BACKUP_SERVICE: &str = "backup.amazonaws.com";

/// What to attach where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PolicyDocuments {
    /// For whoever runs Stillpoint.
    pub caller: PolicyDocument,
    /// For the role with which AWS Backup works (`role_arn`).
    pub role: ServiceRole,
}

/// What AWS Backup's own role needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceRole {
    /// Who may assume it.
    pub trust: PolicyDocument,
    /// AWS's own policies to attach to it.
    pub managed_policies: Vec<String>,
}

impl ServiceRole {
    /// Source of the managed policies:
    /// <https://docs.aws.amazon.com/aws-backup/latest/devguide/security-iam-awsmanpol.html>.
    pub(super) fn of(scope: &PolicyScope) -> Self {
        let managed = |name: &str| format!("arn:{}:iam::aws:policy/service-role/{name}", scope.partition);
        let any = |tasks: &[Task]| tasks.iter().any(|task| scope.tasks.contains(task));
        let mut managed_policies = Vec::new();
        // Deleting needs the role that made the point, with the right to delete its snapshot.
        if any(&[Task::Backup, Task::Copy, Task::Delete]) {
            managed_policies.push(managed("AWSBackupServiceRolePolicyForBackup"));
        }
        if any(&[Task::Restore]) {
            managed_policies.push(managed("AWSBackupServiceRolePolicyForRestores"));
        }
        let mut trust = Statement::bare("StillpointTrust", vec!["sts:AssumeRole".to_owned()]);
        trust.principal = one("Service", BACKUP_SERVICE);
        Self { trust: PolicyDocument::new(vec![trust]), managed_policies }
    }
}

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct PolicyDocument {
    /// The version of the language.
    pub version: String,
    /// What it allows.
    pub statement: Vec<Statement>,
}

impl PolicyDocument {
    /// A document of these statements.
    pub fn new(statement: Vec<Statement>) -> Self {
        Self { version: VERSION.to_owned(), statement }
    }
}

/// One statement of a policy document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Statement {
    /// Its name.
    pub sid: String,
    /// `Allow`.
    pub effect: String,
    /// Who is meant; only in a trust document.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub principal: BTreeMap<String, String>,
    /// The actions.
    pub action: Vec<String>,
    /// The resources that they are allowed on; absent in a trust document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// By operator, what must hold of which value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, BTreeMap<String, String>>,
}

impl Statement {
    fn bare(sid: &str, action: Vec<String>) -> Self {
        Self {
            sid: sid.to_owned(),
            effect: "Allow".to_owned(),
            principal: BTreeMap::new(),
            action,
            resource: Vec::new(),
            condition: BTreeMap::new(),
        }
    }

    pub(super) fn allow(on: On, action: Vec<String>, resource: Vec<String>) -> Self {
        let mut statement = Self::bare(&format!("Stillpoint{on:?}"), action);
        statement.resource = resource;
        if on == On::PassedRoles {
            let passed = one("iam:PassedToService", BACKUP_SERVICE);
            statement.condition.insert("StringEquals".to_owned(), passed);
        }
        if let Some(mark) = on.mark() {
            let marked = one(&format!("aws:ResourceTag/{mark}"), "*");
            statement.condition.insert("StringLike".to_owned(), marked);
        }
        statement
    }
}

fn one(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}
