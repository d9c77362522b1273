//! Backups.

use std::collections::BTreeSet;

use stillpoint_core::{
    BackupId, BackupPlace, BackupQuery, BackupRecord, BackupSort, Error, ErrorKind, Page, Result, Revision,
    StoredBackup, Timestamp,
};

use crate::engine::{Engine, Row, Statement};
use crate::page::{page, prefix_end, rows_wanted};
use crate::rows::{self, encode};

/// How many backups one statement adds; either database takes five times as many values.
const BATCH: usize = 500;

/// The columns that a backup is written to, in the order of [`values`].
macro_rules! backup_columns {
    () => {
        "id, workspace, state, name, created_ms, record, environment, held, searched, size_bytes, added_bytes,
         revision"
    };
}
#[cfg(feature = "postgres")]
pub(crate) use backup_columns;

/// What a backup that is there already is overwritten with.
macro_rules! backup_overwrite {
    () => {
        "ON CONFLICT (id) DO UPDATE SET
             workspace = excluded.workspace, state = excluded.state, name = excluded.name,
             created_ms = excluded.created_ms, record = excluded.record,
             environment = excluded.environment, held = excluded.held, searched = excluded.searched,
             size_bytes = excluded.size_bytes, added_bytes = excluded.added_bytes,
             revision = backups.revision + 1"
    };
}
#[cfg(feature = "postgres")]
pub(crate) use backup_overwrite;

pub(crate) async fn find(engine: &Engine, id: &BackupId) -> Result<Option<StoredBackup>> {
    let statement = Statement::new("SELECT record, revision FROM backups WHERE id = $1").bind(id.as_str());
    engine.read(statement).await?.first().map(rows::backup).transpose()
}

pub(crate) async fn list(engine: &Engine, query: &BackupQuery) -> Result<Page<StoredBackup>> {
    let found = engine.read(select(query)?).await?;
    page(&found, query.limit, rows::backup, |row| Ok(place(query.sort, row)?.cursor()))
}

