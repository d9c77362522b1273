//! What active operations work on, noted so that no two of them work on the same data.

use std::collections::BTreeMap;

use stillpoint_core::{Extent, Lease, OperationId, Result};

use crate::engine::{Engine, Statement};
use crate::leases::{fenced, number};

/// The marks of an operation's extents, each once: whether it covers the whole of its place.
type Marks = BTreeMap<String, bool>;

pub(crate) async fn reserve(engine: &Engine, lease: &Lease, extents: &[Extent]) -> Result<Vec<OperationId>> {
    let mut marks = Marks::new();
    for mark in extents.iter().flat_map(Extent::marks) {
        *marks.entry(mark.key).or_default() |= mark.whole;
    }
    let id = &lease.operation;
    // Whoever else reserves waits until this is done, so that of two that overlap the second sees the first.
    let mut change = engine.begin_in_turn().await?;
    if change.run(kept(lease)).await?.is_empty() {
        return Err(fenced(lease));
    }
    change.run(released(id)).await?;
    let mut in_the_way = Vec::new();
    if !marks.is_empty() {
        for row in change.run(others(id, &marks)).await? {
            in_the_way.push(row.text("operation")?.parse()?);
        }
        if in_the_way.is_empty() {
            change.run(noted(id, &marks)).await?;
        }
    }
    change.finish().await?;
    Ok(in_the_way)
}

/// Keeps an operation from being taken over until the change is done; returns a row if `lease` is still the newest.
fn kept(lease: &Lease) -> Statement {
    Statement::new("UPDATE operations SET epoch = epoch WHERE id = $1 AND epoch = $2 RETURNING id")
        .bind(lease.operation.as_str())
        .bind(number(lease.epoch))
}

/// Forgets what an operation works on.
pub(crate) fn released(id: &OperationId) -> Statement {
    Statement::new("DELETE FROM reservations WHERE operation = $1").bind(id.as_str())
}

/// The active operations that have a mark in common with these, which covers the whole for one of the two.
pub(crate) fn others(id: &OperationId, marks: &Marks) -> Statement {
    let mut sql = with(marks);
    sql.push_str(
        " SELECT DISTINCT reservations.operation FROM own
         JOIN reservations ON reservations.key = own.key AND (reservations.whole = 1 OR own.whole = 1)
         JOIN operations ON operations.id = reservations.operation AND operations.active = 1",
    );
    sql.push(" WHERE reservations.operation <> $ ORDER BY reservations.operation", id.as_str());
    sql
}

/// Nothing is noted of an operation that has ended meanwhile.
fn noted(id: &OperationId, marks: &Marks) -> Statement {
    let mut sql = with(marks);
    sql.push_str(
        " INSERT INTO reservations (operation, key, whole)
         SELECT operations.id, own.key, own.whole FROM own JOIN operations ON operations.active = 1",
    );
    sql.push(" AND operations.id = $", id.as_str());
    sql
}

/// The marks as rows, to go on from.
fn with(marks: &Marks) -> Statement {
    let mut sql = Statement::new("WITH own (key, whole) AS (VALUES ");
    let mut between = "";
    for (key, whole) in marks {
        sql.push_str(between);
        sql.push("($", key.as_str());
        sql.push(", $)", *whole);
        between = ", ";
    }
    sql.push_str(")");
    sql
}
