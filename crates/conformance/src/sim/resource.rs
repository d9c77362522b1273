//! What the simulated cloud stores: volumes and file systems with content, size and change.

use std::collections::BTreeMap;
use std::time::Duration;

use stillpoint_core::{Tags, Timestamp};

/// The two kinds of storage, by how a backup captures them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SimKind {
    /// A block volume: captured at the instant its job begins to run (like an EBS snapshot).
    Volume,
    /// A file system: captured over the whole run of its job (like an EFS backup).
    FileSystem,
}

impl SimKind {
    /// The component kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::FileSystem => "file-system",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) kind: SimKind,
    pub(super) size_bytes: u64,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) tags: Tags,
    pub(super) created_at: Timestamp,
    /// Whether a restore made it.
    pub(super) restored: bool,
    change_per_second: u64,
    /// Changed bytes up to `accruing_since`, or in all while it is still.
    accrued: u64,
    accruing_since: Option<Timestamp>,
    /// The newest write while it is still.
    written_at: Option<Timestamp>,
    had_point: bool,
    /// When services write again by themselves.
    pub(super) still_until: Option<Timestamp>,
}

impl Resource {
    pub(super) fn new(kind: SimKind, size_bytes: u64, change_per_second: u64, now: Timestamp) -> Self {
        Self {
            kind,
            size_bytes,
            files: BTreeMap::new(),
            tags: Tags::new(),
            created_at: now,
            restored: false,
            change_per_second,
            accrued: 0,
            accruing_since: (change_per_second > 0).then_some(now),
            written_at: None,
            had_point: false,
            still_until: None,
        }
    }

    pub(super) fn write(&mut self, path: &str, content: &[u8], now: Timestamp) {
        self.accrued += content.len() as u64;
        self.files.insert(path.to_owned(), content.to_vec());
        self.written_at = Some(now);
    }

    /// Holds it still until a time at the most, or lets services write again.
    pub(super) fn pause(&mut self, until: Option<Timestamp>, now: Timestamp) {
        self.still_until = until;
        if until.is_some() {
            self.accrued = self.changed_bytes(now);
            self.written_at = self.accruing_since.take().map(|_| now).or(self.written_at);
        } else if self.accruing_since.is_none() && self.change_per_second > 0 {
            self.accruing_since = Some(now);
        }
    }

    /// The bytes a backup job started now has to move.
    pub(super) fn due_bytes(&self, now: Timestamp) -> u64 {
        if self.had_point { self.changed_bytes(now).min(self.size_bytes) } else { self.size_bytes }
    }

    fn changed_bytes(&self, now: Timestamp) -> u64 {
        let since = self.accruing_since.map_or(Duration::ZERO, |since| now.since(since));
        self.accrued.saturating_add(self.change_per_second.saturating_mul(since.as_secs()))
    }

    /// A job begins to capture: the next one moves only what changes from now on.
    pub(super) fn capture_begun(&mut self, now: Timestamp) {
        self.accrued = 0;
        self.accruing_since = self.accruing_since.map(|_| now);
    }

    /// The capture was completed, or its `bytes` are due again.
    pub(super) fn capture_ended(&mut self, completed: bool, bytes: u64) {
        self.had_point |= completed;
        if !completed {
            self.accrued = self.accrued.saturating_add(bytes);
        }
    }

    /// Whether anything was written between `from` and `now`, both included.
    pub(super) fn was_written_since(&self, from: Timestamp) -> bool {
        self.accruing_since.is_some() || self.written_at.is_some_and(|at| at > from)
    }
}

/// The content of a resource at one moment, and whether that moment was a still one.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) kind: SimKind,
    pub(super) size_bytes: u64,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Whether nothing was written while it was captured.
    pub(super) still: bool,
}

impl Image {
    pub(super) fn of(resource: &Resource, captured_from: Timestamp) -> Self {
        Self {
            kind: resource.kind,
            size_bytes: resource.size_bytes,
            files: resource.files.clone(),
            still: !resource.was_written_since(captured_from),
        }
    }
}
