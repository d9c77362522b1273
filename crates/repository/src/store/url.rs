//! From a URL to a store.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::list::PaginatedListStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::{Host, Url};

use super::answers::CheckedAnswers;
use super::digest::KnownDigests;
use super::local::LocalBackend;
use super::remote::RemoteBackend;
use super::{Store, StoreSettings};
use crate::error::{Error, ErrorKind, Result};

/// What a URL names.
enum Place {
    Directory(PathBuf),
    Memory,
    Bucket(Cloud, Url),
}

#[derive(Clone, Copy)]
enum Cloud {
    S3,
    Azure,
    Google,
}

/// Refuses what can be no store's URL.
pub(super) fn check(url: &str) -> Result<()> {
    place(url).map(drop)
}

fn place(url: &str) -> Result<Place> {
    if let Some(path) = local_path(url)? {
        return Ok(Place::Directory(path));
    }
    if url == "memory:" {
        return Ok(Place::Memory);
    }
    let parsed = Url::parse(url).map_err(|source| {
        Error::invalid(format!("`{}` is not a store URL", without_password(url))).with_source(source)
    })?;
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(Error::invalid(format!("`{}` names no bucket", without_password(url))));
    }
    if parsed.password().is_some() || !parsed.username().is_empty() || parsed.query().is_some() {
        return Err(Error::invalid(
            "a store URL may hold neither credentials nor options; use the environment",
        ));
    }
    if let Some(step) = path_of(url).split('/').find(|step| is_a_step(step)) {
        return Err(Error::invalid(format!(
            "`{}` holds `{step}`, by which no object can be named; write the prefix that is meant",
            without_password(url)
        )));
    }
    let cloud = match parsed.scheme() {
        "s3" => Cloud::S3,
        "az" | "azure" => Cloud::Azure,
        "gs" | "gcs" => Cloud::Google,
        scheme => {
            let message = format!("the scheme `{scheme}` is not known; use file, s3, az or gs");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    Ok(Place::Bucket(cloud, parsed))
}

pub(super) fn open(url: &str, settings: &StoreSettings) -> Result<Store> {
    let (cloud, parsed) = match place(url)? {
        Place::Directory(path) => {
            let description = format!("file://{}", path.display());
            return Ok(Store::new(Arc::new(LocalBackend::new(path)), description));
        }
        Place::Memory => return Ok(Store::memory()),
        Place::Bucket(cloud, parsed) => (cloud, parsed),
    };
    let (bucket, prefix) = (parsed.host_str().unwrap_or_default(), parsed.path().trim_matches('/'));
    let description = format!("{}://{bucket}/{prefix}", parsed.scheme());
    Ok(match cloud {
        Cloud::S3 => {
            let backend = in_order(Arc::new(s3(bucket, settings)?), prefix);
            Store::new(Arc::new(backend), description).that_checks_digests()
        }
        Cloud::Google => {
            Store::new(Arc::new(in_order(Arc::new(google(bucket, settings)?), prefix)), description)
        }
        // Azure's listings begin at the first name, and the data lies before everything else.
        Cloud::Azure => {
            let backend = RemoteBackend::new(Arc::new(azure(bucket, settings)?), prefix, false);
            Store::new(Arc::new(backend), description)
        }
    })
}

/// A service that can list from any name on, in the order of the names' bytes.
fn in_order<C: ObjectStore + PaginatedListStore>(client: Arc<C>, prefix: &str) -> RemoteBackend {
    RemoteBackend::new(Arc::clone(&client) as Arc<dyn ObjectStore>, prefix, true).with_pages(client)
}

/// The directory of a `file:` URL or a plain path; `None` for any other URL.
fn local_path(url: &str) -> Result<Option<PathBuf>> {
    if url.is_empty() {
        return Err(Error::invalid("the store is not given; name a directory or a URL"));
    }
    if let Some(path) = url.strip_prefix("file://") {
        if !path.starts_with('/') {
            return Err(Error::invalid(format!("`{url}` is not absolute; write file:///directory")));
        }
        let decoded = Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
        return Ok(Some(decoded.unwrap_or_else(|| path.into())));
    }
    let plain = url.starts_with(['/', '.']) || !url.contains(':');
    Ok(plain.then(|| std::path::absolute(Path::new(url)).unwrap_or_else(|_| url.into())))
}

/// What follows the bucket in a URL, as it was written: whoever parses it follows its steps.
fn path_of(url: &str) -> &str {
    let beyond = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    beyond.split_once('/').map_or("", |(_bucket, path)| path)
}

/// Whether a part of a path is no name but a step to a folder.
fn is_a_step(part: &str) -> bool {
    matches!(&*part.to_ascii_lowercase().replace("%2e", "."), "." | "..")
}

fn without_password(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, rest)| rest)
}

