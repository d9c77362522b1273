//! Counting requests and bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::to_u64;

/// Requests and bytes that went through a store since it was opened. Retries inside the store are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TransferCounters {
    /// Objects or ranges read.
    pub gets: u64,
    /// Objects written.
    pub puts: u64,
    /// Listings.
    pub lists: u64,
    /// Objects removed.
    pub deletes: u64,
    /// Objects copied inside the store.
    pub copies: u64,
    /// Payload bytes read.
    pub bytes_read: u64,
    /// Payload bytes written.
    pub bytes_written: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    gets: AtomicU64,
    puts: AtomicU64,
    lists: AtomicU64,
    deletes: AtomicU64,
    copies: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
}

impl Counters {
    pub(super) fn get(&self, bytes: usize) {
        add(&self.gets, 1);
        add(&self.bytes_read, to_u64(bytes));
    }

    /// Payload bytes of a read that was counted before.
    pub(super) fn received(&self, bytes: usize) {
        add(&self.bytes_read, to_u64(bytes));
    }

    pub(super) fn put(&self, bytes: usize) {
        add(&self.puts, 1);
        add(&self.bytes_written, to_u64(bytes));
    }

    pub(super) fn list(&self) {
        add(&self.lists, 1);
    }

    pub(super) fn delete(&self) {
        add(&self.deletes, 1);
    }

    pub(super) fn copy(&self) {
        add(&self.copies, 1);
    }

    pub(super) fn read(&self) -> TransferCounters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TransferCounters {
            gets: load(&self.gets),
            puts: load(&self.puts),
            lists: load(&self.lists),
            deletes: load(&self.deletes),
            copies: load(&self.copies),
            bytes_read: load(&self.bytes_read),
            bytes_written: load(&self.bytes_written),
        }
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
