//! Checks of the conditions and the order of lists.

use stillpoint_core::{
    BackupQuery, BackupState, Catalog, OperationQuery, OperationState, PAGE_LIMIT_MAX, Result,
};

use super::harness::Harness;
use super::sample::{at, backup, create_in, operation};

/// The ids that a query finds, in its order.
async fn backups(catalog: &dyn Catalog, query: BackupQuery) -> Result<Vec<String>> {
    let page = catalog.backups(&query).await?;
    assert_eq!(page.next, None, "everything fits on one page");
    Ok(page.items.into_iter().map(|stored| stored.backup.id.to_string()).collect())
}

async fn operations(catalog: &dyn Catalog, query: OperationQuery) -> Result<Vec<String>> {
    let page = catalog.operations(&query).await?;
    assert_eq!(page.next, None, "everything fits on one page");
    Ok(page.items.into_iter().map(|stored| stored.operation.id.to_string()).collect())
}

/// Operations are found by workspace, state, having something left to do, and id prefix, and by all of them at once.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn operations_are_found_by_every_condition(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let rows = [
        ("a-1", "ada", OperationState::Completed),
        ("a-2", "ada", OperationState::Failed),
        ("a-3", "ada", OperationState::Detached),
        ("b-4", "ada", OperationState::Running),
        ("a-5", "grace", OperationState::Cancelling),
        ("b-6", "alan", OperationState::Partial),
        ("b-7", "alan", OperationState::Cancelled),
    ];
    for (millis, (id, workspace, state)) in (0..).zip(rows) {
        create_in(&*catalog, operation(id, workspace, millis)?, state).await?;
    }
    let all = || OperationQuery::all();
    let mut query = all();
    assert_eq!(
        operations(&*catalog, query.clone()).await?,
        ["b-7", "b-6", "a-5", "b-4", "a-3", "a-2", "a-1"]
    );
    query.workspace = Some("ada".parse()?);
    assert_eq!(operations(&*catalog, query.clone()).await?, ["b-4", "a-3", "a-2", "a-1"]);
    query.unfinished = true;
    assert_eq!(operations(&*catalog, query.clone()).await?, ["b-4", "a-3"]);
    query.id_prefix = Some("a-".into());
    assert_eq!(operations(&*catalog, query.clone()).await?, ["a-3"]);
    query.state = Some(OperationState::Detached);
    assert_eq!(operations(&*catalog, query.clone()).await?, ["a-3"]);
    query.state = Some(OperationState::Completed);
    assert!(operations(&*catalog, query).await?.is_empty(), "what ended has nothing left to do");

    assert_eq!(operations(&*catalog, OperationQuery::unfinished()).await?, ["a-5", "b-4", "a-3"]);
    for (id, _, state) in rows {
        let mut query = all();
        query.state = Some(state);
        assert_eq!(operations(&*catalog, query).await?, [id]);
    }
    let mut query = all();
    query.workspace = Some("nobody".parse()?);
    assert!(operations(&*catalog, query).await?.is_empty());
    Ok(())
}

/// Backups are found by workspace, state, name and id prefix, and by all of them at once.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn backups_are_found_by_every_condition(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let rows = [
        ("a-1", "ada", BackupState::Completed, Some("nightly")),
        ("a-2", "ada", BackupState::Partial, Some("nightly")),
        ("b-3", "ada", BackupState::Completed, None),
        ("a-4", "ada", BackupState::Deleting, Some("Nightly")),
        ("a-5", "grace", BackupState::Completed, Some("nightly")),
        ("a-6", "grace", BackupState::Completed, Some("nightly 2")),
    ];
    for (millis, (id, workspace, state, name)) in (0..).zip(rows) {
        let mut record = backup(id, workspace, millis)?;
        record.state = state;
        record.name = name.map(str::to_owned);
        catalog.put_backup(&record, None).await?;
    }
    let mut query = BackupQuery::all();
    assert_eq!(backups(&*catalog, query.clone()).await?, ["a-6", "a-5", "a-4", "b-3", "a-2", "a-1"]);
    query.name = Some("nightly".into());
    assert_eq!(backups(&*catalog, query.clone()).await?, ["a-5", "a-2", "a-1"], "a name fits whole");
    query.state = Some(BackupState::Completed);
    assert_eq!(backups(&*catalog, query.clone()).await?, ["a-5", "a-1"]);
    query.workspace = Some("ada".parse()?);
    query.id_prefix = Some("a-".into());
    query.created_from = Some(at(0));
    query.created_before = Some(at(1));
    assert_eq!(backups(&*catalog, query).await?, ["a-1"]);

    assert_eq!(
        backups(&*catalog, BackupQuery::of_workspace("ada".parse()?)).await?,
        ["a-4", "b-3", "a-2", "a-1"]
    );
    for (state, found) in [(BackupState::Partial, "a-2"), (BackupState::Deleting, "a-4")] {
        let mut query = BackupQuery::all();
        query.state = Some(state);
        assert_eq!(backups(&*catalog, query).await?, [found]);
    }
    Ok(())
}

