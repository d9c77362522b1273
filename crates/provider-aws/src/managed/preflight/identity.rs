//! Who calls, whose the resource is, and what either may do.

use stillpoint_core::{Error, ErrorKind, Finding, Result};

use super::super::AwsProvider;
use super::super::arn::Arn;
use super::super::iam::{Question, principal};
use super::super::policy::{BACKUP_SERVICE, PolicyScope, Task, policy};
use super::super::sts::Caller;
use super::{Subject, blocker, warning};

impl AwsProvider {
    /// What it means that AWS knows nobody by these credentials here.
    pub(super) async fn strangers(&self, subject: &Subject<'_>, error: Error) -> Result<Vec<Finding>> {
        let home = self.clients(self.home_region())?;
        let elsewhere = home.region != subject.clients.region && home.caller().await.is_ok();
        Ok(vec![if elsewhere {
            let region = &subject.clients.region;
            let message =
                format!("the credentials are good in {} and not in {region}; enable the region", home.region);
            blocker("region", message)
        } else {
            blocker("credentials", error.to_string())
        }])
    }
}

impl Subject<'_> {
    /// Caller, role and resource must belong to one account: AWS Backup takes nothing else.
    pub(super) fn accounts(&self, caller: &Caller) -> Vec<Finding> {
        let Arn { account, .. } = &self.source.arn;
        let mut findings = Vec::new();
        if caller.account != *account {
            let message = format!(
                "the credentials belong to account {}, {} to {account}; use credentials of that account",
                caller.account, self.source.arn
            );
            findings.push(blocker("account", message));
        }
        let role: Option<Arn> = self.settings.role_arn.parse().ok();
        if let Some(role) = role.filter(|role| role.account != *account) {
            let message = format!(
                "the role {role} belongs to another account than {}; name one of {account}",
                self.source.arn
            );
            findings.push(blocker("account", message));
        }
        findings
    }

    pub(super) async fn role(&self) -> Result<Vec<Finding>> {
        let arn: Arn = self.settings.role_arn.parse()?;
        let role = match self.clients.role(&arn).await {
            Ok(role) => role,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message =
                    format!("there is no role {arn}; make it with the documents that `policy` prints");
                return Ok(vec![blocker("role", message)]);
            }
            Err(error) => return Err(error),
        };
        let mut findings = Vec::new();
        if !role.trusts(BACKUP_SERVICE) {
            let message =
                format!("{BACKUP_SERVICE} may not assume {arn}; give it the trust that `policy` prints");
            findings.push(blocker("role", message));
        }
        // AWS's text demands the word; other names are reported to work.
        if !arn.resource.to_ascii_lowercase().contains("awsbackup") {
            let message =
                format!("AWS asks that the name of a role for AWS Backup contains AWSBackup; {arn} has not");
            findings.push(warning("role", message));
        }
        Ok(findings)
    }

    /// Asks IAM's simulator for everything that `task` on this component needs.
    pub(super) async fn permissions(&self, caller: &Caller, task: Task) -> Result<Vec<Finding>> {
        let Some(principal) = principal(&caller.arn) else { return Ok(Vec::new()) };
        let scope = PolicyScope::of(std::slice::from_ref(self.component), [task])?;
        let mut findings = Vec::new();
        for statement in policy(&scope).caller.statement {
            let passes = !statement.condition.is_empty();
            let question = Question {
                principal: &principal,
                actions: &statement.action,
                resources: &statement.resource,
                passed_to: passes.then_some(BACKUP_SERVICE),
            };
            let denied = self.clients.denied(&scope.partition, &question).await?;
            if denied.is_empty() {
                continue;
            }
            let message = format!(
                "{principal} may not {} on {}; attach what `policy` prints",
                denied.join(", "),
                statement.resource.join(", ")
            );
            // The simulator does not know everything that grants rights, but passing a role is IAM's alone.
            findings.push(if passes {
                blocker("pass-role", message)
            } else {
                warning("permissions", message)
            });
        }
        Ok(findings)
    }
}
