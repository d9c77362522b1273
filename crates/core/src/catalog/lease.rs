//! Who works on an operation: holders, leases with fencing epochs, and the answers about them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::OperationId;
use crate::operation::OperationRecord;

/// Somebody who works on operations: one orchestrator in one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holder {
    /// The machine, so that a dead process on the same one can be recognised.
    pub host: String,
    /// The process on that machine: pid and start time, or any text that no other process uses.
    pub process: String,
}

impl Holder {
    /// A holder.
    pub fn new(host: impl Into<String>, process: impl Into<String>) -> Self {
        Self { host: host.into(), process: process.into() }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.process, self.host)
    }
}

/// The right to work on an operation until it runs out or is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The operation.
    pub operation: OperationId,
    /// Grows with each claim; every change is made under one epoch.
    pub epoch: u64,
    /// When it runs out, by the catalog's clock.
    pub expires_at: Timestamp,
}

impl Lease {
    /// A lease.
    pub fn new(operation: OperationId, epoch: u64, expires_at: Timestamp) -> Self {
        Self { operation, epoch, expires_at }
    }
}

/// What others see of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseInfo {
    /// Who holds it; `None` when it was given up.
    pub holder: Option<Holder>,
    /// Its epoch.
    pub epoch: u64,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// Whether it still ran when it was read, by the catalog's clock.
    pub live: bool,
}

impl LeaseInfo {
    /// A lease as others see it.
    pub fn new(holder: Option<Holder>, epoch: u64, expires_at: Timestamp, live: bool) -> Self {
        Self { holder, epoch, expires_at, live }
    }
}

/// An operation with its lease, as read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredOperation {
    /// The operation.
    pub operation: OperationRecord,
    /// Who works on it.
    pub lease: LeaseInfo,
    /// Whether somebody asked it to stop.
    pub cancel_requested: bool,
}

impl StoredOperation {
    /// An operation as read.
    pub fn new(operation: OperationRecord, lease: LeaseInfo, cancel_requested: bool) -> Self {
        Self { operation, lease, cancel_requested }
    }
}

/// The answer to creating an operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Creation {
    /// It is stored and yours.
    Created(Lease),
    /// It was stored before.
    Exists(Box<StoredOperation>),
    /// This other operation has the workspace to itself.
    Busy(Box<StoredOperation>),
}

/// The answer to claiming an operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Claim {
    /// It is yours.
    Claimed(Lease),
    /// Somebody else holds it.
    Held(LeaseInfo),
}

/// The answer to renewing a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewal {
    /// The lease, extended.
    pub lease: Lease,
    /// Whether somebody asked the operation to stop.
    pub cancel_requested: bool,
}

impl Renewal {
    /// A renewal.
    pub fn new(lease: Lease, cancel_requested: bool) -> Self {
        Self { lease, cancel_requested }
    }
}