/// Backups are found by the environment that they were made in, by whether they are held, and by any part of id, name,
/// workspace, creator and software version, taken literally, in small letters or capitals; also after they were changed.
/// As many are counted as are found, whatever the limit.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn backups_are_found_by_what_is_in_their_records(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let rows = [
        ("b-1", "prod", "nightly", "Ada", "2026.1"),
        ("b-2", "prod", "50% off", "grace", "2026.10"),
        ("b-3", "Prod", "a_b!c", "ADA", "2025.1"),
        ("b-4", "lab", "é\u{10ffff}", "alan", "v"),
    ];
    for (millis, (id, environment, name, creator, version)) in (0..).zip(rows) {
        let mut record = backup(id, "w", millis)?;
        record.definition.environment = Some(environment.to_owned());
        record.definition.software_version = Some(version.to_owned());
        (record.name, record.creator) = (Some(name.to_owned()), Some(creator.to_owned()));
        let made = catalog.put_backup(&record, None).await?;
        if id == "b-3" {
            record.held = true;
            catalog.put_backup(&record, Some(made)).await?;
        }
    }
    catalog.put_backup(&backup("none", "w", 9)?, None).await?;
    let query = |environment: Option<&str>, held: Option<bool>, search: Option<&str>| {
        let mut query = BackupQuery::all();
        (query.environment, query.held) = (environment.map(str::to_owned), held);
        query.search = search.map(str::to_owned);
        query
    };
    for (asked, found) in [
        (query(Some("prod"), None, None), &["b-2", "b-1"][..]),
        (query(Some("pro"), None, None), &[]),
        (query(None, Some(true), None), &["b-3"]),
        (query(Some("lab"), Some(false), None), &["b-4"]),
        (query(None, None, Some("aDa")), &["b-3", "b-1"]),
        (query(None, None, Some("2026.1")), &["b-2", "b-1"]),
        (query(Some("prod"), None, Some("NIGHT")), &["b-1"]),
        (query(None, None, Some("%")), &["b-2"]),
        (query(None, None, Some("_")), &["b-3"]),
        (query(None, None, Some("b!C")), &["b-3"]),
        (query(None, None, Some("É\u{10ffff}")), &["b-4"]),
        (query(None, None, Some("\\")), &[]),
        (query(None, None, Some("")), &["none", "b-4", "b-3", "b-2", "b-1"]),
    ] {
        assert_eq!(backups(&*catalog, asked.clone()).await?, found, "{asked:?}");
        let mut few = asked.clone();
        few.limit = 1;
        assert_eq!(catalog.count_backups(&few).await?, found.len() as u64, "{asked:?}");
    }
    Ok(())
}

/// A span of time holds its beginning and not its end.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn backups_are_found_by_a_span_of_time(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    // The years 0 and 9999 are the borders of what a time can be.
    for (id, millis) in [("b-0", 0), ("b-1", 1), ("b-2", 2), ("b-old", i64::MIN / 4), ("b-new", i64::MAX / 4)]
    {
        catalog.put_backup(&backup(id, "ada", millis)?, None).await?;
    }
    let span = |from: Option<i64>, before: Option<i64>| {
        let mut query = BackupQuery::all();
        query.created_from = from.map(at);
        query.created_before = before.map(at);
        query
    };
    assert_eq!(backups(&*catalog, span(Some(1), None)).await?, ["b-new", "b-2", "b-1"]);
    assert_eq!(backups(&*catalog, span(None, Some(1))).await?, ["b-0", "b-old"]);
    assert_eq!(backups(&*catalog, span(Some(0), Some(2))).await?, ["b-1", "b-0"]);
    assert!(backups(&*catalog, span(Some(1), Some(1))).await?.is_empty());
    assert!(backups(&*catalog, span(Some(2), Some(1))).await?.is_empty());
    Ok(())
}

/// A prefix has no wildcards, minds upper and lower case, and may be any text.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn an_id_prefix_is_taken_literally(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let ids =
        ["a", "A", "a%", "a_", "ab", "a*b", "[a]", "a'b", "ä", "\u{10ffff}", "a\u{10ffff}z", "\u{d7ff}x"];
    for id in ids {
        catalog.put_backup(&backup(id, "ada", 0)?, None).await?;
        create_in(&*catalog, operation(id, "ada", 0)?, OperationState::Completed).await?;
    }
    let mut prefixes = ids.to_vec();
    prefixes.extend(["", "%", "_", "*", "?", "[", "b", "a\u{10ffff}", "a\u{10ffff}zz"]);
    for prefix in prefixes {
        let mut expected: Vec<_> = ids.iter().filter(|id| id.starts_with(prefix)).copied().collect();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        let mut query = BackupQuery::all();
        query.id_prefix = Some(prefix.to_owned());
        assert_eq!(backups(&*catalog, query).await?, expected, "backups by {prefix:?}");
        let mut query = OperationQuery::all();
        query.id_prefix = Some(prefix.to_owned());
        assert_eq!(operations(&*catalog, query).await?, expected, "operations by {prefix:?}");
    }
    Ok(())
}

/// Lists are in the order of time and not of arrival, newest first; at one time the greater id comes first, by bytes.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn lists_are_newest_first_and_ties_by_id(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    for (id, millis) in [("b", 5), ("z", 1), ("B", 5), ("é", 5), ("a", 9), ("b0", 5)] {
        catalog.put_backup(&backup(id, "ada", millis)?, None).await?;
        create_in(&*catalog, operation(id, "ada", millis)?, OperationState::Completed).await?;
    }
    let expected = ["a", "é", "b0", "b", "B", "z"];
    assert_eq!(backups(&*catalog, BackupQuery::all()).await?, expected);
    assert_eq!(backups(&*catalog, BackupQuery::of_workspace("ada".parse()?)).await?, expected);
    let mut query = OperationQuery::all();
    assert_eq!(query.limit, PAGE_LIMIT_MAX, "a query that names no limit asks for the largest page");
    assert_eq!(operations(&*catalog, query.clone()).await?, expected);
    query.state = Some(OperationState::Completed);
    assert_eq!(operations(&*catalog, query).await?, expected);
    Ok(())
}
