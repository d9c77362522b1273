//! Opening files: new ones, those of other programs, of newer versions, damaged, locked and unwritable ones.

use std::error::Error as StdError;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::{
    BackupQuery, BackupRecord, BackupSort, Catalog, Definition, Error, ErrorKind, OpContext, RECORD_FORMAT,
    Result, Retry, Timestamp, hold,
};
use tempfile::TempDir;

type Tested = std::result::Result<(), Box<dyn StdError>>;

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("catalog.sqlite")
}

async fn open(path: &Path) -> Result<SqlCatalog> {
    let options = SqlOptions::default().with_busy_timeout(Duration::from_millis(50));
    SqlCatalog::open(&format!("sqlite:{}", path.display()), options).await
}

/// A connection that is none of the catalog's.
async fn stranger(path: &Path) -> sqlx::Result<SqliteConnection> {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await
}

fn backup(number: i64) -> Result<BackupRecord> {
    let definition = Definition::new("ada".parse()?);
    let time = Timestamp::from_millis(number);
    Ok(BackupRecord::new(format!("b-{number}").parse()?, format!("op-{number}").parse()?, definition, time))
}

async fn filled(path: &Path) -> Result<()> {
    let catalog = open(path).await?;
    for number in 0..20 {
        catalog.put_backup(&backup(number)?, None).await?;
    }
    catalog.close().await;
    Ok(())
}

/// Opening must fail; the message must be one line that holds `words`.
async fn refused(path: &Path, kind: ErrorKind, words: &str) -> Error {
    let error = open(path).await.err().unwrap_or_else(|| Error::new(ErrorKind::Unexpected, "it opened"));
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(message.contains(words) && !message.contains('\n'), "{message:?} says {words:?} in one line");
    error
}

#[tokio::test]
async fn a_new_catalog_is_for_its_owner_only() -> Tested {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("data/stillpoint/catalog.sqlite");
    let catalog = open(&path).await?;
    catalog.put_backup(&backup(1)?, None).await?;
    let mode = |path: &Path| fs::metadata(path).map(|found| found.permissions().mode() & 0o777);
    assert_eq!(mode(&directory.path().join("data"))?, 0o700);
    assert_eq!(mode(&directory.path().join("data/stillpoint"))?, 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory.path().join("data/stillpoint"))? {
        let entry = entry?;
        assert_eq!(mode(&entry.path())?, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name());
    }
    assert!(names.len() > 1, "the write-ahead log was looked at too: {names:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_can_open_a_new_catalog_at_once() -> Tested {
    let directory = tempfile::tempdir()?;
    let address = format!("sqlite:{}", file(&directory).display());
    let mut openers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let address = address.clone();
        openers.spawn(async move {
            let catalog = SqlCatalog::open(&address, SqlOptions::default()).await?;
            catalog.put_backup(&backup(number)?, None).await
        });
    }
    openers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let catalog = open(&file(&directory)).await?;
    assert_eq!(catalog.backups(&BackupQuery::all()).await?.items.len(), 8);
    Ok(())
}

#[tokio::test]
async fn commits_reach_the_disk_before_they_are_acknowledged() -> Tested {
    let directory = tempfile::tempdir()?;
    filled(&file(&directory)).await?;
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut stranger(&file(&directory)).await?).await?;
    assert_eq!(mode, "wal", "the file keeps a write-ahead log");
    Ok(())
}

#[tokio::test]
async fn a_catalog_of_a_newer_version_is_refused() -> Tested {
    let directory = tempfile::tempdir()?;
    filled(&file(&directory)).await?;
    let mut connection = stranger(&file(&directory)).await?;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999, 'of the future', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await?;
    connection.close().await?;
    refused(&file(&directory), ErrorKind::InvalidConfig, "was written by a newer Stillpoint").await;
    Ok(())
}

