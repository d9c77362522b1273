//! Whoever is signed in with the Azure command line.

use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use stillpoint_core::{Error, ErrorKind, Result, Timestamp};
use tokio::process::Command;

use super::{Source, Token};

/// How long `az` may take; it starts slowly.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// The Azure command line.
#[derive(Debug)]
pub(super) struct CommandLine;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "accessToken")]
    access_token: String,
    /// Seconds since 1970, in UTC; older versions tell the local time only.
    expires_on: Option<i64>,
}

#[async_trait]
impl Source for CommandLine {
    async fn token(&self, audience: &str, now: Timestamp) -> Result<Token> {
        let refused =
            |why: &str| Error::new(ErrorKind::Unauthenticated, format!("the Azure command line {why}"));
        let asked = Command::new("az")
            .args(["account", "get-access-token", "--output", "json", "--resource", audience])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let answer = tokio::time::timeout(ANSWERS_WITHIN, asked)
            .await
            .map_err(|late| refused("does not answer").with_source(late))?
            .map_err(|error| refused("cannot be started").with_source(error))?;
        if !answer.status.success() {
            return Err(refused("gave no token; run `az login`"));
        }
        read(&answer.stdout, now)
            .ok_or_else(|| refused("gave an answer without a token, or is older than 2.54"))
    }
}

fn read(output: &[u8], now: Timestamp) -> Option<Token> {
    let answer: Answer = serde_json::from_slice(output).ok()?;
    let expires = Timestamp::from_millis(answer.expires_on?.checked_mul(1000)?);
    Some(Token::new(answer.access_token, now, expires))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_answer_is_read_where_it_tells_the_end_in_utc() {
        let now = Timestamp::from_millis(0);
        let new =
            br#"{"accessToken": "sesame", "expiresOn": "2026-01-01 00:00:00.000000", "expires_on": 3600}"#;
        let token = read(new, now).unwrap();
        assert_eq!((token.text(), token.renew_at), ("sesame", now.after(Duration::from_secs(3300))));
        assert!(read(br#"{"accessToken": "sesame", "expiresOn": "2026-01-01"}"#, now).is_none());
        assert!(read(b"ERROR", now).is_none());
    }
}
