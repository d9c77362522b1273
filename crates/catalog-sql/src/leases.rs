//! Leases: one statement each, by the database's clock.

use std::time::Duration;

use stillpoint_core::{Claim, Error, ErrorKind, Holder, Lease, OperationId, Renewal, Result};

use crate::engine::{Engine, Statement};
use crate::rows::{self, encode, operation_columns};

/// The longest lease, in milliseconds: 300 years, which no clock runs over with.
const TTL_MAX: i64 = 10_000_000_000_000;

/// A row that somebody else is changing at this moment is passed by: it is held. Waiting for it would only find it
/// claimed, or, where its holder hangs in the middle of a change, wait for as long as that hangs.
pub(crate) async fn claim(
    engine: &Engine,
    id: &OperationId,
    holder: &Holder,
    ttl: Duration,
    takeover: Option<u64>,
) -> Result<Claim> {
    let statement = Statement::new(
        "UPDATE operations SET epoch = epoch + 1, holder = $2, expires_ms = :now + $3
         WHERE id = (
             SELECT id FROM operations
             WHERE id = $1 AND (holder IS NULL OR expires_ms <= :now OR epoch = $4) :unlocked
         ) RETURNING epoch, expires_ms",
    )
    .bind(id.as_str())
    .bind(encode(holder)?)
    .bind(millis(ttl))
    // No epoch is negative.
    .bind(takeover.map_or(-1, number));
    if let Some(row) = engine.write(statement).await?.first() {
        return Ok(Claim::Claimed(Lease::new(id.clone(), row.counter("epoch")?, rows::expiry(row)?)));
    }
    let sql = concat!("SELECT ", operation_columns!(), " FROM operations WHERE id = $1");
    let found = engine.read(Statement::new(sql).bind(id.as_str())).await?;
    found.first().ok_or_else(|| absent(id)).and_then(rows::lease).map(Claim::Held)
}

pub(crate) async fn renew(engine: &Engine, lease: &Lease, ttl: Duration) -> Result<Renewal> {
    let statement = Statement::new(
        "UPDATE operations SET expires_ms = :now + $3 WHERE id = $1 AND epoch = $2
         RETURNING expires_ms, cancel_requested",
    );
    let statement = statement.bind(lease.operation.as_str()).bind(number(lease.epoch)).bind(millis(ttl));
    let found = engine.write(statement).await?;
    let row = found.first().ok_or_else(|| fenced(lease))?;
    let renewed = Lease::new(lease.operation.clone(), lease.epoch, rows::expiry(row)?);
    Ok(Renewal::new(renewed, row.truth("cancel_requested")?))
}

pub(crate) async fn release(engine: &Engine, lease: &Lease) -> Result<()> {
    let statement = Statement::new("UPDATE operations SET holder = NULL WHERE id = $1 AND epoch = $2");
    let statement = statement.bind(lease.operation.as_str()).bind(number(lease.epoch));
    engine.write(statement).await.map(drop)
}

/// Epochs are counted by the database, so one that it cannot hold is nobody's.
pub(crate) fn number(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

pub(crate) fn millis(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(TTL_MAX).min(TTL_MAX)
}

pub(crate) fn fenced(lease: &Lease) -> Error {
    let message = format!("operation {} was taken over by another process", lease.operation);
    Error::new(ErrorKind::Conflict, message)
}

pub(crate) fn absent(id: &OperationId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no operation {id}"))
}
