//! Who calls, found out from a request.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;
use stillpoint_core::{Error, ErrorKind, Result};

use super::caller::Caller;
use super::session::{Session, same};
use super::token::Secret;
use crate::plane::ControlPlane;
use crate::problem::Problem;

/// The header in which the page's scripts send the session's proof.
const PROOF_HEADER: &str = "x-csrf-token";
/// No token is longer.
const SECRET_BYTES_MAX: usize = 200;

/// The caller of the API: by a bearer token, or by the page's session. What changes something takes the session's proof
/// besides.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated(pub(crate) Caller);

impl FromRequestParts<ControlPlane> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, plane: &ControlPlane) -> Result<Self, Problem> {
        if let Some(header) = parts.headers.get(AUTHORIZATION) {
            let text = header.to_str().ok().and_then(|text| text.split_once(' '));
            let secret = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let secret = secret.ok_or_else(unauthenticated)?.1.trim();
            return Ok(Self(plane.authenticate(&Secret::given(secret)).await?));
        }
        let session = Session::of(&parts.headers, plane.is_secure()).ok_or_else(unauthenticated)?;
        if !parts.method.is_safe() {
            let given = parts.headers.get(PROOF_HEADER).and_then(|header| header.to_str().ok());
            prove(&session, given.unwrap_or_default())?;
        }
        Ok(Self(plane.authenticate(session.secret()).await?))
    }
}

/// The caller of the page: by its session. Without one the answer is the way to the sign-in form.
#[derive(Clone, Debug)]
pub(crate) struct PageCaller {
    /// Who it is.
    pub(crate) caller: Caller,
    session: Session,
}

impl PageCaller {
    /// What every form must carry, in a hidden field `csrf`.
    pub(crate) fn proof(&self) -> String {
        self.session.proof()
    }

    /// Refuses a form that did not come from this session's own page.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub(crate) fn prove(&self, given: &str) -> Result<()> {
        prove(&self.session, given)
    }
}

impl FromRequestParts<ControlPlane> for PageCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, plane: &ControlPlane) -> Result<Self, Response> {
        let session = Session::of(&parts.headers, plane.is_secure()).ok_or_else(sign_in)?;
        match plane.authenticate(session.secret()).await {
            Ok(caller) => Ok(Self { caller, session }),
            Err(error) if error.kind() == ErrorKind::Unauthenticated => Err(sign_in()),
            Err(error) => Err(Problem::from(error).into_response()),
        }
    }
}

impl ControlPlane {
    /// Who holds `secret`.
    ///
    /// # Errors
    /// `Unauthenticated` where nobody does; whatever reading can meet.
    pub(crate) async fn authenticate(&self, secret: &Secret) -> Result<Caller> {
        if secret.expose().len() > SECRET_BYTES_MAX {
            return Err(unauthenticated());
        }
        let (digest, now, passed) = (secret.digest(), self.clock().now(), self.clock().elapsed());
        let found = match self.gate().recall(&digest, passed) {
            Some(known) => Some(known),
            None => {
                self.gate().look_up(&digest, passed)?;
                let found = self.access().token_of_digest(&digest).await?;
                // Only what was just looked up is remembered: no token outlives its revocation by being used.
                let valid = found.as_ref().filter(|token| token.is_valid(now));
                self.gate().remember(&digest, valid, passed);
                found
            }
        };
        let valid = found.filter(|token| token.is_valid(now)).ok_or_else(unauthenticated)?;
        self.gate().count(&valid.id, passed)?;
        Ok(valid.caller())
    }
}

fn prove(session: &Session, given: &str) -> Result<()> {
    if same(&session.proof(), given) {
        return Ok(());
    }
    let message = "the request does not carry this session's proof; load the page again and repeat it there";
    Err(Error::new(ErrorKind::PermissionDenied, message))
}

fn unauthenticated() -> Error {
    let message =
        "the token is missing, unknown, revoked or over; send a valid one as `Authorization: Bearer …`";
    Error::new(ErrorKind::Unauthenticated, message)
}

fn sign_in() -> Response {
    Redirect::to("/sign-in").into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use stillpoint_core::memory::MemoryCatalog;
    use stillpoint_core::{Clock, LocalOrchestrator, SystemEntropy, Timestamp, VirtualClock};

    use super::*;
    use crate::access::{AccessStore, MemoryAccess, NewToken, Role};

    /// A clock that somebody sets back by so many milliseconds.
    #[derive(Debug)]
    struct SetBack(VirtualClock, AtomicI64);

    #[async_trait]
    impl Clock for SetBack {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.now().as_millis() - self.1.load(Ordering::Relaxed))
        }
        fn elapsed(&self) -> Duration {
            self.0.elapsed()
        }
        async fn sleep(&self, duration: Duration) {
            self.0.sleep(duration).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_another_server_revoked_is_refused_after_five_seconds_however_often_it_calls() {
        let (catalog, access) = (Arc::new(MemoryCatalog::new()), Arc::new(MemoryAccess::default()));
        let from = VirtualClock::starting_at(Timestamp::from_millis(100_000_000));
        let clock = Arc::new(SetBack(from, AtomicI64::new(0)));
        let orchestrator = Arc::new(LocalOrchestrator::builder(catalog.clone()).build());
        let plane = ControlPlane::new(catalog, orchestrator, access.clone()).with_clock(clock.clone());
        let made = NewToken::new("ada", Role::Operator).make(clock.as_ref(), &SystemEntropy::default());
        let (secret, record) = made.unwrap();
        access.put_token(&record).await.unwrap();
        plane.authenticate(&secret).await.unwrap();

        access.remove_token(&record.id).await.unwrap();
        clock.1.store(3_600_000, Ordering::Relaxed);
        for second in [2, 4] {
            clock.sleep(Duration::from_secs(2)).await;
            assert!(plane.authenticate(&secret).await.is_ok(), "it is remembered at {second} s");
        }
        clock.sleep(Duration::from_secs(2)).await;
        let refused = plane.authenticate(&secret).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
    }
}
