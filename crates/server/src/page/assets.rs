//! What browsers load besides the pages: style, script and mark, all part of the program. A digest of the content stands in
//! each address, so that browsers keep them for as long as they are the same.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use crate::plane::ControlPlane;

const STYLE: &str = concat!(
    include_str!("assets/base.css"),
    include_str!("assets/grid.css"),
    include_str!("assets/form.css")
);
const SCRIPT: &str = include_str!("assets/page.js");
const MARK: &str = include_str!("assets/mark.svg");

/// The routes below `/assets`.
pub(super) fn router() -> Router<ControlPlane> {
    Router::new().route("/assets/{name}", get(asset))
}

/// The address of the style.
pub(super) fn style() -> String {
    format!("/assets/page.css?{}", digest(STYLE))
}

/// The address of the script.
pub(super) fn script() -> String {
    format!("/assets/page.js?{}", digest(SCRIPT))
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

async fn asset(Path(name): Path<String>) -> Response {
    let (kind, content) = match name.as_str() {
        "page.css" => ("text/css; charset=utf-8", STYLE),
        "page.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "mark.svg" => ("image/svg+xml", MARK),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, content).into_response()
}
