//! One way to AWS for calls that no SDK crate makes: region, credentials, endpoint, signature, errors.

mod answer;
mod call;
mod credentials;
#[cfg(feature = "studio")]
mod json;
#[cfg(feature = "managed")]
mod query;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
#[cfg(feature = "managed")]
use aws_sdk_backup::config::SharedInterceptor;
use aws_types::SdkConfig;
use aws_types::region::Region;
#[cfg(feature = "managed")]
use stillpoint_core::Timestamp;
use stillpoint_core::{Clock, Error, ErrorKind, Result, SystemClock};
use url::Url;

#[cfg(feature = "managed")]
pub(crate) use answer::refusal;
pub(crate) use call::Call;
use credentials::Kept;
pub(crate) use credentials::unsigned;
#[cfg(feature = "managed")]
pub(crate) use query::{Form, Items};
#[cfg(feature = "managed")]
use wire::Overheard;
use wire::Wire;
pub use wire::{Exchange, WireJournal};

/// How long a connection may take to stand.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call may take from its first byte to its last.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Region, credentials and endpoints for signed calls.
///
/// Credentials come from where every AWS tool looks: environment, profile files, web identity, the container's
/// endpoint (which is what a Studio space has), the instance. They are kept until shortly before they expire, or are
/// refused, and `Debug` shows none of them.
#[derive(Clone)]
pub struct Connection {
    config: SdkConfig,
    region: String,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    credentials: Kept,
    wire: Wire,
}

impl Connection {
    /// Reads the standard settings of AWS from environment and profile files. A `region` that is given counts more than
    /// theirs, which may be that of a bucket.
    ///
    /// # Errors
    /// `InvalidConfig` where no region is known at all.
    pub async fn from_environment(region: Option<&str>) -> Result<Self> {
        let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
        Self::from_config(config, region)
    }

    /// Reads settings and credentials of one profile of the files, whatever the environment says: those of another account.
    /// Where the profile names a role, that is assumed.
    ///
    /// # Errors
    /// `InvalidConfig` where no region is known at all.
    pub async fn of_profile(profile: &str, region: Option<&str>) -> Result<Self> {
        let credentials = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
        let config = aws_config::defaults(BehaviorVersion::latest()).profile_name(profile);
        Self::from_config(config.credentials_provider(credentials).load().await, region)
    }

    /// A connection with the given credentials, for hosts that have them from elsewhere.
    ///
    /// `endpoint` replaces AWS's own addresses; a fake on loopback may be plain http.
    ///
    /// # Errors
    /// `InvalidConfig` where the endpoint is no address.
    pub fn with_credentials(
        region: &str,
        access_key_id: &str,
        secret_access_key: &str,
        session_token: Option<&str>,
        endpoint: Option<&str>,
    ) -> Result<Self> {
        let token = session_token.map(str::to_owned);
        let credentials =
            Credentials::new(access_key_id, secret_access_key, token, None, "given by the host");
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        Self::from_config(config.build(), None)
    }

    pub(crate) fn from_config(config: SdkConfig, region: Option<&str>) -> Result<Self> {
        let region = region.map(str::to_owned).or_else(|| config.region().map(ToString::to_string));
        let region = region.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                "no AWS region is known; set AWS_REGION or the profile's region",
            )
        })?;
        check_region(&region)?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            // A signed request belongs to one host only.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::InvalidConfig, "no HTTPS client can be made").with_source(error)
            })?;
        Ok(Self {
            config,
            region,
            http,
            clock: Arc::new(SystemClock::default()),
            credentials: Kept::default(),
            wire: Wire::default(),
        })
    }

    /// The same, whose calls and answers `journal` hears.
    #[must_use]
    pub fn with_wire_journal(mut self, journal: Arc<dyn WireJournal>) -> Self {
        self.wire = Wire(Some(journal));
        self
    }

    /// What overhears an SDK's clients of `service`; `None` where nobody hears.
    #[cfg(feature = "managed")]
    pub(crate) fn overheard(&self, service: &'static str) -> Option<SharedInterceptor> {
        self.wire.0.is_some().then(|| SharedInterceptor::new(Overheard { service, wire: self.wire.clone() }))
    }

    /// The region whose services are called.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The same credentials and settings in another region.
    #[cfg(feature = "managed")]
    pub(crate) fn in_region(&self, region: &str) -> Self {
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        Self { config, region: region.to_owned(), ..self.clone() }
    }

    /// The time by which calls are signed.
    #[cfg(feature = "managed")]
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the clients of SDK crates are made from.
    #[cfg(feature = "managed")]
    pub(crate) fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }

    /// Where `service` answers: the setting for this service (`AWS_ENDPOINT_URL_SAGEMAKER`), the one for all
    /// (`AWS_ENDPOINT_URL`), else AWS's own address.
    ///
    /// # Errors
    /// `InvalidConfig` where the setting is no address, or plain http to another machine; where the region cannot be one.
    pub(crate) fn endpoint(&self, service: &Service) -> Result<Url> {
        check_region(&self.region)?;
        let own = self.config.service_config().and_then(|settings| {
            settings.load_config(
                aws_types::service_config::ServiceConfigKey::builder()
                    .service_id(service.id)
                    .env("AWS_ENDPOINT_URL")
                    .profile("endpoint_url")
                    .build()
                    .ok()?,
            )
        });
        let text = own.or_else(|| self.config.endpoint_url().map(str::to_owned));
        let text = text.unwrap_or_else(|| match service.host {
            // A service that is the same in all regions has one address.
            host if host.contains(DNS_SUFFIX) => format!("https://{host}"),
            host => format!("https://{host}.{}.{}", self.region, dns_suffix(&self.region)),
        });
        let refused =
            |why: &str| Error::new(ErrorKind::InvalidConfig, format!("the endpoint {text:?} {why}"));
        let url = Url::parse(&text).map_err(|error| refused("is no address").with_source(error))?;
        let local = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(refused("names no host")),
        };
        match url.scheme() {
            "https" => Ok(url),
            "http" if local => Ok(url),
            _ => Err(refused("is not https; plain http is for loopback only")),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("region", &self.region).finish_non_exhaustive()
    }
}

