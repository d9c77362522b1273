//! Tokens for Azure's services: asked for once for each audience, kept until shortly before they expire, shown nowhere.
//!
//! `azure_identity` takes authorities over https only and the metadata service at its one address only, so neither a fake on
//! loopback nor `AZURE_POD_IDENTITY_AUTHORITY_HOST` works with it; these sources are small and have both. A credential of
//! `azure_identity` is taken as it is.

mod app_service;
mod client;
mod command_line;
mod given;
mod machine;
mod reply;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::http::Pipeline;
use stillpoint_core::{Clock, Error, ErrorKind, Result, Timestamp};
use url::Url;

use super::environment::{
    AUTHORITY_HOST, CLIENT_ID, CLIENT_SECRET, Environment, FEDERATED_TOKEN_FILE, IDENTITY_ENDPOINT,
    IDENTITY_HEADER, POD_IDENTITY_AUTHORITY_HOST, TENANT_ID,
};
use super::{endpoint, pipeline};
use app_service::AppService;
use client::{Client, Proof};
use command_line::CommandLine;
pub(super) use given::Given;
use machine::Machine;

/// A token is renewed so long before it expires, or after half of its life, whichever is later.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// The most audiences whose tokens are kept.
const AUDIENCES_MAX: usize = 8;

/// One token. `Debug` does not show it.
#[derive(Clone, Debug)]
pub(super) struct Token {
    secret: Secret,
    renew_at: Timestamp,
}

impl Token {
    fn new(secret: impl Into<String>, now: Timestamp, expires: Timestamp) -> Self {
        let life = expires.since(now);
        let kept = life.saturating_sub(RENEW_BEFORE).max(life / 2);
        Self { secret: Secret::new(secret.into()), renew_at: now.after(kept) }
    }

    pub(super) fn text(&self) -> &str {
        self.secret.secret()
    }
}

/// Where tokens come from.
#[async_trait]
pub(super) trait Source: fmt::Debug + Send + Sync {
    /// A token for `audience`, asked for now.
    ///
    /// # Errors
    /// `Unauthenticated` where the source knows nobody, or will not give one; `Unavailable` where it does not answer.
    async fn token(&self, audience: &str, now: Timestamp) -> Result<Token>;
}

/// The tokens of one connection.
pub(super) struct Tokens {
    arm: &'static str,
    /// Asked in this order, until one gives a token.
    sources: Vec<Box<dyn Source>>,
    clock: Arc<dyn Clock>,
    kept: Mutex<BTreeMap<String, Token>>,
    /// So that many calls at once ask for one token once.
    asking: tokio::sync::Mutex<()>,
}

