//! Checks of pages and cursors.

use stillpoint_core::{
    BackupPlace, BackupQuery, BackupSort, BackupState, Catalog, ErrorKind, OperationQuery, OperationState,
    PAGE_LIMIT_MAX, Result,
};

use super::harness::Harness;
use super::sample::{backup, create, create_in, operation, refusal};

/// The ids on all pages of a list of backups, and the sizes of the pages.
async fn walk(catalog: &dyn Catalog, mut query: BackupQuery) -> Result<(Vec<String>, Vec<usize>)> {
    let (mut ids, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = catalog.backups(&query).await?;
        sizes.push(page.items.len());
        ids.extend(page.items.into_iter().map(|stored| stored.backup.id.to_string()));
        if page.next.is_none() {
            return Ok((ids, sizes));
        }
        assert!(page.next != query.after, "each page brings the list forward");
        query.after = page.next;
    }
}

async fn walk_operations(catalog: &dyn Catalog, mut query: OperationQuery) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    loop {
        let page = catalog.operations(&query).await?;
        ids.extend(page.items.into_iter().map(|stored| stored.operation.id.to_string()));
        if page.next.is_none() {
            return Ok(ids);
        }
        assert!(page.next != query.after, "each page brings the list forward");
        query.after = page.next;
    }
}

/// Pages of any size give the whole list, each item once, in order, also where many items share one time; and the
/// last page has no cursor, also where it is full.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn pages_cover_a_list_once_and_in_order(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let mut expected = Vec::new();
    for number in 0..24 {
        let id = format!("b:{number:02}");
        let mut record = backup(&id, "ada", number / 8)?;
        if number % 2 == 0 {
            record.state = BackupState::Partial;
        }
        catalog.put_backup(&record, None).await?;
        create_in(&*catalog, operation(&id, "ada", number / 8)?, OperationState::Completed).await?;
        expected.insert(0, id);
    }
    for size in [1, 5, 6, 8, 23, 24, 25] {
        let mut query = BackupQuery::all();
        query.limit = size;
        let (ids, sizes) = walk(&*catalog, query.clone()).await?;
        assert_eq!(ids, expected, "pages of {size}");
        assert_eq!(sizes.len(), expected.len().div_ceil(size), "pages of {size}");
        query.oldest_first = true;
        let oldest_first: Vec<_> = expected.iter().rev().cloned().collect();
        assert_eq!(walk(&*catalog, query.clone()).await?.0, oldest_first, "pages of {size}, oldest first");
        query.oldest_first = false;
        query.state = Some(BackupState::Partial);
        query.workspace = Some("ada".parse()?);
        let every_other: Vec<_> = expected.iter().skip(1).step_by(2).cloned().collect();
        assert_eq!(walk(&*catalog, query).await?.0, every_other, "filtered pages of {size}");
        let mut query = OperationQuery::all();
        query.limit = size;
        assert_eq!(walk_operations(&*catalog, query).await?, expected, "operations by {size}");
    }
    Ok(())
}

/// Each order is that of what it is sorted by, then of time and id, either way and on pages of any size; what changes
/// between two pages moves nothing that stands behind the cursor, and a cursor is good for its own order alone.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn backups_are_sorted_by_what_is_asked_for(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let names = [None, Some("a"), Some("\u{fc}b:er, 7"), Some("Z"), Some("")];
    let states = [BackupState::Completed, BackupState::Partial, BackupState::Damaged];
    let mut all = Vec::new();
    for number in 0..30_u32 {
        let workspace = ["ada", "bob", "ada/lab"][number as usize % 3];
        let mut record = backup(&format!("b:{:02}", number * 7 % 30), workspace, i64::from(number / 4))?;
        record.name = names[number as usize % 5].map(str::to_owned);
        record.state = states[number as usize % 7 % 3];
        record.size_bytes = u64::from(number % 4) * (u64::MAX / 3);
        record.added_bytes = u64::from(number * 11 % 9);
        catalog.put_backup(&record, None).await?;
        all.push(record);
    }
    for (sort, oldest_first) in BackupSort::ALL.into_iter().flat_map(|sort| [(sort, false), (sort, true)]) {
        all.sort_by_key(|record| BackupPlace::of(sort, record));
        if !oldest_first {
            all.reverse();
        }
        let expected: Vec<_> = all.iter().map(|record| record.id.to_string()).collect();
        for size in [1, 7, 30] {
            let mut query = BackupQuery::all();
            (query.sort, query.oldest_first, query.limit) = (sort, oldest_first, size);
            let sorted = walk(&*catalog, query.clone()).await?.0;
            assert_eq!(sorted, expected, "by {} in pages of {size}, upwards {oldest_first}", sort.as_str());
            query.workspace = Some("bob".parse()?);
            let of_bob = all.iter().filter(|record| record.workspace.as_str() == "bob");
            let of_bob: Vec<_> = of_bob.map(|record| record.id.to_string()).collect();
            assert_eq!(walk(&*catalog, query).await?.0, of_bob, "by {} and of bob", sort.as_str());
        }
    }
    sorted_pages_stand_still(&*catalog).await
}

