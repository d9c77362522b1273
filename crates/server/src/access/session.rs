//! The page's session: a cookie that scripts cannot read, and what proves that a form came from our own page.

use http::HeaderMap;
use http::header::COOKIE;

use super::token::Secret;

/// The cookie's name. Over TLS browsers take it only from this host and for all of its paths.
const NAME: &str = "stillpoint-session";
/// Its name over TLS, which browsers accept only with `Secure` and without a domain.
const SECURE_NAME: &str = "__Host-stillpoint-session";
/// What a form's proof is derived for.
const FORMS: &str = "stillpoint form";

/// A browser's session. It holds the token itself, so that every server of a fleet knows it and revoking the token ends
/// it; the cookie is out of reach for scripts and is not sent along from other sites.
#[derive(Clone, Debug)]
pub(crate) struct Session(Secret);

impl Session {
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The session that a request came with. Over TLS only the cookie that no other host can set is one.
    pub(crate) fn of(headers: &HeaderMap, secure: bool) -> Option<Self> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        let mut pairs =
            cookies.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let found = pairs.find(|(name, value)| *name == name_of(secure) && !value.is_empty());
        found.map(|(_, value)| Self(Secret::given(value)))
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }

    /// What every form of this session carries. Nobody can make it without the token.
    pub(crate) fn proof(&self) -> String {
        self.0.derive(FORMS)
    }

    /// The header that begins it.
    pub(crate) fn begin(&self, secure: bool) -> String {
        cookie(self.0.expose(), secure)
    }

    /// The header that ends any.
    pub(crate) fn end(secure: bool) -> String {
        format!("{}; Max-Age=0", cookie("", secure))
    }
}

fn name_of(secure: bool) -> &'static str {
    if secure { SECURE_NAME } else { NAME }
}

fn cookie(value: &str, secure: bool) -> String {
    let (name, secure) = (name_of(secure), if secure { "; Secure" } else { "" });
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// Whether two texts are equal, in a time that does not depend on where they differ.
pub(super) fn same(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_tls_a_cookie_that_another_host_could_set_is_no_session() {
        let mut headers = HeaderMap::new();
        let both = format!("{NAME}=stp_planted; {SECURE_NAME}=stp_own");
        headers.insert(COOKIE, both.parse().unwrap());
        assert_eq!(Session::of(&headers, true).unwrap().secret().expose(), "stp_own");
        assert_eq!(Session::of(&headers, false).unwrap().secret().expose(), "stp_planted");
        headers.insert(COOKIE, format!("{NAME}=stp_planted").parse().unwrap());
        assert!(Session::of(&headers, true).is_none());
    }
}
