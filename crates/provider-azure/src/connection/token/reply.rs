//! What the endpoints that give tokens answer.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use stillpoint_core::{Error, ErrorKind, Result, Timestamp};

use super::super::answer::Answer;
use super::Token;

#[derive(Deserialize)]
struct Reply {
    access_token: String,
    expires_on: Option<Value>,
    expires_in: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Refusal {
    error: Option<String>,
    error_description: Option<String>,
}

/// The longest description that is passed on, in characters.
const DESCRIPTION_CHARS_MAX: usize = 300;

/// The token of an answer of `source`.
///
/// # Errors
/// `Unauthenticated` where it gives none; `Unavailable`, `RateLimited` where it may later.
pub(super) fn token(source: &str, answer: &Answer, now: Timestamp) -> Result<Token> {
    if !answer.is_success() {
        return Err(refused(source, answer, now));
    }
    let unreadable = || Error::new(ErrorKind::Unexpected, format!("{source} gave an answer without a token"));
    // What the parser says of it might quote it.
    let reply: Reply = answer.json().map_err(|_quoted| unreadable())?;
    let seconds = |value: &Option<Value>| match value {
        Some(Value::String(text)) => text.parse::<i64>().ok(),
        Some(number) => number.as_i64(),
        None => None,
    };
    let expires = match (seconds(&reply.expires_on), seconds(&reply.expires_in)) {
        (_, Some(life)) => Some(now.after(Duration::from_secs(u64::try_from(life).unwrap_or(0)))),
        (Some(at), None) => at.checked_mul(1000).map(Timestamp::from_millis),
        (None, None) => None,
    };
    Ok(Token::new(reply.access_token, now, expires.ok_or_else(unreadable)?))
}

fn refused(source: &str, answer: &Answer, now: Timestamp) -> Error {
    let said: Refusal = answer.json().unwrap_or_default();
    let description: String =
        said.error_description.unwrap_or_default().chars().take(DESCRIPTION_CHARS_MAX).collect();
    let code = said.error.unwrap_or_else(|| format!("status {}", answer.status));
    let kind = match answer.status {
        429 => ErrorKind::RateLimited,
        408 | 410 | 500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Unauthenticated,
    };
    let error = Error::new(kind, format!("{source} gave no token: {code}: {description}")).with("code", code);
    match answer.retry_after(now) {
        Some(wait) if kind != ErrorKind::Unauthenticated => error.retry_after(wait),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::answer::tests::answer;
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_in_each_of_its_forms() {
        let now = Timestamp::from_millis(1_000_000_000);
        for (body, renewed) in [
            (r#"{"access_token": "sesame", "expires_in": 3600}"#, 3300),
            (r#"{"access_token": "sesame", "expires_in": "3600", "expires_on": "9"}"#, 3300),
            (r#"{"access_token": "sesame", "expires_on": "1003600"}"#, 3300),
            (r#"{"access_token": "sesame", "expires_in": 60}"#, 30),
        ] {
            let token = token("it", &answer(200, &[], body), now).unwrap();
            assert_eq!(token.renew_at, now.after(Duration::from_secs(renewed)), "{body}");
        }
    }

    #[test]
    fn no_error_quotes_a_token() {
        let now = Timestamp::from_millis(0);
        for body in [r#"{"access_token": "sesame"}"#, r#"{"access_token": "sesame", "expires_in": [}"#] {
            let error = token("it", &answer(200, &[], body), now).unwrap_err();
            assert!(!format!("{error:?}").contains("sesame"), "{error:?}");
        }
        let refused = token("it", &answer(401, &[], r#"{"error": "invalid_client"}"#), now).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
        assert_eq!(token("it", &answer(503, &[], ""), now).unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
