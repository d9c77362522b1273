//! One row that cannot be read keeps nobody from the others.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::memory::{MemoryProvider, MemoryWorkspace};
use stillpoint_core::{
    BackupQuery, BackupRecord, BackupRequest, Cadence, Catalog, CatalogExt, Clock, Component, Creation,
    Definition, ErrorKind, EventKind, Holder, LocalOrchestrator, OperationEvent, OperationQuery,
    OperationRecord, OperationState, Orchestrator, Request, Schedule, ScheduleQuery, ScheduleRecord,
    Scheduler, SystemClock, Timestamp, rebuild, reconcile,
};

type Tested = Result<(), Box<dyn StdError>>;

/// Three interrupted operations, the middle one of which has a record that is no JSON.
async fn damaged(path: &std::path::Path) -> Result<SqlCatalog, Box<dyn StdError>> {
    let catalog = SqlCatalog::open(&format!("sqlite:{}", path.display()), SqlOptions::default()).await?;
    let me = Holder::new("host", "a process that is gone");
    for number in 0..3_i64 {
        let request = BackupRequest::new(format!("op-{number}").parse()?, format!("w-{number}").parse()?);
        let at = Timestamp::from_millis(SystemClock::default().now().as_millis() + number);
        let record = OperationRecord::submitted(Request::Backup(request), at);
        let created = catalog.create_operation(&record, &me, Duration::from_millis(1)).await?;
        assert!(matches!(created, Creation::Created(_)));
    }
    overwrite(path, "operations", "op-1", "{\"id\":").await?;
    Ok(catalog)
}

