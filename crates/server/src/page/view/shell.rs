//! What surrounds every page: head, navigation, who is signed in, and the notice of what was just done.

use maud::{DOCTYPE, Markup, html};
use stillpoint_core::Timestamp;

use super::part;

/// The part of the navigation in which a page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Backups,
    Workspaces,
    Operations,
}

/// Who looks at a page.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// The name of the token.
    pub(crate) name: String,
    /// The role, as a word.
    pub(crate) role: String,
    /// The environments it is limited to; empty for all.
    pub(crate) environments: Vec<String>,
}

/// What every page needs to know besides its own matter.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    /// Where the page's assets are, with a digest of their content.
    pub(crate) style: String,
    /// The same of the script.
    pub(crate) script: String,
    /// Who looks; nobody before signing in.
    pub(crate) who: Option<Who>,
    /// What a form must send back.
    pub(crate) csrf: String,
    /// What was just done.
    pub(crate) notice: Option<&'static str>,
    /// How many operations are under way.
    pub(crate) running: usize,
    /// The present.
    pub(crate) now: Timestamp,
    /// Whether this is a demonstration with invented data.
    pub(crate) demo: bool,
}

/// A whole page.
pub(crate) fn page(shell: &Shell, section: Option<Section>, title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Stillpoint" }
                link rel="stylesheet" href=(shell.style);
                link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                script src=(shell.script) defer {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (header(shell, section))
                main id="main" tabindex="-1" {
                    @if let Some(text) = shell.notice { (part::notice(text)) }
                    (main)
                }
                (footer(shell))
            }
        }
    }
}

fn header(shell: &Shell, section: Option<Section>) -> Markup {
    let link = |at: Section, href: &str, name: &str, number: usize| {
        html! {
            a href=(href) aria-current=[(section == Some(at)).then_some("page")] {
                (name)
                @if number > 0 {
                    " " span.badge { (number) span.unseen { " under way" } }
                }
            }
        }
    };
    html! {
        header.top {
            div.top-in {
                a.brand href="/" { (part::mark()) span { "Stillpoint" } }
                @if let Some(who) = &shell.who {
                    nav.sections aria-label="Main" {
                        (link(Section::Backups, "/", "Backups", 0))
                        (link(Section::Workspaces, "/workspaces", "Workspaces", 0))
                        (link(Section::Operations, "/operations", "Operations", shell.running))
                    }
                    div.who {
                        span.who-name { bdi { (who.name) } }
                        span.role title=[scope(who)] { (who.role) }
                        form method="post" action="/sign-out" {
                            (part::csrf(shell))
                            button.link type="submit" { "Sign out" }
                        }
                    }
                }
            }
        }
    }
}

fn scope(who: &Who) -> Option<String> {
    (!who.environments.is_empty()).then(|| format!("in {}", who.environments.join(", ")))
}

fn footer(shell: &Shell) -> Markup {
    html! {
        footer.foot {
            p {
                @if shell.demo { strong { "Demonstration: everything here is invented. " } }
                "Times are UTC. Page made " (super::text::moment(shell.now)) ". "
                a href="/openapi.json" { "API" }
            }
        }
    }
}
