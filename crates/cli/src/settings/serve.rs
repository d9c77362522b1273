//! How the catalog is served: flags before environment before the table `[serve]` of the configuration before defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_server::{CALLS_PER_SECOND_DEFAULT, Listen};

use crate::args::{ServeArgs, duration};

/// Where the server listens unless told otherwise.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// How long a shutdown waits unless told otherwise.
const GRACE_DEFAULT: Duration = Duration::from_secs(5);

/// The table `[serve]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServeConfig {
    listen: Option<SocketAddr>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    behind_proxy: bool,
    restore_root: Option<PathBuf>,
    calls_per_second: Option<u32>,
    #[serde(deserialize_with = "span")]
    shutdown_grace: Option<Duration>,
}

/// A span of time as people write it.
pub(super) fn span<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    duration(&text).map(Some).map_err(serde::de::Error::custom)
}

/// How the catalog is served.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) listen: Listen,
    pub(crate) restore_root: Option<PathBuf>,
    pub(crate) calls_per_second: u32,
    pub(crate) shutdown_grace: Duration,
}

impl Serving {
    /// What `args` and `config` say together.
    ///
    /// # Errors
    /// `InvalidConfig` for a certificate without its key, and for an address that other machines reach in the clear.
    pub(crate) fn resolve(args: &ServeArgs, config: &ServeConfig) -> Result<Self> {
        let tls = match (&args.tls_cert, &args.tls_key) {
            (None, None) => (&config.tls_cert, &config.tls_key),
            given => given,
        };
        let behind_proxy = args.behind_proxy || config.behind_proxy;
        let mut listen = Listen::new(args.listen.or(config.listen).unwrap_or(LISTEN_DEFAULT));
        listen = listen.behind_proxy(behind_proxy);
        match tls {
            (Some(certificates), Some(key)) => listen = listen.tls(certificates.clone(), key.clone()),
            (None, None) => {}
            _ => {
                let message = "TLS takes both tls_cert and tls_key";
                return Err(Error::new(ErrorKind::InvalidConfig, message));
            }
        }
        listen.check()?;
        Ok(Self {
            listen,
            restore_root: args.restore_root.clone().or_else(|| config.restore_root.clone()),
            calls_per_second: args
                .calls_per_second
                .or(config.calls_per_second)
                .unwrap_or(CALLS_PER_SECOND_DEFAULT),
            shutdown_grace: args.shutdown_grace.or(config.shutdown_grace).unwrap_or(GRACE_DEFAULT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_line_says_goes_before_what_the_configuration_says() {
        let config: ServeConfig = toml::from_str(
            "listen = \"0.0.0.0:9000\"\nbehind_proxy = true\ncalls_per_second = 7\nshutdown_grace = \"1m\"\nrestore_root = \"/srv\"",
        )
        .unwrap();
        let configured = Serving::resolve(&ServeArgs::default(), &config).unwrap();
        assert_eq!(configured.listen, Listen::new("0.0.0.0:9000".parse().unwrap()).behind_proxy(true));
        assert_eq!((configured.calls_per_second, configured.shutdown_grace), (7, Duration::from_secs(60)));
        let mut args = ServeArgs { calls_per_second: Some(9), ..ServeArgs::default() };
        args.listen = Some("127.0.0.1:1".parse().unwrap());
        let told = Serving::resolve(&args, &config).unwrap();
        assert_eq!(told.listen, Listen::new("127.0.0.1:1".parse().unwrap()).behind_proxy(true));
        assert_eq!((told.calls_per_second, told.restore_root), (9, Some("/srv".into())));
        let neither = Serving::resolve(&ServeArgs::default(), &ServeConfig::default()).unwrap();
        assert_eq!(neither.listen, Listen::new(LISTEN_DEFAULT));
        let half: ServeConfig = toml::from_str("tls_cert = \"cert.pem\"").unwrap();
        assert!(Serving::resolve(&ServeArgs::default(), &half).is_err());
    }
}