/// A service as its signatures, its settings and its hosts name it.
#[derive(Debug)]
pub(crate) struct Service {
    /// In the signature's scope.
    pub(crate) signing_name: &'static str,
    /// In environment and profile settings.
    pub(crate) id: &'static str,
    /// The first part of its host name; all of it where the service is the same in all regions.
    pub(crate) host: &'static str,
    /// What names the interface's version: the prefix of `X-Amz-Target`, or the date in the query protocol.
    pub(crate) target: &'static str,
}

/// The domain of all of AWS, or its beginning.
const DNS_SUFFIX: &str = "amazonaws.com";

/// The domain under which a region's services stand.
/// Source: <https://docs.aws.amazon.com/general/latest/gr/rande.html>.
fn dns_suffix(region: &str) -> &'static str {
    match region.split('-').take(2).collect::<Vec<_>>().as_slice() {
        ["cn", ..] => "amazonaws.com.cn",
        ["us", "iso"] => "c2s.ic.gov",
        ["us", "isob"] => "sc2s.sgov.gov",
        ["us", "isof"] => "csp.hci.ic.gov",
        ["eu", "isoe"] => "cloud.adc-e.uk",
        ["eusc", ..] => "amazonaws.eu",
        _ => DNS_SUFFIX,
    }
}

/// A region becomes a part of host names, and may come from a resource's name.
fn check_region(region: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !region.is_empty() && region.len() <= 63 && region.chars().all(fits) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidConfig, format!("{region:?} is no region of AWS")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Service =
        Service { signing_name: "sagemaker", id: "sagemaker", host: "api.sagemaker", target: "SageMaker" };

    fn connection(region: &str, endpoint: Option<&str>) -> Connection {
        Connection::with_credentials(region, "AKIDEXAMPLE", "sesame", None, endpoint).unwrap()
    }

    #[test]
    fn without_a_setting_the_regions_own_address_is_called() {
        let endpoint = |region| connection(region, None).endpoint(&SERVICE).unwrap().to_string();
        assert_eq!(endpoint("eu-west-1"), "https://api.sagemaker.eu-west-1.amazonaws.com/");
        for (region, suffix) in [
            ("cn-north-1", "amazonaws.com.cn"),
            ("us-gov-west-1", "amazonaws.com"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("eusc-de-east-1", "amazonaws.eu"),
        ] {
            assert_eq!(endpoint(region), format!("https://api.sagemaker.{region}.{suffix}/"));
        }
    }

    #[test]
    fn what_is_no_region_becomes_no_host() {
        for region in ["", "evil.example.com/", "us-east-1.evil", "us east", "US-EAST-1", "u@v"] {
            let made = Connection::with_credentials(region, "AKIDEXAMPLE", "sesame", None, None);
            assert_eq!(made.unwrap_err().kind(), ErrorKind::InvalidConfig, "{region}");
        }
        #[cfg(feature = "managed")]
        {
            let other = connection("eu-west-1", None).in_region("evil.example.com/");
            assert_eq!(other.endpoint(&SERVICE).unwrap_err().kind(), ErrorKind::InvalidConfig);
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in
            ["http://127.0.0.1:4566", "http://localhost:1", "http://[::1]:9", "https://vpce.example.com"]
        {
            assert!(connection("eu-west-1", Some(good)).endpoint(&SERVICE).is_ok(), "{good}");
        }
        for bad in ["http://example.com", "ftp://127.0.0.1", "not an address"] {
            let error = connection("eu-west-1", Some(bad)).endpoint(&SERVICE).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_credentials() {
        let shown = format!("{:?}", connection("eu-west-1", None));
        assert!(!shown.contains("sesame") && !shown.contains("AKIDEXAMPLE"), "{shown}");
    }
}