#[tokio::test]
async fn a_schema_that_was_altered_is_refused() -> Tested {
    let directory = tempfile::tempdir()?;
    filled(&file(&directory)).await?;
    let mut connection = stranger(&file(&directory)).await?;
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00'").execute(&mut connection).await?;
    connection.close().await?;
    refused(&file(&directory), ErrorKind::Corrupt, "altered by hand").await;
    Ok(())
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_untouched() -> Tested {
    let directory = tempfile::tempdir()?;
    let mut connection = stranger(&file(&directory)).await?;
    sqlx::query("CREATE TABLE bookmarks (address TEXT)").execute(&mut connection).await?;
    connection.close().await?;
    let before = fs::read(file(&directory))?;
    refused(&file(&directory), ErrorKind::InvalidConfig, "of another program").await;
    assert!(fs::read(file(&directory))? == before, "nothing was written to it");
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_untouched() -> Tested {
    let directory = tempfile::tempdir()?;
    let text = "These are my notes, not a database.\n".repeat(400);
    fs::write(file(&directory), &text)?;
    refused(&file(&directory), ErrorKind::InvalidConfig, "is not a Stillpoint catalog").await;
    assert_eq!(fs::read_to_string(file(&directory))?, text);
    Ok(())
}

#[tokio::test]
async fn a_damaged_catalog_is_reported_as_damaged() -> Tested {
    let directory = tempfile::tempdir()?;
    filled(&file(&directory)).await?;
    let whole = fs::read(file(&directory))?;
    let damaged = fs::OpenOptions::new().write(true).open(file(&directory))?;

    // The table of contents, right behind the header of the first page.
    damaged.write_all_at(&[0xa5; 3000], 100)?;
    refused(&file(&directory), ErrorKind::Corrupt, "damaged").await;

    // Every page but the first: it opens, and reading says so.
    damaged.write_all_at(&whole, 0)?;
    damaged.write_all_at(&vec![0xa5; whole.len() - 4096], 4096)?;
    let outcome = match open(&file(&directory)).await {
        Ok(catalog) => catalog.backups(&BackupQuery::all()).await.map(drop),
        Err(error) => Err(error),
    };
    assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::Corrupt));

    damaged.set_len(whole.len() as u64 / 2)?;
    damaged.write_all_at(&whole[..4096], 0)?;
    let outcome = match open(&file(&directory)).await {
        Ok(catalog) => catalog.backups(&BackupQuery::all()).await.map(drop),
        Err(error) => Err(error),
    };
    assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::Corrupt), "cut in half");
    Ok(())
}

