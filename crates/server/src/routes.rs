//! Everything that is served, and what holds for each request.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, Method, StatusCode};
use stillpoint_core::{Error, ErrorKind, OperationQuery, Result};
use tower_http::catch_panic::CatchPanicLayer;

use crate::plane::ControlPlane;
use crate::problem::Problem;
use crate::{page, rest};

/// The longest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How long an answer may take that deletes backups one after the other.
const LONG_ANSWER_MAX: Duration = Duration::from_secs(24 * 3600);
/// What a page may load: its own assets, and nothing from elsewhere.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                              font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                              frame-ancestors 'none'";
/// A browser that came over TLS comes over TLS for a year.
const TRANSPORT_POLICY: &str = "max-age=31536000";

/// Everything that is served.
pub(crate) fn router(plane: ControlPlane) -> Router {
    let (api, description) = rest::router();
    let description = Json(description);
    let own = Router::new()
        .route("/openapi.json", get(move || async move { description.clone() }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    page::router()
        .merge(api)
        .merge(own)
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(plane.clone(), guard))
        .with_state(plane)
}

/// Whether the catalog answers. A server that cannot reach it is alive, and has nothing to say.
async fn ready(State(plane): State<ControlPlane>) -> Result<&'static str, Problem> {
    if plane.stop().is_cancelled() {
        return Err(Error::new(ErrorKind::Unavailable, "the server is stopping").into());
    }
    let mut query = OperationQuery::unfinished();
    query.limit = 1;
    plane.catalog().operations(&query).await?;
    Ok("ready\n")
}

async fn metrics(State(plane): State<ControlPlane>) -> Result<impl IntoResponse, Problem> {
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], plane.metrics_text().await?))
}

async fn unknown_path() -> Problem {
    Error::new(ErrorKind::NotFound, "nothing is served there; /openapi.json says what is").into()
}

async fn unknown_method() -> Problem {
    let message = "this method is not served there; /openapi.json says which are";
    Problem::from(Error::new(ErrorKind::Unsupported, message)).with_status(StatusCode::METHOD_NOT_ALLOWED)
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let message = "a defect stopped the request; the server's log says more";
    Problem::from(Error::new(ErrorKind::Unexpected, message)).into_response()
}

/// Bounds the time of each request, counts it, and adds the headers that every answer has.
async fn guard(State(plane): State<ControlPlane>, request: Request, next: Next) -> Response {
    let clock = plane.shared_clock();
    let (began, method) = (clock.now(), counted(request.method()));
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "unknown".to_owned());
    let answered = tokio::time::timeout(answer_max(&route), answer(request, next)).await;
    let mut answer = answered.unwrap_or_else(|_elapsed| {
        let message = "the answer took too long; what was begun goes on, and the operations show it";
        Problem::from(Error::new(ErrorKind::DeadlineExceeded, message).maybe_applied()).into_response()
    });
    dress(&mut answer, plane.is_secure());
    plane.metrics().count(method, &route, answer.status().as_u16(), clock.now().since(began));
    answer
}

/// What answers. What changes something goes on to its end, and is noted, also where the caller hangs up or nobody waits
/// for it any longer; it begins only once it was read whole.
async fn answer(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    if is_of_another_site(request.headers()) {
        let message =
            "this comes from a page of another site; go to this server's own pages and repeat it there";
        return Problem::from(Error::new(ErrorKind::PermissionDenied, message)).into_response();
    }
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => {
            let message =
                format!("the body cannot be read to its end, or has more than {BODY_BYTES_MAX} bytes");
            let error = Error::new(ErrorKind::InvalidInput, message).with_source(error);
            return Problem::from(error).into_response();
        }
    };
    let request = Request::from_parts(parts, Body::from(body));
    tokio::spawn(next.run(request)).await.unwrap_or_else(|gone| panicked(Box::new(gone)))
}

/// Whether a browser says that a page of another site made the request. What comes with a bearer token needs no such
/// protection: no browser adds that by itself.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let told = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if headers.contains_key(AUTHORIZATION) {
        return false;
    }
    match (told("sec-fetch-site"), told("origin")) {
        (Some(site), _) => !["same-origin", "none"].contains(&site),
        // Browsers that do not say more are told by their origin, unless they hide it, as from our own pages.
        (None, Some(origin)) if origin != "null" => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host != told("host")
        }
        _ => false,
    }
}

/// How long the answer of `route` may take.
fn answer_max(route: &str) -> Duration {
    match route {
        "/api/v1/retention/apply" | "/workspaces/{id}/retention" => LONG_ANSWER_MAX,
        _ => ANSWER_MAX,
    }
}

/// What a method is counted as. Callers may make up any number of others.
fn counted(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// The headers that every answer has, unless its handler knows better.
fn dress(answer: &mut Response, secure: bool) {
    let mut defaults: Vec<(HeaderName, &'static str)> = vec![
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    if secure {
        defaults.push((STRICT_TRANSPORT_SECURITY, TRANSPORT_POLICY));
    }
    for (name, value) in defaults {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applying_retention_may_take_long_from_the_api_and_from_the_page() {
        for route in ["/api/v1/retention/apply", "/workspaces/{id}/retention"] {
            assert_eq!(answer_max(route), LONG_ANSWER_MAX, "{route}");
        }
        assert_eq!(answer_max("/api/v1/retention/preview"), ANSWER_MAX);
    }

    #[test]
    fn a_page_of_another_site_is_known_by_what_browsers_say_of_it() {
        let foreign = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_of_another_site(&pairs.collect())
        };
        let host = ("host", "here.example:8080");
        for site in ["cross-site", "same-site"] {
            assert!(foreign(&[host, ("sec-fetch-site", site)]), "{site}");
        }
        for site in ["same-origin", "none"] {
            assert!(!foreign(&[host, ("sec-fetch-site", site), ("origin", "null")]), "{site}");
        }
        assert!(foreign(&[host, ("origin", "https://there.example")]));
        assert!(foreign(&[host, ("origin", "https://here.example")]), "another port is another site");
        assert!(!foreign(&[host, ("origin", "https://here.example:8080")]));
        assert!(!foreign(&[host, ("origin", "null")]) && !foreign(&[host]));
        assert!(!foreign(&[("sec-fetch-site", "cross-site"), ("authorization", "Bearer stp_x")]));
    }
}
