//! The page at `/`.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use http::header::SET_COOKIE;
use serde::Deserialize;

use crate::access::{PageCaller, Secret, Session};
use crate::plane::ControlPlane;
use crate::problem::Problem;

/// The page.
pub(crate) fn router() -> Router<ControlPlane> {
    Router::new()
        .route("/", get(front))
        .route("/sign-in", get(sign_in_form).post(sign_in))
        .route("/sign-out", axum::routing::post(sign_out))
}

async fn front(caller: PageCaller) -> Html<String> {
    Html(format!(
        "<!doctype html><title>Stillpoint</title><h1>Stillpoint</h1><p>Signed in as a {}.</p>\
         <form method=post action=/sign-out><input type=hidden name=csrf value={}><button>Sign out</button></form>",
        caller.caller.role,
        caller.proof()
    ))
}

async fn sign_in_form() -> Html<&'static str> {
    Html(
        "<!doctype html><title>Stillpoint</title><form method=post><label>Token <input name=token type=password \
         autocomplete=current-password></label><button>Sign in</button></form>",
    )
}

#[derive(Deserialize)]
struct SignIn {
    token: String,
}

async fn sign_in(State(plane): State<ControlPlane>, Form(form): Form<SignIn>) -> Result<Response, Problem> {
    let secret = Secret::given(form.token.trim());
    plane.authenticate(&secret).await?;
    let cookie = Session::new(secret).begin(plane.is_secure());
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

#[derive(Deserialize)]
struct SignOut {
    csrf: String,
}

async fn sign_out(
    State(plane): State<ControlPlane>,
    caller: PageCaller,
    Form(form): Form<SignOut>,
) -> Result<Response, Problem> {
    caller.prove(&form.csrf)?;
    Ok(([(SET_COOKIE, Session::end(plane.is_secure()))], Redirect::to("/sign-in")).into_response())
}
