//! What a reader sees where something is forbidden, missing or failed.

use maud::{Markup, html};
use stillpoint_core::{Error, ErrorKind};

use super::part;
use super::shell::Who;

/// The title of the page that tells of `error`.
pub(crate) fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "Not found",
        ErrorKind::PermissionDenied => "Not allowed",
        ErrorKind::Unauthenticated => "Sign in first",
        ErrorKind::InvalidInput | ErrorKind::InvalidConfig => "That cannot be done so",
        ErrorKind::Busy | ErrorKind::Conflict => "Somebody was first",
        ErrorKind::RateLimited => "Too many requests",
        ErrorKind::Unavailable => "The catalog cannot be reached",
        ErrorKind::Unsupported => "Not offered here",
        _ => "Something went wrong",
    }
}

/// The page's content.
pub(crate) fn render(error: &Error, who: Option<&Who>) -> Markup {
    let kind = error.kind();
    html! {
        div.problem role="alert" {
            (part::mark())
            h1 { (title(kind)) }
            p.lede { (part::foreign(&error.to_string())) }
            p { (advice(kind, who)) }
            p.actions {
                a.button href="/" { "All backups" }
                @if matches!(kind, ErrorKind::Unauthenticated) { a.button.primary href="/sign-in" { "Sign in" } }
            }
        }
    }
}

fn advice(kind: ErrorKind, who: Option<&Who>) -> Markup {
    html! {
        @match kind {
            ErrorKind::PermissionDenied => {
                @match who {
                    Some(who) => { "You are signed in as " strong { (part::foreign(&who.name)) } ", whose role is " strong { (who.role) } ". Ask an administrator for a token with a role that allows it." },
                    None => "Ask an administrator for a token with a role that allows it.",
                }
            },
            ErrorKind::NotFound => "It may have been deleted, or belong to an environment that your token is not for.",
            ErrorKind::Busy | ErrorKind::Conflict => "Look at what is under way, then try again.",
            ErrorKind::Unavailable | ErrorKind::RateLimited => "Nothing was changed. Reload in a moment.",
            ErrorKind::InvalidInput | ErrorKind::InvalidConfig => "Nothing was changed. Go back and correct it.",
            _ => "What was asked for may or may not have happened; the operations show what did.",
        }
    }
}