#[tokio::test]
async fn a_damaged_or_newer_record_is_told_apart() -> Tested {
    let directory = tempfile::tempdir()?;
    filled(&file(&directory)).await?;
    let catalog = open(&file(&directory)).await?;
    for (text, kind) in [
        ("{", ErrorKind::Corrupt),
        ("{}", ErrorKind::Corrupt),
        (r#"{"format": 1}"#, ErrorKind::Corrupt),
        (r#"{"format": 7, "new": "field"}"#, ErrorKind::InvalidConfig),
    ] {
        let mut connection = stranger(&file(&directory)).await?;
        sqlx::query("UPDATE backups SET record = $1 WHERE id = 'b-3'")
            .bind(text)
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        let read = catalog.backup(&"b-3".parse()?).await;
        assert_eq!(read.err().map(|error| error.kind()), Some(kind), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_record_of_a_newer_form_is_neither_read_nor_written_over_though_it_would_read() -> Tested {
    let directory = tempfile::tempdir()?;
    filled(&file(&directory)).await?;
    let catalog = open(&file(&directory)).await?;
    let before = catalog.backup(&"b-3".parse()?).await?.ok_or("there is no b-3")?;
    let mut newer = serde_json::to_value(&before.backup)?;
    newer["format"] = (RECORD_FORMAT + 1).into();
    newer["new"] = "field".into();
    let mut connection = stranger(&file(&directory)).await?;
    let put = "UPDATE backups SET record = $1 WHERE id = 'b-3'";
    sqlx::query(put).bind(newer.to_string()).execute(&mut connection).await?;

    let read = catalog.backup(&"b-3".parse()?).await;
    assert_eq!(read.err().map(|error| error.kind()), Some(ErrorKind::InvalidConfig));
    assert!(hold(&OpContext::background(), &catalog, &[], &"b-3".parse()?, true).await.is_err());
    let kept: String =
        sqlx::query_scalar("SELECT record FROM backups WHERE id = 'b-3'").fetch_one(&mut connection).await?;
    assert_eq!(kept, newer.to_string());
    Ok(())
}

#[tokio::test]
async fn a_locked_catalog_is_unavailable_for_writing_and_can_be_read() -> Tested {
    let directory = tempfile::tempdir()?;
    filled(&file(&directory)).await?;
    let catalog = open(&file(&directory)).await?;
    let mut other = stranger(&file(&directory)).await?;
    let lock = other.begin_with("BEGIN IMMEDIATE").await?;

    let error = refused(&file(&directory), ErrorKind::Unavailable, "locked by another process").await;
    assert!(matches!(error.retry(), Retry::After { .. }), "waiting helps");
    let write = catalog.put_backup(&backup(99)?, None).await;
    assert!(write.is_err_and(|error| error.to_string().contains("locked by another process")));
    assert_eq!(catalog.backups(&BackupQuery::all()).await?.items.len(), 20, "reading goes on");

    lock.rollback().await?;
    catalog.put_backup(&backup(99)?, None).await?;
    Ok(())
}

#[tokio::test]
async fn a_new_catalog_that_somebody_goes_on_reading_is_unavailable_before_long() -> Tested {
    let directory = tempfile::tempdir()?;
    let path = file(&directory);
    let mut reader = stranger(&path).await?;
    sqlx::query("BEGIN").execute(&mut reader).await?;
    // Whoever reads keeps the file from being switched to a write-ahead log.
    sqlx::query("SELECT * FROM sqlite_master").fetch_all(&mut reader).await?;
    let refusal = refused(&path, ErrorKind::Unavailable, "locked");
    tokio::time::timeout(Duration::from_secs(20), refusal).await?;
    reader.close().await?;
    open(&path).await?;
    Ok(())
}

#[tokio::test]
async fn a_closed_catalog_says_so() -> Tested {
    let directory = tempfile::tempdir()?;
    let catalog = open(&file(&directory)).await?;
    catalog.close().await;
    for error in
        [catalog.backups(&BackupQuery::all()).await.err(), catalog.put_backup(&backup(1)?, None).await.err()]
    {
        assert!(
            error.is_some_and(|error| error.to_string().contains("closed") && error.retry() == Retry::Never)
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_place_where_no_file_can_be_made_is_refused() -> Tested {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("file"), "")?;
    refused(&directory.path().join("file/catalog.sqlite"), ErrorKind::InvalidConfig, "cannot be opened")
        .await;
    refused(directory.path(), ErrorKind::InvalidConfig, "cannot be opened").await;
    Ok(())
}

/// A privileged user may write everywhere, so the check then runs again as a child without privileges.
#[tokio::test]
async fn a_directory_that_cannot_be_written_is_refused() -> Tested {
    const HANDED_OVER: &str = "STILLPOINT_TEST_DIRECTORY";
    #[expect(clippy::disallowed_methods, reason = "the parent of this test hands its directory over")]
    if let Some(directory) = std::env::var_os(HANDED_OVER) {
        return unwritable(Path::new(&directory)).await;
    }
    let directory = tempfile::tempdir()?;
    let inside = directory.path().join("inside");
    fs::create_dir(&inside)?;
    filled(&inside.join("catalog.sqlite")).await?;
    fs::set_permissions(inside.join("catalog.sqlite"), fs::Permissions::from_mode(0o666))?;
    for path in [directory.path(), &inside] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o555))?;
    }
    if fs::write(inside.join("probe"), "").is_err() {
        return unwritable(&inside).await;
    }
    fs::remove_file(inside.join("probe"))?;
    let program = directory.path().join("program");
    fs::copy(std::env::current_exe()?, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let mut child = std::process::Command::new(program);
    std::os::unix::process::CommandExt::gid(&mut child, 65_534);
    std::os::unix::process::CommandExt::uid(&mut child, 65_534);
    child.args(["--exact", "a_directory_that_cannot_be_written_is_refused"]).current_dir("/");
    let output = child.env(HANDED_OVER, &inside).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    Ok(())
}

async fn unwritable(directory: &Path) -> Tested {
    assert!(fs::write(directory.join("probe"), "").is_err(), "the directory cannot be written");
    refused(&directory.join("new.sqlite"), ErrorKind::PermissionDenied, "cannot be opened for writing").await;
    // The file could be written, its write-ahead log could not be made.
    refused(&directory.join("catalog.sqlite"), ErrorKind::PermissionDenied, "cannot be written").await;
    Ok(())
}

#[tokio::test]
async fn what_an_older_version_wrote_is_found_by_every_condition() -> Tested {
    let directory = tempfile::tempdir()?;
    let path = file(&directory);
    let catalog = open(&path).await?;
    let mut record = backup(1)?;
    record.definition.environment = Some("prod".into());
    (record.held, record.size_bytes) = (true, 7);
    catalog.put_backup(&record, None).await?;
    let mut small = backup(2)?;
    small.size_bytes = 6;
    catalog.put_backup(&small, None).await?;
    catalog.close().await;
    let mut connection = stranger(&path).await?;
    let forgotten = "environment = NULL, held = NULL, searched = NULL, size_bytes = NULL, added_bytes = NULL";
    sqlx::query(sqlx::AssertSqlSafe(format!("UPDATE backups SET {forgotten}")))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    let mut query = BackupQuery::all();
    (query.environment, query.held) = (Some("prod".into()), Some(true));
    query.search = Some(record.id.to_string());
    let catalog = open(&path).await?;
    assert_eq!(catalog.backups(&query).await?.items.len(), 1);
    let mut query = BackupQuery::all();
    query.sort = BackupSort::Size;
    let largest_first = catalog.backups(&query).await?.items;
    let ids: Vec<_> = largest_first.iter().map(|stored| &stored.backup.id).collect();
    assert_eq!(ids, [&record.id, &small.id]);
    Ok(())
}
