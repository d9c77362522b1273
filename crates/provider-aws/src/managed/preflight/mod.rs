//! What would make a backup fail, found before it is started. Nothing is changed.

mod guard;
mod identity;
mod place;
mod resource;
mod vault;

use stillpoint_core::{Component, ErrorKind, Finding, OpContext, Result, Retry, Severity};

use super::AwsProvider;
use super::clients::Clients;
use super::policy::Task;
use super::settings::{BackupSettings, Source};

/// Who and what is looked at.
#[derive(Debug)]
struct Subject<'a> {
    clients: Clients,
    component: &'a Component,
    source: Source,
    settings: BackupSettings,
}

impl AwsProvider {
    pub(super) async fn check(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        let read = Source::of(component).and_then(|source| Ok((source, BackupSettings::of(component)?)));
        let (source, settings) = match read {
            Ok(read) => read,
            Err(error) => return Ok(vec![blocker("settings", error.to_string())]),
        };
        let clients = self.clients(&source.arn.region)?;
        let subject = Subject { clients, component, source, settings };
        let mut findings = subject.clock_and_opt_in().await?;
        let caller = match subject.clients.caller().await {
            Ok(caller) => caller,
            Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                findings.extend(self.strangers(&subject, error).await?);
                return Ok(findings);
            }
            Err(error) => return Err(error),
        };
        cx.check()?;
        findings.extend(subject.accounts(&caller));
        findings.extend(judged("role", subject.role().await)?);
        findings.extend(judged("permissions", subject.permissions(&caller, Task::Backup).await)?);
        cx.check()?;
        let (vault, told) = subject.vault().await?;
        findings.extend(told);
        let (key, told) = subject.resource(vault.as_ref()).await?;
        findings.extend(told);
        if let Some(key) = key {
            findings.extend(judged("kms-key", subject.key(&key).await)?);
        }
        cx.check()?;
        findings.extend(judged("resource-busy", subject.busy(cx.clock().now()).await)?);
        findings.extend(judged("automatic-backups", subject.automatic_backups().await)?);
        findings.extend(subject.identifiers());
        Ok(findings)
    }
}

/// A check that could not be made is itself a finding. What may pass by trying again is for the retry layer.
fn judged(check: &str, result: Result<Vec<Finding>>) -> Result<Vec<Finding>> {
    match result {
        Ok(findings) => Ok(findings),
        Err(error) if matches!(error.retry(), Retry::After { .. }) => Err(error),
        Err(error) => Ok(vec![warning(check, format!("it could not be looked at: {error}"))]),
    }
}

fn blocker(check: &str, message: impl Into<String>) -> Finding {
    Finding::new(check, Severity::Blocker, message)
}

fn warning(check: &str, message: impl Into<String>) -> Finding {
    Finding::new(check, Severity::Warning, message)
}
