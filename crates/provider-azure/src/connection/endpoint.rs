//! Addresses: which may be called, and what belongs to each of Azure's clouds.

use stillpoint_core::{Error, ErrorKind, Result};
use url::{Host, Url};

/// Azure Resource Manager of the public cloud.
pub(super) const PUBLIC_CLOUD: &str = "https://management.azure.com";

/// What belongs to a cloud, by the host of its Azure Resource Manager: the audience of tokens for it, and who gives them.
/// Source: <https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure> and
/// <https://learn.microsoft.com/azure/china/resources-developer-guide>.
const CLOUDS: [(&str, &str, &str); 3] = [
    ("management.azure.com", "https://management.azure.com", "https://login.microsoftonline.com"),
    (
        "management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net",
        "https://login.microsoftonline.us",
    ),
    (
        "management.chinacloudapi.cn",
        "https://management.core.chinacloudapi.cn",
        "https://login.chinacloudapi.cn",
    ),
];

fn cloud(arm: &Url) -> (&'static str, &'static str) {
    let host = arm.host_str().unwrap_or_default();
    let found = CLOUDS.iter().find(|(known, ..)| *known == host || host.ends_with(&format!(".{known}")));
    let (_, audience, authority) = found.unwrap_or(&CLOUDS[0]);
    (audience, authority)
}

/// For whom a token must be that `arm` takes.
pub(super) fn audience(arm: &Url) -> &'static str {
    cloud(arm).0
}

/// Who gives tokens for `arm`, where the environment does not say.
pub(super) fn authority(arm: &Url) -> &'static str {
    cloud(arm).1
}

/// `text` as an address to which a token may be sent.
///
/// # Errors
/// `InvalidConfig` where it is no address, or plain http to another machine.
pub(super) fn checked(text: &str) -> Result<Url> {
    let url = parsed(text)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(refused(text, "is not https; plain http is for loopback only")),
    }
}

/// `text` as the address of a machine's own metadata service, which Azure serves in plain http on a link-local address.
///
/// # Errors
/// `InvalidConfig` where it is no address, or plain http to another machine.
pub(super) fn checked_local(text: &str) -> Result<Url> {
    let url = parsed(text)?;
    let link_local = matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local());
    if url.scheme() == "http" && link_local { Ok(url) } else { checked(text) }
}

fn parsed(text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|error| refused(text, "is no address").with_source(error))?;
    if url.host().is_none() { Err(refused(text, "names no host")) } else { Ok(url) }
}

fn refused(text: &str, why: &str) -> Error {
    // What stands behind a question mark may be a signature.
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    Error::new(ErrorKind::InvalidConfig, format!("the endpoint {shown:?} {why}"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether `url`, which an answer named, is Azure Resource Manager's own, so that a token may follow it there: the same
/// host, or one of its regions.
pub(super) fn is_within(arm: &Url, url: &Url) -> bool {
    let same = arm.host() == url.host() && arm.port_or_known_default() == url.port_or_known_default();
    if same {
        return arm.scheme() == url.scheme();
    }
    let (Some(Host::Domain(whole)), Some(Host::Domain(part))) = (arm.host(), url.host()) else {
        return false;
    };
    arm.scheme() == "https"
        && url.scheme() == "https"
        && url.port_or_known_default() == Some(443)
        && part.ends_with(&format!(".{whole}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only_and_metadata_for_the_link() {
        for good in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:9", PUBLIC_CLOUD] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in ["http://example.com", "ftp://127.0.0.1", "not an address", "http://169.254.169.254"] {
            assert_eq!(checked(bad).unwrap_err().kind(), ErrorKind::InvalidConfig, "{bad}");
        }
        assert!(checked_local("http://169.254.169.254").is_ok());
        assert!(checked_local("http://10.0.0.1").is_err());
    }

    #[test]
    fn a_token_follows_an_answer_only_to_the_host_that_it_is_for() {
        let within = |arm: &str, url: &str| is_within(&arm.parse().unwrap(), &url.parse().unwrap());
        assert!(within(PUBLIC_CLOUD, "https://management.azure.com/subscriptions/x?t=1"));
        assert!(within(PUBLIC_CLOUD, "https://westeurope.management.azure.com/x"));
        assert!(within("http://127.0.0.1:81", "http://127.0.0.1:81/x"));
        for strange in [
            "https://evil.example.com/",
            "http://management.azure.com/",
            "https://management.azure.com.evil.example.com/",
            "https://evilmanagement.azure.com/",
            "https://management.azure.com:8443/",
        ] {
            assert!(!within(PUBLIC_CLOUD, strange), "{strange}");
        }
        assert!(!within("http://127.0.0.1:81", "http://127.0.0.1:82/x"));
    }

    #[test]
    fn each_cloud_has_its_own_audience_and_authority() {
        let arm: Url = "https://management.usgovcloudapi.net".parse().unwrap();
        assert_eq!(audience(&arm), "https://management.core.usgovcloudapi.net");
        assert_eq!(authority(&arm), "https://login.microsoftonline.us");
        let fake: Url = "http://127.0.0.1:1".parse().unwrap();
        assert_eq!(audience(&fake), "https://management.azure.com");
    }
}
