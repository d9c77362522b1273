//! One way to Azure Resource Manager: endpoint, tokens, calls, errors, long-running operations, pages.
//!
//! Azure has no management crates for Rust, so the calls are made here, on the pipeline of `azure_core`.

mod answer;
mod call;
mod endpoint;
mod environment;
mod operation;
mod pages;
mod refusal;
mod token;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::{ClientOptions, Pipeline, RetryOptions, Transport};
use stillpoint_core::{Clock, Error, ErrorKind, Result, SystemClock, Timestamp};
use url::Url;

pub(crate) use call::Request;
pub use environment::Environment;
pub(crate) use operation::{Begun, Poll, Polled};
pub(crate) use refusal::known as kind_of_code;
use token::{Given, Tokens};

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call may take from its first byte to its last.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Where Azure Resource Manager answers, and who asks.
///
/// Credentials come from where every Azure tool looks: a client's secret or a workload's assertion in the environment, the
/// identity of an App Service or of a machine, the Azure command line. A token is asked for once for each audience, renewed
/// before it expires, and asked for anew when Azure Resource Manager no longer takes it. `Debug` shows none.
#[derive(Clone)]
pub struct Connection {
    arm: Url,
    pipeline: Pipeline,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    /// By how many milliseconds the servers' clock was ahead of this machine's when they last told it.
    ahead: Arc<AtomicI64>,
}

impl Connection {
    /// Endpoints and credentials of this process's environment.
    ///
    /// # Errors
    /// `InvalidConfig` where an endpoint of the environment is no address, or plain http to another machine.
    pub fn from_environment() -> Result<Self> {
        Self::from_settings(&Environment::of_process())
    }

    /// The same from settings that a host has from elsewhere.
    ///
    /// ```
    /// use stillpoint_provider_azure::{Connection, Environment};
    ///
    /// # fn main() -> stillpoint_core::Result<()> {
    /// let settings = Environment::new([("AZURE_RESOURCE_MANAGER_ENDPOINT", "https://management.chinacloudapi.cn")]);
    /// let connection = Connection::from_settings(&settings)?;
    /// assert_eq!(connection.endpoint(), "https://management.chinacloudapi.cn/");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`Connection::from_environment`].
    pub fn from_settings(settings: &Environment) -> Result<Self> {
        let arm = settings.resource_manager()?;
        let pipeline = pipeline(false)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let tokens = Tokens::of_environment(settings, &arm, pipeline.clone(), Arc::clone(&clock))?;
        Ok(Self { arm, pipeline, tokens: Arc::new(tokens), clock, ahead: Arc::default() })
    }

    /// A connection with the tokens of `credential`, for hosts that have one of `azure_identity` or their own.
    ///
    /// `endpoint` replaces the address of Azure's public cloud; a fake on loopback may be plain http.
    ///
    /// # Errors
    /// `InvalidConfig` where the endpoint is no address, or plain http to another machine.
    pub fn with_credential(credential: Arc<dyn TokenCredential>, endpoint: Option<&str>) -> Result<Self> {
        let settings =
            Environment::new(endpoint.map(|endpoint| (environment::RESOURCE_MANAGER_ENDPOINT, endpoint)));
        let arm = settings.resource_manager()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let tokens = Tokens::new(&arm, vec![Box::new(Given(credential))], Arc::clone(&clock));
        Ok(Self { arm, pipeline: pipeline(false)?, tokens: Arc::new(tokens), clock, ahead: Arc::default() })
    }

    /// Where Azure Resource Manager answers.
    pub fn endpoint(&self) -> &str {
        self.arm.as_str()
    }

    /// By how much this machine's clock and Azure's differ, as of the last answer.
    pub(crate) fn clocks_differ(&self) -> Duration {
        Duration::from_millis(self.ahead.load(Ordering::Relaxed).unsigned_abs())
    }

    /// This machine's time, which tokens expire by.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("endpoint", &self.arm.as_str()).finish_non_exhaustive()
    }
}

/// The pipeline that every request goes through. It never retries: the retry layer counts every attempt against one budget,
/// and a second layer below would multiply them.
///
/// `direct` is for the metadata service of a machine, which no proxy may stand before.
fn pipeline(direct: bool) -> Result<Pipeline> {
    let http = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        // A token belongs to one host only.
        .redirect(reqwest::redirect::Policy::none());
    let http = if direct { http.no_proxy() } else { http };
    let http = http.build().map_err(|error| {
        Error::new(ErrorKind::InvalidConfig, "no HTTPS client can be made").with_source(error)
    })?;
    let options = ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(http))),
        ..ClientOptions::default()
    };
    let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
    Ok(Pipeline::new(name, version, options, Vec::new(), Vec::new(), None))
}
