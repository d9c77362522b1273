//! Fills a catalog's tables many rows at a time, as no user of it would.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection};
use stillpoint_core::{
    BackupRecord, BackupRequest, BackupState, Component, ComponentRecord, ComponentState, Definition,
    OperationRecord, OperationState, Request, SnapshotRef, Timestamp,
};

use super::Outcome;

/// How many workspaces share the backups.
const WORKSPACES: usize = 1000;
/// Rows of one statement.
const BATCH: usize = 500;

pub(crate) fn workspace(number: usize) -> String {
    format!("workspace-{:04}", number % WORKSPACES)
}

pub(crate) fn backup_id(number: usize) -> String {
    format!("b-{number:08}")
}

pub(crate) fn name(number: usize) -> String {
    format!("release-{}", number / 500)
}

/// A backup every ten seconds.
pub(crate) fn time(number: usize) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + i64::try_from(number).unwrap_or(i64::MAX) * 10_000)
}

pub(crate) fn backup(number: usize) -> Outcome<BackupRecord> {
    let definition = Definition::new(workspace(number).parse()?);
    let operation = format!("op-{number:08}").parse()?;
    let mut record = BackupRecord::new(backup_id(number).parse()?, operation, definition, time(number));
    record.state = if number.is_multiple_of(50) { BackupState::Partial } else { BackupState::Completed };
    record.name = number.is_multiple_of(500).then(|| name(number));
    for component in 0..3 {
        let place = format!(
            "arn:aws:elasticfilesystem:us-west-2:123456789012:file-system/fs-{number:08x}{component}"
        );
        let component = Component::new(format!("c-{component}").parse()?, "efs", "aws".parse()?, place);
        let mut member = ComponentRecord::new(component, ComponentState::Completed);
        member.snapshot = Some(SnapshotRef::new("aws".parse()?, format!("snapshot-{number:032x}").parse()?));
        record.components.push(member);
    }
    Ok(record)
}

fn operation(number: usize) -> Outcome<OperationRecord> {
    let request = BackupRequest::new(format!("op-{number:08}").parse()?, workspace(number).parse()?);
    let mut record = OperationRecord::submitted(Request::Backup(request), time(number));
    // Nobody has two active ones, so these are detached.
    record.state =
        if number.is_multiple_of(1000) { OperationState::Detached } else { OperationState::Completed };
    Ok(record)
}

/// A value of a row.
enum Cell {
    Text(String),
    Optional(Option<String>),
    Number(i64),
}

fn backup_row(number: usize) -> Outcome<Vec<Cell>> {
    let record = backup(number)?;
    Ok(vec![
        Cell::Text(record.id.to_string()),
        Cell::Text(record.workspace.to_string()),
        Cell::Text(record.state.as_str().to_owned()),
        Cell::Optional(record.name.clone()),
        Cell::Number(record.created_at.as_millis()),
        Cell::Number(1),
        Cell::Text(serde_json::to_string(&record)?),
    ])
}

fn operation_row(number: usize) -> Outcome<Vec<Cell>> {
    let record = operation(number)?;
    Ok(vec![
        Cell::Text(record.id.to_string()),
        Cell::Text(record.workspace.to_string()),
        Cell::Text(record.state.as_str().to_owned()),
        Cell::Number(i64::from(record.state.is_active())),
        Cell::Number(i64::from(!record.state.is_terminal())),
        Cell::Number(record.started_at.as_millis()),
        Cell::Number(1),
        Cell::Number(0),
        Cell::Text(serde_json::to_string(&record)?),
    ])
}

const BACKUPS: &str = "backups (id, workspace, state, name, created_ms, revision, record)";
const OPERATIONS: &str =
    "operations (id, workspace, state, active, unfinished, started_ms, epoch, expires_ms, record)";

/// Fills the catalog at `url`, which must have been opened once.
pub(crate) async fn fill(url: &str, count: usize) -> Outcome {
    if let Some(address) = url.strip_prefix("sqlite:") {
        let mut connection = SqliteConnection::connect(&format!("sqlite://{address}")).await?;
        let mut change = connection.begin().await?;
        for statement in statements(count) {
            let (sql, cells) = statement?;
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for cell in cells {
                query = match cell {
                    Cell::Text(text) => query.bind(text),
                    Cell::Optional(text) => query.bind(text),
                    Cell::Number(number) => query.bind(number),
                };
            }
            query.execute(&mut *change).await?;
        }
        return Ok(change.commit().await?);
    }
    let (address, schema) = url.split_once("?schema=").ok_or("an address with a schema")?;
    let options: PgConnectOptions = address.parse()?;
    let mut connection: PgConnection = options.options([("search_path", schema)]).connect().await?;
    for statement in statements(count) {
        let (sql, cells) = statement?;
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for cell in cells {
            query = match cell {
                Cell::Text(text) => query.bind(text),
                Cell::Optional(text) => query.bind(text),
                Cell::Number(number) => query.bind(number),
            };
        }
        query.execute(&mut connection).await?;
    }
    sqlx::query("ANALYZE").execute(&mut connection).await?;
    Ok(())
}

/// Makes the row with a number.
type MakeRow = fn(usize) -> Outcome<Vec<Cell>>;

/// The statements that insert `count` backups and as many operations.
fn statements(count: usize) -> impl Iterator<Item = Outcome<(String, Vec<Cell>)>> {
    let tables: [(&str, MakeRow); 2] = [(BACKUPS, backup_row), (OPERATIONS, operation_row)];
    tables.into_iter().flat_map(move |(table, row)| {
        (0..count).step_by(BATCH).map(move |first| -> Outcome<(String, Vec<Cell>)> {
            let (mut cells, mut rows) = (Vec::new(), Vec::new());
            for number in first..(first + BATCH).min(count) {
                let before = cells.len();
                cells.extend(row(number)?);
                let places: Vec<String> =
                    (before + 1..=cells.len()).map(|place| format!("${place}")).collect();
                rows.push(format!("({})", places.join(", ")));
            }
            Ok((format!("INSERT INTO {table} VALUES {}", rows.join(", ")), cells))
        })
    })
}
