//! Both databases answer each list along the index that was made for it.

use stillpoint_core::{
    BackupQuery, BackupSort, BackupState, OperationQuery, OperationState, Result, Timestamp, WorkspaceId,
};

use crate::engine::{Engine, Statement};
use crate::options::SqlOptions;
use crate::sqlite::Sqlite;
use crate::{backups, operations, reservations};

/// Every list that users ask for, and the index that it must be read along.
fn lists() -> Result<Vec<(Statement, &'static str)>> {
    let workspace: WorkspaceId = "w-7".parse()?;
    let backup = |set: &dyn Fn(&mut BackupQuery)| {
        let mut query = BackupQuery::all();
        query.limit = 20;
        set(&mut query);
        backups::select(&query)
    };
    let operation = |set: &dyn Fn(&mut OperationQuery)| {
        let mut query = OperationQuery::all();
        query.limit = 20;
        set(&mut query);
        operations::select(&query)
    };
    let partial = Some(BackupState::Partial);
    let mut lists = vec![
        (backup(&|_| {})?, "backups_by_time"),
        (backup(&|query| query.after = Some("900:b-900".into()))?, "backups_by_time"),
        (backup(&|query| query.workspace = Some(workspace.clone()))?, "backups_by_workspace"),
        (backup(&|query| query.state = partial)?, "backups_by_state"),
        (backup(&|query| query.name = Some("release-7".into()))?, "backups_by_name"),
        (backup(&|query| query.environment = Some("e-1".into()))?, "backups_by_environment"),
        (backup(&|query| query.held = Some(true))?, "backups_held"),
        (backup(&|query| query.search = Some("w-7".into()))?, "backups_by_time"),
        (backup(&|query| query.id_prefix = Some("b-1234".into()))?, "backups_by_id"),
        (operation(&|_| {})?, "operations_by_time"),
        (operation(&|query| query.workspace = Some(workspace.clone()))?, "operations_by_workspace"),
        (operation(&|query| query.state = Some(OperationState::Failed))?, "operations_by_state"),
        (operation(&|query| query.unfinished = true)?, "operations_unfinished"),
    ];
    let of_one = backup(&|query| (query.workspace, query.state) = (Some(workspace.clone()), partial))?;
    lists.push((of_one, "backups_by_workspace_and_state"));
    let span = backup(&|query| {
        query.created_from = Some(Timestamp::from_millis(500));
        query.created_before = Some(Timestamp::from_millis(520));
    })?;
    lists.push((span, "backups_by_time"));
    for (sort, after, index) in [
        (BackupSort::Name, "name:0:9:release-7700:b-700", "backups_by_any_name"),
        (BackupSort::Workspace, "workspace:0:3:w-7900:b-900", "backups_by_workspace"),
        (BackupSort::State, "state:0:9:completed900:b-900", "backups_by_state"),
        (BackupSort::Size, "size:900:0:900:b-900", "backups_by_size"),
        (BackupSort::Added, "added:9:0:900:b-900", "backups_by_added"),
    ] {
        for (after, oldest_first) in [(None, false), (Some(after), false), (Some(after), true)] {
            let sorted = backup(&|query| {
                (query.sort, query.oldest_first) = (sort, oldest_first);
                query.after = after.map(str::to_owned);
            })?;
            lists.push((sorted, index));
        }
    }
    Ok(lists)
}

/// How the engine would look for reservations that stand in the way.
async fn plan_of_reservations(engine: &Engine, explain: &str, column: &str) -> Result<String> {
    let marks = ["k-1", "k-77", "k-900"].into_iter().zip([true, false, true]);
    let mut explained = Statement::new(explain.to_owned());
    let marks = marks.map(|(key, whole)| (key.to_owned(), whole)).collect();
    explained.append(reservations::others(&"op-1".parse()?, &marks));
    let lines = engine.read(explained).await?;
    Ok(lines.iter().map(|line| line.text(column)).collect::<Result<Vec<_>>>()?.join("\n"))
}