/// What a list is sorted by before time and id, as the indexes have it.
#[derive(Clone, Copy)]
enum Key {
    Time,
    Text(&'static str),
    Number(&'static str),
}

impl Key {
    fn of(sort: BackupSort) -> Result<Self> {
        Ok(match sort {
            BackupSort::Created => Self::Time,
            BackupSort::Name => Self::Text("COALESCE(name, '')"),
            BackupSort::Workspace => Self::Text("workspace"),
            BackupSort::State => Self::Text("state"),
            BackupSort::Size => Self::Number("size_bytes"),
            BackupSort::Added => Self::Number("added_bytes"),
            _ => return Err(Error::new(ErrorKind::Unsupported, "this catalog has no such order")),
        })
    }
}

/// Where the backup of a row stands, also where the rest of the row cannot be read.
fn place(sort: BackupSort, row: &Row) -> Result<BackupPlace> {
    let created_at = Timestamp::from_millis(row.number("created_ms")?);
    let mut place = BackupPlace::at(sort, created_at, row.text("id")?);
    match Key::of(sort)? {
        Key::Time => {}
        Key::Text(_) => place.text = row.text("sorted_by")?.to_owned(),
        Key::Number(_) => place.number = row.number("sorted_by")?,
    }
    Ok(place)
}

/// The inner query sorts keys alone, so that no more records are read than the page holds.
pub(crate) fn select(query: &BackupQuery) -> Result<Statement> {
    let key = Key::of(query.sort)?;
    let (told, keys) = match key {
        Key::Time => (String::new(), vec!["created_ms", "id"]),
        Key::Text(key) | Key::Number(key) => (format!(", {key} AS sorted_by"), vec![key, "created_ms", "id"]),
    };
    let mut sql = Statement::new(format!(
        "SELECT id, created_ms, record, revision{told} FROM backups
         WHERE id IN (SELECT id FROM backups WHERE TRUE"
    ));
    conditions(&mut sql, query);
    if let Some(cursor) = &query.after {
        let place = BackupPlace::parse(query.sort, cursor)?;
        let beyond = if query.oldest_first { ">" } else { "<" };
        sql.push_str(&format!(" AND ({}) {beyond} (", keys.join(", ")));
        match key {
            Key::Time => {}
            Key::Text(_) => sql.push("$, ", place.text),
            Key::Number(_) => sql.push("$, ", place.number),
        }
        sql.push("$", place.created_at.as_millis());
        sql.push(", $)", place.id);
    }
    let order = match query.oldest_first {
        true => format!(" ORDER BY {}", keys.join(", ")),
        false => format!(" ORDER BY {} DESC", keys.join(" DESC, ")),
    };
    sql.push(&format!("{order} LIMIT $"), rows_wanted(query.limit));
    sql.push_str(")");
    sql.push_str(&order);
    Ok(sql)
}

pub(crate) async fn count(engine: &Engine, query: &BackupQuery) -> Result<u64> {
    let mut sql = Statement::new("SELECT COUNT(*) AS rows_found FROM backups WHERE TRUE");
    conditions(&mut sql, query);
    engine.read(sql).await?.first().map_or(Ok(0), |row| row.counter("rows_found"))
}

/// The conditions of a query, but for its cursor.
fn conditions(sql: &mut Statement, query: &BackupQuery) {
    if let Some(workspace) = &query.workspace {
        sql.push(" AND workspace = $", workspace.as_str());
    }
    if let Some(state) = query.state {
        sql.push(" AND state = $", state.as_str());
    }
    if let Some(name) = &query.name {
        sql.push(" AND name = $", name.as_str());
    }
    if let Some(prefix) = &query.id_prefix {
        sql.push(" AND id >= $", prefix.as_str());
        if let Some(end) = prefix_end(prefix) {
            sql.push(" AND id < $", end);
        }
    }
    if let Some(from) = query.created_from {
        sql.push(" AND created_ms >= $", from.as_millis());
    }
    if let Some(before) = query.created_before {
        sql.push(" AND created_ms < $", before.as_millis());
    }
    if let Some(environment) = &query.environment {
        sql.push(" AND environment = $", environment.as_str());
    }
    if let Some(held) = query.held {
        sql.push(" AND held = $", held);
    }
    if let Some(text) = &query.search {
        sql.push(" AND searched LIKE $ ESCAPE '!'", containing(&text.to_lowercase()));
    }
}

/// The pattern of every text that contains `text`.
fn containing(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|letter| ["!", ""][usize::from(!"!%_".contains(letter))].chars().chain([letter]))
        .collect();
    format!("%{escaped}%")
}

/// Fills the columns that an older version did not know, in the rows that it wrote.
pub(crate) async fn fill_columns(engine: &Engine) -> Result<()> {
    loop {
        let sql = "SELECT id, record, revision FROM backups WHERE size_bytes IS NULL ORDER BY id LIMIT 500";
        let rows = engine.read(Statement::new(sql)).await?;
        for row in &rows {
            // A record that cannot be read is found by its other columns alone.
            let record = rows::backup(row).ok().map(|stored| stored.backup);
            let sql = "UPDATE backups
                 SET environment = $2, held = $3, searched = $4, size_bytes = $5, added_bytes = $6
                 WHERE id = $1 AND size_bytes IS NULL RETURNING id";
            let bytes = |sort| record.as_ref().map_or(0, |record| BackupPlace::of(sort, record).number);
            let statement = Statement::new(sql)
                .bind(row.text("id")?)
                .bind(record.as_ref().and_then(|record| record.definition.environment.as_deref()))
                .bind(record.as_ref().is_some_and(|record| record.held))
                .bind(record.as_ref().map(BackupRecord::searched).unwrap_or_default())
                .bind(bytes(BackupSort::Size))
                .bind(bytes(BackupSort::Added));
            engine.write(statement).await?;
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// Writes a backup outside an operation, if it has the revision `expected`.
pub(crate) async fn put(
    engine: &Engine,
    record: &BackupRecord,
    expected: Option<Revision>,
) -> Result<Revision> {
    let statement = match expected {
        None => values(
            Statement::new(concat!(
                "INSERT INTO backups (",
                backup_columns!(),
                ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1) \
                 ON CONFLICT (id) DO NOTHING RETURNING revision"
            )),
            record,
        )?,
        Some(revision) => values(
            Statement::new(
                "UPDATE backups
                 SET workspace = $2, state = $3, name = $4, created_ms = $5, record = $6,
                     environment = $7, held = $8, searched = $9, size_bytes = $10, added_bytes = $11,
                     revision = revision + 1
                 WHERE id = $1 AND revision = $12 RETURNING revision",
            ),
            record,
        )?
        // Revisions are counted by the database, so one that it cannot hold is that of no backup.
        .bind(i64::try_from(revision.0).unwrap_or(-1)),
    };
    let written = engine.write(statement).await?;
    let row = written.first().ok_or_else(|| {
        let kind = if expected.is_none() { ErrorKind::AlreadyExists } else { ErrorKind::Conflict };
        Error::new(kind, format!("backup {} was changed by somebody else", record.id))
    })?;
    Ok(Revision(row.counter("revision")?))
}

/// Writes those backups that are not there yet, each batch of them by one statement.
pub(crate) async fn add(engine: &Engine, records: &[BackupRecord]) -> Result<Vec<bool>> {
    let mut added = Vec::with_capacity(records.len());
    for batch in records.chunks(BATCH) {
        let mut all = Statement::new(concat!("INSERT INTO backups (", backup_columns!(), ") VALUES "));
        for (number, record) in batch.iter().enumerate() {
            all.push_str(if number == 0 { "" } else { ", " });
            all.append(values(Statement::new("($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)"), record)?);
        }
        all.push_str(" ON CONFLICT (id) DO NOTHING RETURNING id");
        let written = engine.write(all).await?;
        let mut new = written.iter().map(|row| row.text("id")).collect::<Result<BTreeSet<_>>>()?;
        added.extend(batch.iter().map(|record| new.remove(record.id.as_str())));
    }
    Ok(added)
}

/// Writes or overwrites a backup.
pub(crate) fn overwrite(record: &BackupRecord) -> Result<Statement> {
    let sql = concat!(
        "INSERT INTO backups (",
        backup_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1) ",
        backup_overwrite!()
    );
    values(Statement::new(sql), record)
}

/// Removes a backup; one that is absent is removed already.
pub(crate) fn remove(id: &BackupId) -> Statement {
    Statement::new("DELETE FROM backups WHERE id = $1").bind(id.as_str())
}

/// Adds the eleven values of a backup.
pub(crate) fn values(statement: Statement, record: &BackupRecord) -> Result<Statement> {
    Ok(statement
        .bind(record.id.as_str())
        .bind(record.workspace.as_str())
        .bind(record.state.as_str())
        .bind(record.name.as_deref())
        .bind(record.created_at.as_millis())
        .bind(encode(record)?)
        .bind(record.definition.environment.as_deref())
        .bind(record.held)
        .bind(record.searched())
        .bind(BackupPlace::of(BackupSort::Size, record).number)
        .bind(BackupPlace::of(BackupSort::Added, record).number))
}
