//! The address of a server, over which a token may travel.

use std::str::FromStr;

use url::{Host, Url};

/// An `https` URL, or an `http` one of this machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl(Url);

impl ServerUrl {
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
        let is_here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err("a server's URL has a host: https://backups.example.com".to_owned()),
        };
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_here => Ok(Self(url)),
            _ => Err("a server is reached over https; the token would travel in the clear".to_owned()),
        }
    }
}

/// No more than the host: what stands before it may be a password.
impl std::fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServerUrl").field(&(self.0.host_str(), self.0.port())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_over_tls_or_stays_on_this_machine() {
        for good in
            ["https://backups.example.com/x", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"]
        {
            assert!(good.parse::<ServerUrl>().is_ok(), "{good}");
        }
        for bad in ["", "foo", "http://backups.example.com", "http://10.0.0.1", "ftp://localhost", "https:"] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn the_debug_form_shows_no_password() {
        let url: ServerUrl = "https://ada:secret@backups.example.com:8443/stillpoint".parse().unwrap();
        let shown = format!("{url:?}");
        assert!(shown.contains("backups.example.com") && !shown.contains("secret"), "{shown}");
    }
}
