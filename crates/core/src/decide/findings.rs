//! What a preflight found: what stands against an operation, and what is to be said of it.

use crate::error::{Error, ErrorKind, ErrorRecord};
use crate::operation::OperationRecord;
use crate::provider::{Finding, Severity};

/// The error of the first blocker that nobody waived.
pub(super) fn blocked<'a>(
    findings: impl Iterator<Item = &'a Finding>,
    waivers: &[String],
) -> Option<ErrorRecord> {
    let mut blockers =
        findings.filter(|finding| finding.severity == Severity::Blocker && !waivers.contains(&finding.check));
    let first = blockers.next()?;
    let mut message = said(first);
    for more in blockers {
        message.push_str("; ");
        message.push_str(&said(more));
    }
    Some(Error::new(ErrorKind::InvalidInput, message).with("check", &first.check).record())
}

pub(super) fn said(finding: &Finding) -> String {
    format!("{} ({})", finding.message, finding.check)
}

/// Says what was found, each thing once: one vault has the same to say about each component.
pub(super) fn warn<'a>(record: &mut OperationRecord, findings: impl Iterator<Item = &'a Finding>) {
    for said in findings.filter(|finding| finding.severity >= Severity::Warning).map(said) {
        if !record.warnings.contains(&said) {
            record.warnings.push(said);
        }
    }
}
