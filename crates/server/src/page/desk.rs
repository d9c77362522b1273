//! What every page is answered with: who asks, what surrounds the content, and what is said when it fails.

use axum::extract::FromRequestParts;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::request::Parts;
use maud::Markup;
use stillpoint_core::{Error, Result};

use super::assets;
use super::view::shell::{self, Section, Shell, Who};
use super::view::{part, problem};
use crate::access::{Caller, PageCaller, Role};
use crate::plane::ControlPlane;
use crate::problem::status;
use crate::view::OperationFilter;

/// More operations under way are not counted in the head of a page.
const RUNNING_COUNTED_MAX: usize = 99;

/// Who asks for a page, and of what it is made.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) plane: ControlPlane,
    asked: PageCaller,
    /// What was just done, as the address says.
    said: Option<&'static str>,
}

/// A page's content with its place.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) section: Section,
    pub(super) title: String,
    pub(super) main: Markup,
}

impl FromRequestParts<ControlPlane> for Desk {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, plane: &ControlPlane) -> Result<Self, Response> {
        let asked = PageCaller::from_request_parts(parts, plane).await?;
        let query = parts.uri.query().unwrap_or_default();
        let word = query.split('&').find_map(|pair| pair.strip_prefix("said="));
        Ok(Self { plane: plane.clone(), asked, said: word.and_then(said) })
    }
}

/// What can be said after a redirect. Only these words are understood, so that no link can put others on a page.
fn said(word: &str) -> Option<&'static str> {
    Some(match word {
        "started" => "It has begun. This page shows how far it is.",
        "stopping" => "It was asked to stop.",
        "held" => "It is held now, and kept whatever the retention says.",
        "released" => "The hold is released.",
        "scheduled" => "The schedule is saved.",
        "unscheduled" => "The schedule is removed. Backups that are there stay.",
        "forgotten" => "The backups that the preview named are deleted.",
        "forgotten-some" => {
            "Not all of the backups that the preview named are deleted: some are held, in use, or kept by the policy by now. \
             They are in the list; a new preview says why each of them stays."
        }
        _ => return None,
    })
}

impl Desk {
    pub(super) fn caller(&self) -> &Caller {
        &self.asked.caller
    }

    /// Whether whoever asks may do what takes `role`.
    pub(super) fn may(&self, role: Role) -> bool {
        self.caller().may(role)
    }

    /// Refuses a form that is not from one of this session's own pages.
    pub(super) fn prove(&self, fields: &Fields) -> Result<()> {
        self.asked.prove(fields.get("csrf"))
    }

    /// What surrounds a page.
    ///
    /// # Errors
    /// Whatever reading can meet.
    pub(super) async fn shell(&self) -> Result<Shell> {
        let filter = OperationFilter { limit: Some(RUNNING_COUNTED_MAX), ..OperationFilter::default() };
        let running = self.plane.operations(self.caller(), &filter).await?.operations.len();
        Ok(self.plain_shell(running))
    }

    fn plain_shell(&self, running: usize) -> Shell {
        Shell {
            who: Some(who(self.caller())),
            csrf: self.asked.proof(),
            notice: self.said,
            running,
            ..bare(&self.plane)
        }
    }

    /// The answer to a request for a page.
    pub(super) async fn show(&self, page: Result<Page>) -> Response {
        match page {
            Ok(page) => match self.shell().await {
                Ok(shell) => {
                    Html(shell::page(&shell, Some(page.section), &page.title, &page.main).into_string())
                        .into_response()
                }
                Err(error) => self.refuse(&error),
            },
            Err(error) => self.refuse(&error),
        }
    }

    /// The answer to a form: where to look next.
    pub(super) fn done(&self, done: Result<String>) -> Response {
        match done {
            Ok(address) => Redirect::to(&address).into_response(),
            Err(error) => self.refuse(&error),
        }
    }

    /// A page that says why not. It asks nothing of the catalog, which may be what failed.
    pub(super) fn refuse(&self, error: &Error) -> Response {
        refusal(&self.plain_shell(0), error)
    }
}

fn who(caller: &Caller) -> Who {
    Who {
        name: caller.name.clone(),
        role: caller.role.to_string(),
        environments: caller.environment.iter().cloned().collect(),
    }
}

/// What surrounds a page for somebody who has not signed in.
pub(super) fn bare(plane: &ControlPlane) -> Shell {
    Shell {
        style: assets::style(),
        script: assets::script(),
        who: None,
        csrf: String::new(),
        notice: None,
        running: 0,
        now: plane.clock().now(),
        demo: plane.is_demo(),
    }
}

/// A page that says why something was refused or failed.
pub(super) fn refusal(shell: &Shell, error: &Error) -> Response {
    let status = status(error.kind());
    if status.is_server_error() {
        tracing::error!(error = error.to_string_chain(), "a page failed");
    }
    let main = problem::render(error, shell.who.as_ref());
    (status, Html(shell::page(shell, None, problem::title(error.kind()), &main).into_string()))
        .into_response()
}

/// The fields of a form or a query, in their order; a name may come more than once.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(pub(super) Vec<(String, String)>);

impl Fields {
    /// A field without the space around it; empty where it is absent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// A field that says something.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    /// All values of a name.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// A number, where one was given.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        let read = |text: &str| {
            text.parse::<u64>().map_err(|error| {
                let message = format!("{} is not a whole number: {text:?}", name.replace('_', " "));
                Error::new(stillpoint_core::ErrorKind::InvalidInput, message).with_source(error)
            })
        };
        self.text(name).map(read).transpose()
    }
}

/// The address of an operation's page after it was begun.
pub(super) fn begun(operation: &str) -> String {
    part::path(&["operations", operation]) + "?said=started"
}
