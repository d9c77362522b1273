//! Storing tokens so that every one of them can be listed, and thereby revoked.

use std::time::Duration;

use stillpoint_core::{Error, ErrorKind, Result, Timestamp};

use super::store::AccessStore;
use super::token::TokenRecord;

/// Tokens at the most: as many as a list shows.
const TOKENS_MAX: usize = 1000;
/// How long a token that has ended is still listed.
const ENDED_SHOWN_FOR: Duration = Duration::from_secs(30 * 86_400);

/// Stores a token, and lets those go that ended more than thirty days ago. Where its id is taken already nothing is stored,
/// and the answer is `false`.
///
/// # Errors
/// `QuotaExceeded` where there are a thousand tokens already; whatever storing can meet.
pub async fn keep_token(access: &dyn AccessStore, record: &TokenRecord, now: Timestamp) -> Result<bool> {
    let tokens = access.tokens().await?;
    let is_over = |token: &&TokenRecord| token.expires_at.is_some_and(|end| end.after(ENDED_SHOWN_FOR) < now);
    let over: Vec<_> = tokens.iter().filter(is_over).collect();
    for token in &over {
        access.remove_token(&token.id).await?;
    }
    if tokens.len() - over.len() >= TOKENS_MAX {
        let message = format!("there are {TOKENS_MAX} tokens already; revoke those that nobody needs");
        return Err(Error::new(ErrorKind::QuotaExceeded, message));
    }
    access.put_token(record).await
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{SeededEntropy, VirtualClock};

    use super::*;
    use crate::access::{MemoryAccess, NewToken, Role};

    #[tokio::test]
    async fn long_ended_tokens_go_and_no_more_are_kept_than_a_list_shows() {
        let (access, entropy) = (MemoryAccess::default(), SeededEntropy::new(1));
        let day = |days: i64| Timestamp::from_millis(days * 86_400_000);
        let made = |days: i64, lasts: Option<u64>| {
            let mut token = NewToken::new("ci", Role::Viewer);
            token.expires = lasts.map(|days| Duration::from_secs(days * 86_400));
            token.make(&VirtualClock::starting_at(day(days)), &entropy).unwrap().1
        };
        for record in [made(0, Some(1)), made(0, Some(20)), made(0, None)] {
            assert!(keep_token(&access, &record, day(0)).await.unwrap());
        }
        assert!(keep_token(&access, &made(40, None), day(40)).await.unwrap());
        let left = access.tokens().await.unwrap();
        assert_eq!(
            left.len(),
            3,
            "the one that ended on day 1 is gone, the one of day 20 is shown: {left:?}"
        );
        for _ in left.len()..TOKENS_MAX {
            assert!(access.put_token(&made(40, None)).await.unwrap());
        }
        let refused = keep_token(&access, &made(40, None), day(40)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::QuotaExceeded);
    }
}
