//! One row that cannot be read keeps nobody from the others.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::memory::{MemoryProvider, MemoryWorkspace};
use stillpoint_core::{
    BackupRequest, Catalog, Clock, Component, Creation, Definition, Holder, LocalOrchestrator,
    OperationQuery, OperationRecord, OperationState, Orchestrator, Request, SystemClock, Timestamp,
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
    let mut file = SqliteConnectOptions::new().filename(path).connect().await?;
    sqlx::query("UPDATE operations SET record = '{\"id\":' WHERE id = 'op-1'").execute(&mut file).await?;
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
    let mut taken: Vec<_> = orchestrator.recover().await?.iter().map(ToString::to_string).collect();
    taken.sort();
    assert_eq!(taken, ["op-0", "op-2"]);
    for id in taken {
        let ended = orchestrator.wait(&id.parse()?).await?;
        assert_eq!(ended.operation.state, OperationState::Completed, "{id}");
    }
    Ok(())
}