/// Twenty thousand of each, of a hundred workspaces; `numbers` is a table with the column `n`.
fn rows(numbers: &str) -> [String; 3] {
    let backups = format!(
        "INSERT INTO backups (id, workspace, state, name, created_ms, revision, record, environment, held, searched,
                              size_bytes, added_bytes)
         SELECT 'b-' || n, 'w-' || (n % 100), CASE WHEN n % 50 = 0 THEN 'partial' ELSE 'completed' END,
                CASE WHEN n % 100 = 0 THEN 'release-' || (n / 100) END, n, 1, '{{}}',
                'e-' || (n % 200), CASE WHEN n % 500 = 0 THEN 1 ELSE 0 END, 'b-' || n || ' w-' || (n % 100),
                n * 10, n % 1000
         FROM {numbers}"
    );
    let operations = format!(
        "INSERT INTO operations (id, workspace, state, active, unfinished, started_ms, epoch, expires_ms, record)
         SELECT 'op-' || n, 'w-' || (n % 100), CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'completed' END, 0,
                CASE WHEN n % 1000 = 0 THEN 1 ELSE 0 END, n, 1, 0, '{{}}' FROM {numbers}"
    );
    let reservations = format!(
        "INSERT INTO reservations (key, operation, whole) SELECT 'k-' || n, 'op-' || n, n % 2 FROM {numbers}"
    );
    [backups, operations, reservations]
}

/// How the engine would run each list, in the engine's own words.
async fn plans(engine: &Engine, explain: &str, column: &str) -> Result<Vec<(String, &'static str)>> {
    let mut plans = Vec::new();
    for (list, index) in lists()? {
        let mut explained = Statement::new(explain.to_owned());
        explained.append(list);
        let lines = engine.read(explained).await?;
        let lines: Vec<&str> = lines.iter().map(|line| line.text(column)).collect::<Result<_>>()?;
        plans.push((lines.join("\n"), index));
    }
    Ok(plans)
}

fn names(plan: &str, index: &str) -> bool {
    plan.split_whitespace().any(|word| word == index)
}

#[tokio::test]
async fn sqlite_reads_each_list_along_its_index() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
    let engine = Engine::Sqlite(Sqlite::open(&url, SqlOptions::default()).await.unwrap());
    let numbers =
        "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
                    SELECT n FROM numbers)";
    for insert in rows(numbers) {
        engine.write(Statement::new(insert)).await.unwrap();
    }
    for (plan, index) in plans(&engine, "EXPLAIN QUERY PLAN ", "detail").await.unwrap() {
        assert!(names(&plan, index), "{index} is not used:\n{plan}");
    }
    let plan = plan_of_reservations(&engine, "EXPLAIN QUERY PLAN ", "detail").await.unwrap();
    assert!(plan.contains("SEARCH reservations USING PRIMARY KEY (key=?"), "{plan}");
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgresql_reads_each_list_along_its_index() {
    let server = stillpoint_testkit::postgres::Postgres::shared();
    let database =
        crate::postgres::Postgres::open(&server.fresh_url(), &SqlOptions::default()).await.unwrap();
    let engine = Engine::Postgres(Box::new(database));
    for insert in rows("generate_series(1, 20000) AS numbers (n)") {
        engine.write(Statement::new(insert)).await.unwrap();
    }
    for table in ["backups", "operations", "reservations"] {
        engine.write(Statement::new(format!("ANALYZE {table}"))).await.unwrap();
    }
    for (plan, index) in plans(&engine, "EXPLAIN ", "QUERY PLAN").await.unwrap() {
        let along = names(&plan, index) && !plan.contains("Seq Scan");
        assert!(along, "{index} is not used:\n{plan}");
    }
    let plan = plan_of_reservations(&engine, "EXPLAIN ", "QUERY PLAN").await.unwrap();
    assert!(!plan.contains("Seq Scan"), "{plan}");
}
