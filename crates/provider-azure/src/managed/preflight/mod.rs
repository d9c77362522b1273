//! What would make a backup fail, found before it is started. Nothing is changed.

mod files;
mod guard;
mod place;
mod resource;
mod rights;
mod vault;

use stillpoint_core::{Component, ErrorKind, Finding, OpContext, Result, Retry, Severity};

use super::AzureProvider;
use super::kind::Kind;
use super::policy::place;
use super::settings::Source;
use super::vault::Source as Vaulted;
use crate::connection::Connection;

/// Who and what is looked at.
#[derive(Debug)]
struct Subject<'a> {
    connection: &'a Connection,
    component: &'a Component,
    source: Source,
    kind: Kind,
}

impl AzureProvider {
    pub(super) async fn check(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        match Vaulted::of(component) {
            Ok(Some(source)) => return self.check_vaulted(cx, component, &source).await,
            Ok(None) => {}
            Err(error) => return Ok(vec![blocker("settings", error.to_string())]),
        }
        let kind = Kind::of(component);
        let source = match place(kind, component) {
            Ok(source) => source,
            Err(error) => return Ok(vec![blocker("settings", error.to_string())]),
        };
        let subject = Subject { connection: self.connection(), component, source, kind };
        let mut findings = match subject.subscription().await {
            Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                return Ok(vec![blocker("credentials", error.to_string())]);
            }
            told => judged("subscription", told)?,
        };
        findings.extend(subject.clock());
        findings.extend(judged("provider-registered", subject.registered().await)?);
        cx.check()?;
        findings.extend(judged("resource-group", subject.resource_group().await)?);
        findings.extend(judged("permissions", subject.permissions().await)?);
        findings.extend(judged("locks", subject.locks().await)?);
        cx.check()?;
        if kind == Kind::Disk {
            findings.extend(judged("resource-exists", subject.resource().await)?);
            findings.extend(judged("disk-limits", subject.limits(cx.clock().now()).await)?);
        } else {
            findings.extend(judged("resource-exists", subject.files().await)?);
        }
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

fn info(check: &str, message: impl Into<String>) -> Finding {
    Finding::new(check, Severity::Info, message)
}