/// Between two pages by size, the last one of the first page shrinks to where it comes again, a larger one comes, and a
/// smaller one comes.
async fn sorted_pages_stand_still(catalog: &dyn Catalog) -> Result<()> {
    for size in 1..=6_u64 {
        let mut record = backup(&format!("still-{size}"), "still", 0)?;
        record.size_bytes = size * 10;
        catalog.put_backup(&record, None).await?;
    }
    let mut query = BackupQuery::of_workspace("still".parse()?);
    (query.sort, query.limit) = (BackupSort::Size, 2);
    let first = catalog.backups(&query).await?;
    for mut last in first.items.into_iter().skip(1) {
        last.backup.size_bytes = 15;
        catalog.put_backup(&last.backup, Some(last.revision)).await?;
    }
    for (id, size) in [("larger", 90), ("smaller", 35)] {
        let mut record = backup(id, "still", 0)?;
        record.size_bytes = size;
        catalog.put_backup(&record, None).await?;
    }
    query.after = first.next;
    let rest = walk(catalog, query.clone()).await?.0;
    assert_eq!(rest, ["still-4", "smaller", "still-3", "still-2", "still-5", "still-1"]);
    query.sort = BackupSort::Added;
    assert_eq!(refusal(catalog.backups(&query).await), Some(ErrorKind::InvalidInput), "of another order");
    Ok(())
}

/// A limit of nothing gives one item, and workspaces none; an empty list is one empty page.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_page_is_bounded(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let mut query = BackupQuery::all();
    query.limit = 0;
    let empty = catalog.backups(&query).await?;
    assert_eq!((empty.items.len(), empty.next), (0, None));
    for (id, millis) in [("b-1", 1), ("b-2", 2)] {
        catalog.put_backup(&backup(id, "ada", millis)?, None).await?;
        create(&*catalog, &operation(id, id, millis)?).await?;
    }
    let page = catalog.backups(&query).await?;
    assert_eq!(page.items.len(), 1, "a page that holds nothing would never end");
    assert!(page.next.is_some());
    let mut query = OperationQuery::all();
    query.limit = 0;
    assert_eq!(catalog.operations(&query).await?.items.len(), 1);
    query.limit = usize::MAX;
    assert_eq!(catalog.operations(&query).await?.items.len(), 2, "the largest limit is no error");
    Ok(())
}

/// What is written or removed between two pages moves nothing that stands behind the cursor.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_cursor_stays_where_it_is_while_the_list_changes(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    for millis in 0..6 {
        catalog.put_backup(&backup(&format!("b-{millis}"), "ada", millis)?, None).await?;
    }
    let mut query = BackupQuery::all();
    query.limit = 2;
    let first = catalog.backups(&query).await?;
    query.after = first.next;

    // The last item of the first page goes, a newer and an older one come.
    let record = operation("op-1", "ada", 0)?;
    let lease = create(&*catalog, &record).await?;
    let (gone, newer, between) = ("b-4".parse()?, backup("b-9", "ada", 9)?, backup("b-3x", "ada", 3)?);
    let mut change = stillpoint_core::OperationChange::new(&record);
    change.remove_backup = Some(&gone);
    change.put_backup = Some(&newer);
    catalog.commit(&lease, &change).await?;
    catalog.put_backup(&between, None).await?;

    let (rest, _) = walk(&*catalog, query).await?;
    assert_eq!(rest, ["b-3x", "b-3", "b-2", "b-1", "b-0"]);
    Ok(())
}

/// A text that no page answered is refused as a cursor.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_broken_cursor_is_refused(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    for broken in ["", "what", "1; DROP TABLE backups"] {
        let mut query = BackupQuery::all();
        query.after = Some(broken.to_owned());
        assert_eq!(refusal(catalog.backups(&query).await), Some(ErrorKind::InvalidInput), "{broken:?}");
        let mut query = OperationQuery::all();
        query.after = Some(broken.to_owned());
        assert_eq!(refusal(catalog.operations(&query).await), Some(ErrorKind::InvalidInput), "{broken:?}");
    }
    Ok(())
}

/// A list of [`Harness::many`] backups is paged whole, and no page is larger than the largest.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_long_list_is_paged_whole(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let count = harness.many();
    assert!(count > PAGE_LIMIT_MAX, "a long list has more than one page");
    for number in 0..count {
        let millis = i64::try_from(number / 3).unwrap_or(i64::MAX);
        catalog.put_backup(&backup(&format!("b-{number:06}"), "ada", millis)?, None).await?;
    }
    let mut query = BackupQuery::of_workspace("ada".parse()?);
    query.limit = usize::MAX;
    let (ids, sizes) = walk(&*catalog, query).await?;
    assert_eq!(sizes.len(), count.div_ceil(PAGE_LIMIT_MAX));
    assert_eq!(sizes.first(), Some(&PAGE_LIMIT_MAX));
    let expected: Vec<_> = (0..count).rev().map(|number| format!("b-{number:06}")).collect();
    assert!(ids == expected, "every backup is on the pages once, in order");
    Ok(())
}
