//! Signing in and out.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use http::StatusCode;
use http::header::SET_COOKIE;
use stillpoint_core::ErrorKind;

use super::desk::{Desk, Fields, bare, refusal};
use super::view::{shell, sign_in};
use crate::access::{Secret, Session};
use crate::plane::ControlPlane;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new().route("/sign-in", get(form).post(begin)).route("/sign-out", post(end))
}

async fn form(State(plane): State<ControlPlane>) -> Html<String> {
    page(&plane, None)
}

fn page(plane: &ControlPlane, refused: Option<&str>) -> Html<String> {
    let main = sign_in::render(refused, plane.is_demo());
    Html(shell::page(&bare(plane), None, "Sign in", &main).into_string())
}

async fn begin(State(plane): State<ControlPlane>, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let secret = Secret::given(Fields(fields).get("token"));
    let signed_in = match plane.authenticate(&secret).await {
        Ok(caller) => plane.noted(&caller, "sign-in", "page", None, Ok(())).await,
        Err(error) => Err(error),
    };
    match signed_in {
        Ok(()) => {
            let cookie = Session::new(secret).begin(plane.is_secure());
            ([(SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        Err(error) if error.kind() == ErrorKind::Unauthenticated => {
            // Whoever guesses could fill the audit log, so this is for the log of the process.
            tracing::warn!(target: "stillpoint::audit", action = "sign-in", "an unknown token was refused");
            let refused = "That token is unknown, revoked or over.";
            (StatusCode::UNAUTHORIZED, page(&plane, Some(refused))).into_response()
        }
        Err(error) => refusal(&bare(&plane), &error),
    }
}

async fn end(desk: Desk, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let proved = desk.prove(&Fields(fields));
    match desk.plane.noted(desk.caller(), "sign-out", "page", None, proved).await {
        Ok(()) => {
            let cookie = Session::end(desk.plane.is_secure());
            ([(SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response()
        }
        Err(error) => desk.refuse(&error),
    }
}
