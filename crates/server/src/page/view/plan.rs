//! What an operation would do, before it does it: findings, amount, forecast, calls, permissions, conflicts.

use maud::{Markup, html};
use stillpoint_core::{Basis, Finding, Forecast, Outlook, PlannedCall, Severity};

use super::part;
use super::text::{self, Bytes, Span};

/// Whether anything stands against it that must be put right, or waived by name, first.
pub(crate) fn is_blocked<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> bool {
    findings.into_iter().any(|finding| finding.severity == Severity::Blocker)
}

/// What was found, the gravest first.
pub(crate) fn findings(findings: &[&Finding]) -> Markup {
    let mut sorted = findings.to_vec();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    html! {
        @if sorted.is_empty() { p { (part::pill(part::Mood::Good, "clear")) " Nothing stands against it." } } @else {
            ul.findings {
                @for finding in sorted {
                    li { (part::severity(finding.severity)) " " strong { (finding.check) } ": " (part::foreign(&finding.message)) }
                }
            }
        }
    }
}

/// Amount, time, and what stands in the way.
pub(crate) fn outlook(outlook: &Outlook) -> Markup {
    html! {
        dl.facts {
            (part::fact("Bytes to move", &outlook.bytes.map_or("not known".into(), |bytes| Bytes(bytes).to_string())))
            (part::fact("Files to move", &outlook.files.map_or("not known".into(), |files| files.to_string())))
            (part::fact("Expected to take", &expected(outlook.forecast.as_ref())))
            (part::fact("In the way", &html! {
                @if outlook.conflicts.is_empty() { "nothing" }
                @for conflict in &outlook.conflicts {
                    a href=(part::path(&["operations", conflict.operation.as_str()])) { (conflict.kind) " of " (part::foreign(conflict.workspace.as_str())) }
                    " " (part::operation_state(conflict.state)) " "
                }
            }))
        }
        (details(outlook))
    }
}

fn expected(forecast: Option<&Forecast>) -> String {
    let Some(forecast) = forecast else { return "not known yet".into() };
    let basis = match forecast.basis {
        Basis::Measured => "from earlier backups",
        _ => "a first guess",
    };
    format!("{}, {basis}", Span(forecast.expected))
}

fn details(outlook: &Outlook) -> Markup {
    html! {
        @if !outlook.calls.is_empty() {
            details {
                summary { (text::count(outlook.calls.len(), "call", "calls")) " to the outside" }
                ol.calls { @for call in outlook.calls.iter().take(200) { (one(call)) } }
            }
        }
        @if !outlook.permissions.is_empty() {
            details {
                summary { (text::count(outlook.permissions.len(), "permission", "permissions")) " needed" }
                ul.plain { @for permission in &outlook.permissions { li { code { (permission) } } } }
            }
        }
        @if !outlook.tags.is_empty() {
            details {
                summary { (text::count(outlook.tags.len(), "tag", "tags")) " written on what is made" }
                ul.plain { @for (key, value) in &outlook.tags { li { code { (key) " = " (value) } } } }
            }
        }
    }
}

fn one(call: &PlannedCall) -> Markup {
    html! { li { code { (call.whom) "." (call.call) } " for " (part::foreign(&call.subject)) } }
}

/// Checkboxes by which each blocker can be waived by name.
pub(crate) fn waivers(findings: &[&Finding], waived: &[String]) -> Markup {
    let mut checks: Vec<_> =
        findings.iter().filter(|finding| finding.severity == Severity::Blocker).collect();
    checks.dedup_by_key(|finding| &finding.check);
    html! {
        @if !checks.is_empty() || !waived.is_empty() {
            fieldset {
                legend { "Go on in spite of" }
                @for name in waived { (checkbox(name, true)) }
                @for finding in checks { @if !waived.contains(&finding.check) { (checkbox(&finding.check, false)) } }
                p.note { "What is waived is recorded with the operation. Look at the plan again afterwards." }
            }
        }
    }
}

fn checkbox(name: &str, checked: bool) -> Markup {
    html! { label.check { input type="checkbox" name="waive" value=(name) checked[checked]; span { (name) } } }
}
