//! What requests carry, read so that what cannot be read is answered as a problem.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use stillpoint_core::{Error, ErrorKind, OperationId, Result};

use crate::act::{object, operation_id};
use crate::plane::ControlPlane;
use crate::problem::Problem;

/// The header that names the operation.
const KEY_HEADER: &str = "idempotency-key";

/// What stands in a JSON body: an object, whatever it is of.
#[derive(Deserialize)]
#[serde(transparent, bound = "T: DeserializeOwned")]
struct Object<T>(#[serde(deserialize_with = "object")] T);

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = axum::Json::<Object<T>>::from_request(request, state).await;
        read.map(|axum::Json(Object(body))| Self(body))
            .map_err(|rejected: JsonRejection| refused(rejected.body_text()))
    }
}

/// The query.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(query)| Self(query)).map_err(|rejected: QueryRejection| refused(rejected.body_text()))
    }
}

/// A part of the path.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(name)| Self(name)).map_err(|rejected: PathRejection| refused(rejected.body_text()))
    }
}

/// The operation that a request names by its idempotency key, or a fresh one.
#[derive(Debug)]
pub(super) struct Key(pub(super) OperationId);

impl FromRequestParts<ControlPlane> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, plane: &ControlPlane) -> Result<Self, Problem> {
        let given = parts.headers.get(KEY_HEADER).map(|key| {
            key.to_str().map_err(|error| {
                Error::new(ErrorKind::InvalidInput, "an idempotency key has visible ASCII alone")
                    .with_source(error)
            })
        });
        Ok(Self(operation_id(plane, given.transpose()?)?))
    }
}

/// The answer to what cannot be read.
pub(super) fn refused(what: String) -> Problem {
    Problem::from(Error::new(ErrorKind::InvalidInput, what))
}
