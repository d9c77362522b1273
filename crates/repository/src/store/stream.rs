//! A range of an object as it arrives.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::TryStreamExt;
use futures::stream::BoxStream;

use super::counters::Counters;
use super::pace::Pace;
use super::to_u64;
use crate::error::{Error, Result};

/// A read under way, whose bytes are taken in order. Dropping it ends the request.
pub(crate) struct RangeStream {
    key: String,
    parts: BoxStream<'static, Result<Bytes>>,
    /// What arrived and was not taken yet.
    held: Bytes,
    position: u64,
    counters: Arc<Counters>,
    pace: Option<Arc<Pace>>,
}

impl RangeStream {
    pub(super) fn new(
        key: &str,
        start: u64,
        parts: BoxStream<'static, Result<Bytes>>,
        counters: Arc<Counters>,
    ) -> Self {
        counters.get(0);
        Self { key: key.to_owned(), parts, held: Bytes::new(), position: start, counters, pace: None }
    }

    /// The same, at this pace.
    pub(super) fn at(self, pace: Option<Arc<Pace>>) -> Self {
        Self { pace, ..self }
    }

    /// Makes `buffer`, whatever it held before, the bytes of `range`. What lies between them and the last ones taken is
    /// passed over.
    ///
    /// # Errors
    /// `Corrupt` if the object ends before, `InvalidInput` for bytes that were taken already, or the store's failure.
    pub(crate) async fn take(&mut self, range: Range<u64>, buffer: &mut Vec<u8>) -> Result<()> {
        buffer.clear();
        let mut between = range
            .start
            .checked_sub(self.position)
            .ok_or_else(|| Error::invalid("bytes of a stream are taken in order"))?;
        while between > 0 {
            between -= to_u64(self.next(between).await?.len());
        }
        let mut wanted = range.end.saturating_sub(range.start);
        buffer.reserve_exact(usize::try_from(wanted).unwrap_or_default());
        while wanted > 0 {
            let part = self.next(wanted).await?;
            buffer.extend_from_slice(&part);
            wanted -= to_u64(part.len());
        }
        Ok(())
    }

    /// At least one and at most `limit` of the bytes that come next.
    async fn next(&mut self, limit: u64) -> Result<Bytes> {
        while !self.held.has_remaining() {
            self.held = self.parts.try_next().await?.ok_or_else(|| {
                Error::corrupt(&self.key, format!("it gave no bytes from byte {} on", self.position))
            })?;
            self.counters.received(self.held.len());
            if let Some(pace) = &self.pace {
                pace.pass(self.held.len()).await;
            }
        }
        let length = usize::try_from(limit).unwrap_or(usize::MAX).min(self.held.len());
        self.position += to_u64(length);
        Ok(self.held.split_to(length))
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;
    use crate::error::ErrorKind;

    fn arriving(parts: &[&'static [u8]]) -> RangeStream {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part))).collect();
        RangeStream::new("data/ab/abc", 100, stream::iter(parts).boxed(), Arc::default())
    }

    #[tokio::test]
    async fn parts_are_joined_and_what_lies_between_is_passed_over() {
        let mut stream = arriving(&[b"still", b"", b" wat", b"er runs deep"]);
        let mut buffer = b"old".to_vec();
        for (range, text) in [(100..103, "sti"), (103..103, ""), (106..111, "water"), (117..121, "deep")] {
            stream.take(range, &mut buffer).await.unwrap();
            assert_eq!(buffer, text.as_bytes());
        }
        assert_eq!((stream.counters.read().gets, stream.counters.read().bytes_read), (1, 21));
    }

    #[tokio::test]
    async fn an_object_that_ends_early_and_a_step_back_are_errors() {
        let mut stream = arriving(&[b"still"]);
        let mut buffer = Vec::new();
        stream.take(100..102, &mut buffer).await.unwrap();
        let back = stream.take(101..103, &mut buffer).await.unwrap_err();
        assert_eq!(*back.kind(), ErrorKind::InvalidInput);
        let short = stream.take(102..106, &mut buffer).await.unwrap_err();
        assert!(matches!(short.kind(), ErrorKind::Corrupt { .. }));
    }
}
