//! Small parts of which the pages are made.

use maud::{Markup, Render, html};
use stillpoint_core::{
    BackupId, BackupState, ComponentState, Consistency, DamagedRow, Depth, OperationState, Severity,
};

use super::shell::Shell;
use super::text;
use crate::document::LeftHold;

/// A reference to one thing as a path: each part is one segment, whatever it contains.
pub(crate) fn path(parts: &[&str]) -> String {
    parts.iter().fold(String::new(), |path, part| path + "/" + &encode(part))
}

/// Percent-encodes everything that is not plainly harmless in a segment or a query.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// The page of a backup.
pub(crate) fn backup_path(id: &BackupId) -> String {
    path(&["backups", id.as_str()])
}

/// What a backup is called: its name, else the beginning of its id.
pub(crate) fn backup_name<'a>(name: Option<&'a str>, id: &'a BackupId) -> &'a str {
    name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| short(id.as_str()))
}

/// The beginning of an id, enough to tell it from others.
pub(crate) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Text from outside, kept from changing the direction of what stands around it.
pub(crate) fn foreign(text: &str) -> Markup {
    html! { bdi { (text) } }
}

/// A link to a workspace's page.
pub(crate) fn workspace_link(id: &str) -> Markup {
    html! { a href=(path(&["workspaces", id])) { (foreign(id)) } }
}

/// The host whose directory a backup holds, after the workspace's name: the same path on two hosts is one name.
pub(crate) fn on_host(host: Option<&str>) -> Markup {
    html! { @if let Some(host) = host { " on " (foreign(host)) } }
}

/// The field by which a form proves that it came from one of our pages.
pub(crate) fn csrf(shell: &Shell) -> Markup {
    html! { input type="hidden" name="csrf" value=(shell.csrf); }
}

/// The mark: a still point in a ring.
pub(crate) fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false" {
            circle.mark-ring cx="12" cy="12" r="9.5" {}
            circle.mark-point cx="12" cy="12" r="3.5" {}
        }
    }
}

/// What was just done.
pub(crate) fn notice(text: &str) -> Markup {
    html! { div.notice.good role="status" { p { (text) } } }
}

/// How a state is meant, which chooses colour and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Warn,
    Bad,
    Busy,
    Idle,
}

impl Mood {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Busy => "busy",
            Self::Idle => "idle",
        }
    }
}

/// A state as a word with a shape of its own, so that colour is never all that tells.
pub(crate) fn pill(mood: Mood, word: &str) -> Markup {
    html! { span class={ "pill " (mood.class()) } { (glyph(mood)) (word) } }
}

fn glyph(mood: Mood) -> Markup {
    html! {
        svg.glyph viewBox="0 0 10 10" width="10" height="10" aria-hidden="true" focusable="false" { (shape(mood)) }
    }
}

/// The shape of a mood, ten units wide and high.
pub(crate) fn shape(mood: Mood) -> Markup {
    html! {
        @match mood {
            Mood::Good => circle cx="5" cy="5" r="4" {},
            Mood::Warn => path d="M5 1 L9.3 9 H0.7 Z" {},
            Mood::Bad => path d="M2 0.8 L5 3.8 L8 0.8 L9.2 2 L6.2 5 L9.2 8 L8 9.2 L5 6.2 L2 9.2 L0.8 8 L3.8 5 L0.8 2 Z" {},
            Mood::Busy => circle.hollow cx="5" cy="5" r="3.4" {},
            Mood::Idle => rect x="1" y="4" width="8" height="2" rx="1" {},
        }
    }
}

/// Where a backup stands.
pub(crate) fn backup_state(state: BackupState) -> Markup {
    pill(backup_mood(state), state.as_str())
}

pub(crate) fn backup_mood(state: BackupState) -> Mood {
    match state {
        BackupState::Completed => Mood::Good,
        BackupState::Partial => Mood::Warn,
        BackupState::Damaged => Mood::Bad,
        _ => Mood::Idle,
    }
}

/// Where an operation stands.
pub(crate) fn operation_state(state: OperationState) -> Markup {
    let mood = match state {
        OperationState::Completed => Mood::Good,
        OperationState::Partial | OperationState::Detached => Mood::Warn,
        OperationState::Failed => Mood::Bad,
        OperationState::Running | OperationState::Cancelling => Mood::Busy,
        _ => Mood::Idle,
    };
    pill(mood, state.as_str())
}