fn s3(bucket: &str, settings: &StoreSettings) -> Result<AmazonS3> {
    // The default region yields to the region, the general endpoint to the service's.
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| settings.get(name));
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .iter()
        .find_map(|name| settings.get(name));
    let mut options = client_options();
    if let Some(endpoint) = endpoint {
        let allowed = settings.get("AWS_ALLOW_HTTP") == Some("true");
        options = options.with_allow_http(plain_http(endpoint, allowed)?);
    }
    let mut builder =
        AmazonS3Builder::new().with_client_options(options).with_http_connector(CheckedAnswers::default());
    for (name, value) in settings.with_prefix("AWS_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>()
            && !matches!(key, AmazonS3ConfigKey::Bucket)
        {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = endpoint {
        builder =
            builder.with_endpoint(endpoint.trim_end_matches('/')).with_virtual_hosted_style_request(false);
    }
    builder
        .with_region(region.unwrap_or("us-east-1"))
        .with_bucket_name(bucket)
        .with_checksum_algorithm(Checksum::SHA256)
        .with_crypto_provider(Arc::new(KnownDigests))
        .with_retry(retry())
        .build()
        .map_err(|source| {
            Error::invalid(format!("the settings of s3://{bucket} are not usable")).with_source(source)
        })
}

/// What Azure's own command line calls account and key, beside the names that the client knows.
const AZURE_NAMES: [(&str, AzureConfigKey); 2] = [
    ("AZURE_STORAGE_ACCOUNT", AzureConfigKey::AccountName),
    ("AZURE_STORAGE_KEY", AzureConfigKey::AccessKey),
];

fn azure(container: &str, settings: &StoreSettings) -> Result<impl ObjectStore + use<>> {
    let mut builder = MicrosoftAzureBuilder::new().with_http_connector(CheckedAnswers::default());
    let mut account = None;
    for (name, value) in settings.with_prefix("AZURE_") {
        let own = AZURE_NAMES.iter().find(|(known, _)| *known == name).map(|(_, key)| *key);
        let Some(key) = own.or_else(|| name.to_ascii_lowercase().parse().ok()) else { continue };
        if matches!(key, AzureConfigKey::AccountName) {
            account = Some(value);
        }
        builder = builder.with_config(key, value);
    }
    let mut options = client_options();
    if let Some(endpoint) = settings.get("AZURE_STORAGE_ENDPOINT").or(settings.get("AZURE_ENDPOINT")) {
        options = options.with_allow_http(plain_http(endpoint, false)?);
        builder = builder.with_endpoint(with_account(endpoint, account));
    }
    if settings.get("AZURE_STORAGE_USE_EMULATOR") == Some("true") {
        options = options.with_allow_http(true);
    }
    builder.with_container_name(container).with_client_options(options).with_retry(retry()).build().map_err(
        |source| {
            Error::invalid(format!("the settings of az://{container} are not usable")).with_source(source)
        },
    )
}

/// An endpoint whose host is an address, as an emulator's is, names its account in the path; others do in the host.
fn with_account(endpoint: &str, account: Option<&str>) -> String {
    let plain = endpoint.trim_end_matches('/');
    let address = Url::parse(plain).is_ok_and(|url| {
        url.path() == "/" && url.host_str().is_some_and(|host| host.parse::<IpAddr>().is_ok())
    });
    match account.filter(|_| address) {
        Some(account) => format!("{plain}/{account}"),
        None => plain.to_owned(),
    }
}

fn google(bucket: &str, settings: &StoreSettings) -> Result<GoogleCloudStorage> {
    let mut builder = GoogleCloudStorageBuilder::new().with_http_connector(CheckedAnswers::default());
    let mut options = client_options();
    if let Some(endpoint) = settings.get("GOOGLE_BASE_URL") {
        options = options.with_allow_http(plain_http(endpoint, false)?);
    }
    for (name, value) in settings.with_prefix("GOOGLE_") {
        if let Ok(key) = name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(path) = settings.get("GOOGLE_APPLICATION_CREDENTIALS") {
        builder = builder.with_application_credentials(path);
    }
    builder.with_bucket_name(bucket).with_client_options(options).with_retry(retry()).build().map_err(
        |source| Error::invalid(format!("the settings of gs://{bucket} are not usable")).with_source(source),
    )
}

/// True if the endpoint speaks plain HTTP and may: bytes are sealed, but credentials and requests are not.
fn plain_http(endpoint: &str, allowed: bool) -> Result<bool> {
    let url = Url::parse(endpoint).map_err(|source| {
        Error::invalid(format!("the endpoint `{endpoint}` is not a URL")).with_source(source)
    })?;
    if url.scheme() != "http" {
        return Ok(false);
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    if loopback || allowed {
        return Ok(true);
    }
    Err(Error::invalid(format!(
        "the endpoint `{endpoint}` is not encrypted; use https, or AWS_ALLOW_HTTP=true"
    )))
}

fn client_options() -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(5))
        // A stalled connection is given up early, a slow one not: 128 MiB may take a while.
        .with_read_timeout(Duration::from_secs(30))
        .with_timeout(Duration::from_secs(15 * 60))
        .with_user_agent(concat!("stillpoint/", env!("CARGO_PKG_VERSION")).parse().unwrap_or_else(|_| {
            // A literal of printable ASCII is always a valid header value.
            object_store::HeaderValue::from_static("stillpoint")
        }))
}

/// At most eight retries over about twenty seconds, then the store counts as unreachable.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 8,
        retry_timeout: Duration::from_secs(5 * 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> StoreSettings {
        StoreSettings::new([("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "canary")])
    }

    #[test]
    fn urls_and_paths_name_stores() {
        for (url, description) in [
            ("file:///var/backup", "file:///var/backup"),
            ("/var/backup", "file:///var/backup"),
            ("s3://bucket/team/one/", "s3://bucket/team/one"),
            ("memory:", "memory:"),
        ] {
            assert_eq!(open(url, &settings()).unwrap().description(), description);
        }
        assert!(open("repo", &settings()).unwrap().description().ends_with("/repo"));
    }

    #[test]
    fn unusable_urls_are_refused_without_echoing_secrets() {
        for url in [
            "",
            "file://relative",
            "ftp://host/x",
            "s3:///x",
            "s3://key:canary@bucket/x",
            "s3://b/x?key=canary",
        ] {
            let error = open(url, &settings()).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported), "{url}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{url}");
        }
    }

    #[test]
    fn an_endpoint_that_is_an_address_names_the_account_in_its_path() {
        for (endpoint, account, expected) in [
            ("http://127.0.0.1:10000", Some("ada"), "http://127.0.0.1:10000/ada"),
            ("http://127.0.0.1:10000/", Some("ada"), "http://127.0.0.1:10000/ada"),
            ("http://127.0.0.1:10000/ada", Some("ada"), "http://127.0.0.1:10000/ada"),
            ("http://127.0.0.1:10000", None, "http://127.0.0.1:10000"),
            ("https://ada.blob.core.windows.net", Some("ada"), "https://ada.blob.core.windows.net"),
        ] {
            assert_eq!(with_account(endpoint, account), expected);
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert!(plain_http("http://127.0.0.1:9000", false).unwrap());
        assert!(plain_http("http://localhost:9000", false).unwrap());
        assert!(plain_http("http://[::1]:9000", false).unwrap());
        assert!(!plain_http("https://example.com", false).unwrap());
        assert!(plain_http("http://example.com", false).is_err());
        assert!(plain_http("http://example.com", true).unwrap());
    }

    #[test]
    fn a_url_that_steps_out_of_its_prefix_is_refused() {
        for (url, step) in [
            ("s3://bucket/a/../b", ".."),
            ("s3://bucket/../b", ".."),
            ("gs://bucket/a/%2E%2e/b", "%2E%2e"),
            ("az://container/./b", "."),
        ] {
            let error = check(url).unwrap_err();
            assert!(error.to_string().contains(&format!("holds `{step}`")), "{error}");
        }
        assert!(check("s3://bucket/a/.hidden/b..c/").is_ok() && check("s3://bucket").is_ok());
    }
}
