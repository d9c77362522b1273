//! Places for those who follow events: so many for all, and fewer for each token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stillpoint_core::{Error, ErrorKind, Result};

/// Streams of events at a time.
const STREAMS_MAX: usize = 1000;
/// Streams of events of one token at a time.
const STREAMS_PER_TOKEN: usize = 100;
/// When to come back.
const COME_BACK_AFTER: Duration = Duration::from_secs(5);

/// The places that are taken, by the id of the token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Streams,
    token: String,
}

impl Streams {
    /// A place for a stream of `token`.
    ///
    /// # Errors
    /// `RateLimited` where none is left, for all or for this token.
    pub(crate) fn take(&self, token: &str) -> Result<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_token = taken.get(token).copied().unwrap_or_default();
        if of_token >= STREAMS_PER_TOKEN || taken.values().sum::<usize>() >= STREAMS_MAX {
            let message = "too many streams are open; come back later";
            return Err(Error::new(ErrorKind::RateLimited, message).retry_after(COME_BACK_AFTER));
        }
        taken.insert(token.to_owned(), of_token + 1);
        Ok(Place { streams: self.clone(), token: token.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.token) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.token)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_takes_the_places_of_all_and_what_is_given_back_is_there_again() {
        let streams = Streams::default();
        let mut places: Vec<_> = (0..STREAMS_PER_TOKEN).map(|_| streams.take("greedy").unwrap()).collect();
        assert_eq!(streams.take("greedy").unwrap_err().kind(), ErrorKind::RateLimited);
        places.pop();
        places.push(streams.take("greedy").unwrap());
        for other in 0..STREAMS_MAX - STREAMS_PER_TOKEN {
            places.push(streams.take(&format!("other-{other}")).unwrap());
        }
        assert_eq!(streams.take("one-more").unwrap_err().kind(), ErrorKind::RateLimited);
        places.clear();
        assert!(streams.0.lock().unwrap().is_empty(), "nothing is remembered of who is gone");
    }
}