/// What became of a component.
pub(crate) fn component_state(state: ComponentState) -> Markup {
    let (mood, word) = match state {
        ComponentState::Completed => (Mood::Good, "completed"),
        ComponentState::Partial => (Mood::Warn, "partial"),
        ComponentState::Late => (Mood::Warn, "late"),
        ComponentState::Failed => (Mood::Bad, "failed"),
        ComponentState::Damaged => (Mood::Bad, "damaged"),
        ComponentState::Excluded => (Mood::Idle, "excluded"),
        _ => (Mood::Idle, "cancelled"),
    };
    pill(mood, word)
}

/// How grave a finding is.
pub(crate) fn severity(severity: Severity) -> Markup {
    match severity {
        Severity::Blocker => pill(Mood::Bad, "blocker"),
        Severity::Warning => pill(Mood::Warn, "warning"),
        _ => pill(Mood::Idle, "note"),
    }
}

/// What a set of snapshots can be trusted to be, and what that means.
pub(crate) fn consistency(consistency: Consistency) -> (&'static str, &'static str) {
    match consistency {
        Consistency::Application => {
            ("application", "services were held still in an orderly way while it was captured")
        }
        Consistency::Filesystem => ("filesystem", "file systems were frozen while it was captured"),
        Consistency::Crash => ("crash", "everything is of one moment, as after a power cut"),
        _ => ("fuzzy", "parts were captured at different moments while services ran"),
    }
}

/// How deeply a snapshot was looked at.
pub(crate) fn depth(depth: Depth) -> &'static str {
    match depth {
        Depth::Listed => "listed",
        Depth::Sized => "sized",
        Depth::Decrypted => "decrypted",
        _ => "restored",
    }
}

/// Where nothing is, and what to do about it.
pub(crate) fn empty(title: &str, advice: &Markup) -> Markup {
    html! { div.empty { (mark()) h2 { (title) } div.empty-advice { (advice) } } }
}

/// A fact with its name, for description lists. Nothing is shown of what is not known.
pub(crate) fn fact(name: &str, value: &impl Render) -> Markup {
    html! { div.fact { dt { (name) } dd { (value) } } }
}

/// How far something is; a bar without an end where the whole is unknown.
pub(crate) fn progress(label: &str, done: u64, total: Option<u64>) -> Markup {
    html! {
        @match total.filter(|total| *total > 0) {
            Some(total) => progress aria-label=(label) max=(total) value=(done.min(total)) { (percent(done, total)) },
            None => progress aria-label=(label) {},
        }
    }
}

/// A share in whole percent, which is 100 only when all is done.
pub(crate) fn percent(done: u64, total: u64) -> String {
    format!("{} %", u128::from(done.min(total)) * 100 / u128::from(total.max(1)))
}

/// A way to the pages around this one.
pub(crate) fn pager(first: Option<&str>, next: Option<&str>, shown: usize, what: (&str, &str)) -> Markup {
    html! {
        nav.pager aria-label="Pages" {
            span.pager-count { (text::count(shown, what.0, what.1)) " on this page" }
            @if let Some(first) = first { a href=(first) { "First page" } }
            @if let Some(next) = next { a.next rel="next" href=(next) { "Next page" } }
        }
    }
}

/// The places above a page.
pub(crate) fn crumbs(above: &[(&str, String)]) -> Markup {
    html! {
        nav.crumbs aria-label="Breadcrumb" {
            ol { @for (name, href) in above { li { a href=(href) { (foreign(name)) } } } }
        }
    }
}

/// Rows of a list that cannot be read.
pub(crate) fn damaged(rows: &[DamagedRow]) -> Markup {
    html! {
        div.notice.bad role="alert" {
            p { (text::count(rows.len(), "entry", "entries")) " on this page cannot be read:" }
            ul { @for row in rows { li { code { (row.id) } ": " (row.error.message) } } }
        }
    }
}

/// Workspaces that were left held still, each with what to do. Nothing where there is none.
pub(crate) fn left_held(held: &[LeftHold]) -> Markup {
    html! { @for one in held { div.notice.bad role="alert" { p { (foreign(&one.sentence())) } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one_segment_whatever_it_contains() {
        assert_eq!(path(&["workspaces", "/home/ada"]), "/workspaces/%2Fhome%2Fada");
        assert_eq!(encode("a b?c#d&e=\"<é"), "a%20b%3Fc%23d%26e%3D%22%3C%C3%A9");
    }

    #[test]
    fn text_from_outside_is_text() {
        let shown = workspace_link("\"><script>alert(1)</script>").into_string();
        assert!(!shown.contains("<script") && shown.contains("&lt;script&gt;"), "{shown}");
    }

    #[test]
    fn all_is_done_only_when_it_is() {
        assert_eq!(percent(999, 1000), "99 %");
        assert_eq!(percent(1000, 1000), "100 %");
    }
}