#[tokio::test]
async fn a_list_names_what_it_cannot_read_and_shows_the_rest() -> Tested {
    let directory = tempfile::tempdir()?;
    let catalog = damaged(&directory.path().join("catalog.sqlite")).await?;
    let mut query = OperationQuery::unfinished();
    let (mut read, mut damage, mut pages) = (Vec::new(), Vec::new(), 0);
    query.limit = 1;
    loop {
        let page = catalog.operations(&query).await?;
        pages += 1;
        read.extend(page.items.iter().map(|stored| stored.operation.id.to_string()));
        damage.extend(page.damaged.iter().map(|row| row.id.clone()));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!((read, damage, pages), (vec!["op-2".into(), "op-0".into()], vec!["op-1".to_owned()], 3));
    Ok(())
}

#[tokio::test]
async fn an_operation_that_cannot_be_read_keeps_nobody_from_being_recovered() -> Tested {
    let directory = tempfile::tempdir()?;
    let catalog = Arc::new(damaged(&directory.path().join("catalog.sqlite")).await?);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let provider = Arc::new(MemoryProvider::new("memory".parse()?));
    let mut builder = LocalOrchestrator::builder(Arc::clone(&catalog) as Arc<dyn Catalog>);
    for number in [0, 2] {
        let place = format!("/home/{number}");
        provider.write(&place, "notes.txt", b"first");
        let home = Component::new("home".parse()?, "directory", "memory".parse()?, place);
        let definition = Definition::new(format!("w-{number}").parse()?);
        builder = builder.workspace(Arc::new(MemoryWorkspace::new(definition, vec![home])));
    }
    let orchestrator = builder.provider(provider).build();
    let of_the_damaged = |event: &OperationEvent| std::future::ready(event.operation.as_str() == "op-1");
    let mut told = orchestrator.events().filter(of_the_damaged);
    let mut taken: Vec<_> = orchestrator.recover().await?.iter().map(ToString::to_string).collect();
    taken.sort();
    assert_eq!(taken, ["op-0", "op-2"]);
    let told = tokio::time::timeout(Duration::from_secs(20), told.next()).await?.ok_or("nothing was told")?;
    let EventKind::Warning { message } = told.kind else { return Err("no warning was told".into()) };
    assert!(message.contains("op-1 cannot be read"), "{message}");
    for id in taken {
        let ended = orchestrator.wait(&id.parse()?).await?;
        assert_eq!(ended.operation.state, OperationState::Completed, "{id}");
    }
    Ok(())
}

/// Makes the record of row `id` in `table` unreadable.
async fn overwrite(path: &std::path::Path, table: &str, id: &str, record: &str) -> Tested {
    let mut file = SqliteConnectOptions::new().filename(path).connect().await?;
    let sql = sqlx::AssertSqlSafe(format!("UPDATE {table} SET record = $1 WHERE id = $2"));
    assert_eq!(sqlx::query(sql).bind(record).bind(id).execute(&mut file).await?.rows_affected(), 1);
    Ok(())
}

/// Five completed backups of one workspace, of which `b-1` is damaged and `b-4`, the newest, of a newer version.
async fn backups(path: &std::path::Path) -> Result<SqlCatalog, Box<dyn StdError>> {
    let catalog = SqlCatalog::open(&format!("sqlite:{}", path.display()), SqlOptions::default()).await?;
    for number in 0..5_i64 {
        let definition = Definition::new("ada".parse()?);
        let at = Timestamp::from_millis(1_000_000 + number);
        let backup = BackupRecord::new(
            format!("b-{number}").parse()?,
            format!("op-{number}").parse()?,
            definition,
            at,
        );
        catalog.put_backup(&backup, None).await?;
    }
    overwrite(path, "backups", "b-1", "{\"id\":").await?;
    overwrite(path, "backups", "b-4", r#"{"format": 7, "new": "field"}"#).await?;
    Ok(catalog)
}

#[tokio::test]
async fn a_backup_that_cannot_be_read_is_named_and_hides_no_other_one() -> Tested {
    let directory = tempfile::tempdir()?;
    let catalog = backups(&directory.path().join("catalog.sqlite")).await?;
    for limit in [1, 2, 1000] {
        let (mut read, mut damage) = (Vec::new(), Vec::new());
        let mut query = BackupQuery::all();
        query.limit = limit;
        loop {
            let page = catalog.backups(&query).await?;
            read.extend(page.items.iter().map(|stored| stored.backup.id.to_string()));
            damage.extend(page.damaged.iter().map(|row| (row.id.clone(), row.error.kind)));
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
        assert_eq!(read, ["b-3", "b-2", "b-0"], "{limit} at a time");
        let kinds = [("b-4".to_owned(), ErrorKind::InvalidConfig), ("b-1".to_owned(), ErrorKind::Corrupt)];
        assert_eq!(damage, kinds, "{limit} at a time");
    }
    Ok(())
}

#[tokio::test]
async fn a_backup_that_cannot_be_read_is_not_there_for_whom_it_may_not_be() -> Tested {
    let directory = tempfile::tempdir()?;
    let catalog = backups(&directory.path().join("catalog.sqlite")).await?;
    let kind = async |environment: Option<&str>| {
        catalog.resolve_within(environment, "b-1").await.err().map(|error| error.kind())
    };
    assert_eq!(kind(None).await, Some(ErrorKind::Corrupt));
    assert_eq!(kind(Some("prod")).await, Some(ErrorKind::NotFound));
    Ok(())
}

#[tokio::test]
async fn what_is_named_is_never_taken_for_another_backup_because_it_cannot_be_read() -> Tested {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("catalog.sqlite");
    let catalog = backups(&path).await?;
    assert_eq!(catalog.resolve("latest").await?.id.as_str(), "b-3");
    let refused = async |text: &str| catalog.resolve(text).await.err().map(|error| error.kind());
    assert_eq!(refused("b-1").await, Some(ErrorKind::Corrupt));
    assert_eq!(refused("b").await, Some(ErrorKind::InvalidInput));
    assert_eq!(refused("ada@1970-01-01T00:16:40.001Z").await, Some(ErrorKind::Corrupt));
    for id in ["b-2", "b-3"] {
        overwrite(&path, "backups", id, "").await?;
    }
    assert_eq!(
        refused("b-").await,
        Some(ErrorKind::InvalidInput),
        "b-0 can be read, and is not the only one"
    );
    // More than the newest few cannot be read.
    for number in 5..40_i64 {
        let at = Timestamp::from_millis(1_000_000 + number);
        let (id, operation) = (format!("b-{number}"), format!("op-{number}").parse()?);
        let backup = BackupRecord::new(id.parse()?, operation, Definition::new("ada".parse()?), at);
        catalog.put_backup(&backup, None).await?;
        overwrite(&path, "backups", &id, "").await?;
    }
    assert_eq!(catalog.latest_good(None).await?.map(|backup| backup.id), Some("b-0".parse()?));
    Ok(())
}

#[tokio::test]
async fn a_rebuild_names_a_damaged_row_and_goes_on_with_the_others() -> Tested {
    let directory = tempfile::tempdir()?;
    let catalog = backups(&directory.path().join("catalog.sqlite")).await?;
    let records = (0..6)
        .map(|number| {
            let at = Timestamp::from_millis(1_000_000 + number);
            let operation = format!("op-{number}").parse()?;
            Ok(BackupRecord::new(
                format!("b-{number}").parse()?,
                operation,
                Definition::new("ada".parse()?),
                at,
            ))
        })
        .collect::<stillpoint_core::Result<Vec<_>>>()?;
    let rebuilt = rebuild(&catalog, &records, Some(&"store".parse()?)).await?;
    let damaged: Vec<_> = rebuilt.damaged.iter().map(|row| row.id.as_str()).collect();
    assert_eq!((rebuilt.same, damaged), (3, vec!["b-1", "b-4"]));
    assert_eq!(rebuilt.added, ["b-5".parse()?]);
    Ok(())
}

#[tokio::test]
async fn the_snapshots_of_a_backup_that_cannot_be_read_are_no_orphans() -> Tested {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("catalog.sqlite");
    let url = format!("sqlite:{}", path.display());
    let catalog = Arc::new(SqlCatalog::open(&url, SqlOptions::default()).await?);
    let provider = Arc::new(MemoryProvider::new("memory".parse()?));
    provider.write("/home/ada", "notes.txt", b"first");
    let home = Component::new("home".parse()?, "directory", "memory".parse()?, "/home/ada");
    let orchestrator = LocalOrchestrator::builder(Arc::clone(&catalog) as Arc<dyn Catalog>)
        .provider(provider.clone())
        .workspace(Arc::new(MemoryWorkspace::new(Definition::new("ada".parse()?), vec![home])))
        .build();
    let id: stillpoint_core::OperationId = "op-1".parse()?;
    orchestrator.submit(Request::Backup(BackupRequest::new(id.clone(), "ada".parse()?))).await?;
    let backup = orchestrator.wait(&id).await?.backup.ok_or("it made no backup")?;

    overwrite(&path, "backups", backup.id.as_str(), "{").await?;
    let providers = [provider as Arc<dyn stillpoint_core::Provider>];
    let cx = stillpoint_core::OpContext::background();
    let report = reconcile(&cx, catalog.as_ref(), &providers).await?;
    assert_eq!((report.orphans, report.unknown), (vec![], vec![]));
    assert_eq!(report.damaged.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), [backup.id.as_str()]);
    Ok(())
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_stops_no_other_schedule() -> Tested {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("catalog.sqlite");
    let url = format!("sqlite:{}", path.display());
    let catalog = Arc::new(SqlCatalog::open(&url, SqlOptions::default()).await?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let provider = Arc::new(MemoryProvider::new("memory".parse()?));
    let mut builder = LocalOrchestrator::builder(Arc::clone(&catalog) as Arc<dyn Catalog>);
    let since = Timestamp::from_millis(clock.now().as_millis() - 43_260_000);
    for name in ["a", "b", "c"] {
        provider.write(name, "notes.txt", b"first");
        let home = Component::new("home".parse()?, "directory", "memory".parse()?, name);
        builder =
            builder.workspace(Arc::new(MemoryWorkspace::new(Definition::new(name.parse()?), vec![home])));
        let schedule = Schedule::new(Cadence::every(Duration::from_secs(12 * 3600))?);
        let request = BackupRequest::new("each-run".parse()?, name.parse()?);
        catalog.put_schedule(&ScheduleRecord::new(name.parse()?, schedule, request, since), None).await?;
    }
    overwrite(&path, "schedules", "a", "{\"id\":").await?;
    let mut query = ScheduleQuery::all();
    query.limit = 1;
    let page = catalog.schedules(&query).await?;
    assert_eq!((page.items.len(), page.damaged.len(), page.next.as_deref()), (0, 1, Some("a")));

    let orchestrator = Arc::new(builder.provider(provider).build());
    let scheduler = Scheduler::new(orchestrator, Arc::clone(&catalog) as Arc<dyn Catalog>, clock);
    let tick = scheduler.tick().await?;
    assert_eq!(tick.submitted.len(), 2);
    assert_eq!(tick.damaged.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(tick.failed, []);
    Ok(())
}
