//! Signing in.

use maud::{Markup, html};

use super::part;

/// The page's content; `refused` says why the last try failed.
pub(crate) fn render(refused: Option<&str>, demo: bool) -> Markup {
    html! {
        div.sign-in {
            (part::mark())
            h1 { "Workspace Backup Catalog" }
            form.sheet method="post" action="/sign-in" {
                label.field {
                    span { "Token" }
                    input type="password" name="token" required autocomplete="current-password" autofocus maxlength="200"
                        aria-describedby="token-note" aria-invalid=[refused.map(|_| "true")];
                }
                @if let Some(refused) = refused { p.error id="token-refused" role="alert" { (refused) } }
                p.note id="token-note" {
                    @if demo { "The demonstration printed its tokens where it was started." }
                    @else { "The first start of the server printed one; an administrator makes others with " code { "stillpoint token create" } "." }
                }
                button.primary.wide type="submit" { "Sign in" }
            }
        }
    }
}
