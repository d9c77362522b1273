//! Query parameters that a call does not take. They are refused by what the description says of each call, so that a
//! filter with a slip of the pen never answers as if it had been left out.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, Uri};
use stillpoint_core::{Error, ErrorKind, Result};
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};

use super::input::refused;
use crate::problem::Problem;

/// Letters of an unknown name that are told.
const NAME_CHARS_MAX: usize = 60;

/// The names of the query parameters that each call takes, by method and path.
#[derive(Debug)]
pub(super) struct Taken(HashMap<(Method, String), Vec<String>>);

impl Taken {
    /// What `description` says.
    pub(super) fn of(description: &Description) -> Self {
        let mut taken = HashMap::new();
        for (path, item) in &description.paths.paths {
            let calls = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
            ];
            for (method, call) in calls {
                if let Some(call) = call {
                    taken.insert((method, path.clone()), names(call));
                }
            }
        }
        Self(taken)
    }

    /// # Errors
    /// `InvalidInput` where `uri` carries a parameter that the call at `path` does not take.
    fn check(&self, method: &Method, path: &str, uri: &Uri) -> Result<(), Problem> {
        let method = if method == Method::HEAD { Method::GET } else { method.clone() };
        let Some(names) = self.0.get(&(method, path.to_owned())) else { return Ok(()) };
        let given = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(given) = given.map_err(|rejected| refused(rejected.body_text()))?;
        match given.iter().find(|(name, _)| !names.contains(name)) {
            Some((name, _)) => Err(unknown(name, names).into()),
            None => Ok(()),
        }
    }
}

/// The query parameters of a call.
fn names(call: &Operation) -> Vec<String> {
    let of_query = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(one) if one.parameter_in == ParameterIn::Query => Some(one.name.clone()),
        _ => None,
    };
    call.parameters.iter().flatten().filter_map(of_query).collect()
}

fn unknown(name: &str, names: &[String]) -> Error {
    let name: String = name.escape_debug().take(NAME_CHARS_MAX).collect();
    let takes = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let message = format!("this call takes no query parameter `{name}`; it takes {takes}");
    Error::new(ErrorKind::InvalidInput, message)
}

/// Lets only those requests on whose query the call takes.
pub(super) async fn refuse_unknown(
    State(taken): State<Arc<Taken>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    match taken.check(request.method(), path.as_str(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