impl Tokens {
    pub(super) fn new(arm: &Url, sources: Vec<Box<dyn Source>>, clock: Arc<dyn Clock>) -> Self {
        let arm = endpoint::audience(arm);
        Self { arm, sources, clock, kept: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The source that the environment is set to: a client's secret, a workload's assertion, an App Service's identity,
    /// else that of the machine and then the Azure command line.
    ///
    /// # Errors
    /// `InvalidConfig` where an endpoint of the environment cannot be called.
    pub(super) fn of_environment(
        settings: &Environment,
        arm: &Url,
        through: Pipeline,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let get = |name| settings.get(name).map(str::to_owned);
        let client = get(CLIENT_ID);
        let authority =
            endpoint::checked(settings.get(AUTHORITY_HOST).unwrap_or_else(|| endpoint::authority(arm)))?;
        let proof = get(CLIENT_SECRET)
            .map(|secret| Proof::Secret(Secret::new(secret)))
            .or_else(|| get(FEDERATED_TOKEN_FILE).map(|file| Proof::Assertion(file.into())));
        let sources: Vec<Box<dyn Source>> = match (get(TENANT_ID), &client, proof) {
            (Some(tenant), Some(client), Some(proof)) => {
                vec![Box::new(Client::new(authority, &tenant, client.clone(), proof, through)?)]
            }
            _ => match (get(IDENTITY_ENDPOINT), get(IDENTITY_HEADER)) {
                (Some(url), Some(header)) => {
                    let url = endpoint::checked_local(&url)?;
                    vec![Box::new(AppService::new(url, header, client, pipeline(true)?))]
                }
                _ => {
                    let host = get(POD_IDENTITY_AUTHORITY_HOST);
                    let machine = Machine::new(host.as_deref(), client, pipeline(true)?)?;
                    vec![Box::new(machine), Box::new(CommandLine)]
                }
            },
        };
        Ok(Self::new(arm, sources, clock))
    }

    /// For whom tokens are that Azure Resource Manager takes.
    pub(super) fn arm(&self) -> &'static str {
        self.arm
    }

    /// A token for `audience` that is good for a while.
    ///
    /// # Errors
    /// `Unauthenticated` where no source gives one, `Unavailable` where one may give it later.
    pub(super) async fn token(&self, audience: &str) -> Result<Token> {
        if let Some(token) = self.known(audience) {
            return Ok(token);
        }
        let _turn = self.asking.lock().await;
        if let Some(token) = self.known(audience) {
            return Ok(token);
        }
        let mut refusals: Vec<Error> = Vec::new();
        for source in &self.sources {
            match source.token(audience, self.clock.now()).await {
                Ok(token) => {
                    self.keep(audience, token.clone());
                    return Ok(token);
                }
                Err(error) => refusals.push(error),
            }
        }
        Err(none(refusals))
    }

    /// Forgets a token that was refused.
    pub(super) fn forget(&self, refused: &Token) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, token| token.text() != refused.text());
    }

    fn known(&self, audience: &str) -> Option<Token> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(audience).filter(|token| self.clock.now() < token.renew_at).cloned()
    }

    fn keep(&self, audience: &str, token: Token) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < AUDIENCES_MAX || kept.contains_key(audience) {
            kept.insert(audience.to_owned(), token);
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// The error of several sources that gave none: one that may answer later counts most.
fn none(refusals: Vec<Error>) -> Error {
    let said: Vec<String> = refusals.iter().map(Error::to_string_chain).collect();
    let later = refusals.into_iter().find(|error| error.kind() != ErrorKind::Unauthenticated);
    let kind = later.as_ref().map_or(ErrorKind::Unauthenticated, Error::kind);
    let message = format!(
        "no token of Azure was given; set AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret or a token file, or let this \
         machine have an identity ({})",
        said.join("; ")
    );
    let error = Error::new(kind, message);
    match later {
        Some(later) => error.with_retry(later.retry()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use stillpoint_core::VirtualClock;

    use super::*;

    #[derive(Debug)]
    struct Counting(Arc<AtomicU32>);

    #[async_trait]
    impl Source for Counting {
        async fn token(&self, audience: &str, now: Timestamp) -> Result<Token> {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Token::new(format!("sesame-{audience}-{count}"), now, now.after(Duration::from_secs(3600))))
        }
    }

    #[derive(Debug)]
    struct Refusing(ErrorKind);

    #[async_trait]
    impl Source for Refusing {
        async fn token(&self, _audience: &str, _now: Timestamp) -> Result<Token> {
            Err(Error::new(self.0, "no"))
        }
    }

    fn tokens(sources: Vec<Box<dyn Source>>, clock: &Arc<VirtualClock>) -> Tokens {
        let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(clock);
        Tokens::new(&"https://management.azure.com".parse().unwrap(), sources, clock)
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_asked_for_once_until_shortly_before_its_end() {
        let clock = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(0)));
        let count = Arc::new(AtomicU32::new(0));
        let tokens = tokens(vec![Box::new(Counting(Arc::clone(&count)))], &clock);
        let first = tokens.token("a").await.unwrap();
        assert_eq!(tokens.token("a").await.unwrap().text(), first.text());
        assert_ne!(tokens.token("b").await.unwrap().text(), first.text(), "each audience has its own");
        clock.sleep(Duration::from_secs(3299)).await;
        assert_eq!(tokens.token("a").await.unwrap().text(), first.text());
        clock.sleep(Duration::from_secs(2)).await;
        let second = tokens.token("a").await.unwrap();
        assert_ne!(second.text(), first.text());
        tokens.forget(&second);
        assert_ne!(
            tokens.token("a").await.unwrap().text(),
            second.text(),
            "what was refused is not used again"
        );
        assert_eq!(count.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn the_next_source_is_asked_and_all_refusals_are_told() {
        let clock = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(0)));
        let count = Arc::new(AtomicU32::new(0));
        let refusing = || -> Box<dyn Source> { Box::new(Refusing(ErrorKind::Unauthenticated)) };
        let given = tokens(vec![refusing(), Box::new(Counting(count))], &clock);
        assert!(given.token("a").await.is_ok());
        let refused = tokens(vec![refusing(), Box::new(Refusing(ErrorKind::Unavailable))], &clock);
        assert_eq!(refused.token("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
        let never = tokens(vec![refusing()], &clock).token("a").await.unwrap_err();
        assert_eq!(never.kind(), ErrorKind::Unauthenticated);
    }

    #[tokio::test]
    async fn debug_shows_no_token() {
        let clock = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(0)));
        let tokens = tokens(vec![Box::new(Counting(Arc::default()))], &clock);
        let token = tokens.token("a").await.unwrap();
        assert!(token.text().contains("sesame"));
        let shown = format!("{tokens:?} {token:?}");
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
