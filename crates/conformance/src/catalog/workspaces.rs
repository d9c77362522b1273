//! Checks of workspaces.

use stillpoint_core::{Component, Definition, Result, WorkspaceId, WorkspaceRecord};

use super::harness::Harness;
use super::sample::{at, origin};

fn workspace(id: &str, millis: i64) -> Result<WorkspaceRecord> {
    Ok(WorkspaceRecord::new(Definition::new(id.parse()?), Vec::new(), at(millis)))
}

/// A workspace is written over by its newer record; an unknown one is none.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_workspace_is_written_over(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let mut record = workspace("ada", 0)?;
    catalog.put_workspace(&record).await?;
    record.components.push(Component::new("home".parse()?, "directory", "s3sync".parse()?, "/home/ada"));
    record.seen_at = at(5);
    catalog.put_workspace(&record).await?;
    catalog.put_workspace(&record).await?;
    assert_eq!(catalog.workspace(&"ada".parse()?).await?.as_ref(), Some(&record));
    assert_eq!(catalog.workspaces(None, 10).await?.items, [record]);
    assert_eq!(catalog.workspace(&"grace".parse()?).await?, None);
    Ok(())
}

/// Where a workspace comes from stays known whoever looks at it later, until it is restored anew.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn the_origin_of_a_workspace_stays(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let mut record = workspace("ada", 0)?;
    record.origin = Some(origin()?);
    catalog.put_workspace(&record).await?;
    let mut seen = workspace("ada", 5)?;
    seen.definition.software_version = Some("3.0".into());
    catalog.put_workspace(&seen).await?;
    seen.origin.clone_from(&record.origin);
    assert_eq!(catalog.workspace(&"ada".parse()?).await?.as_ref(), Some(&seen));
    assert_eq!(catalog.workspaces(None, 10).await?.items, std::slice::from_ref(&seen));
    if let Some(origin) = &mut seen.origin {
        origin.backup = "another".parse()?;
    }
    catalog.put_workspace(&seen).await?;
    assert_eq!(catalog.workspace(&"ada".parse()?).await?, Some(seen));
    catalog.put_workspace(&workspace("bob", 0)?).await?;
    assert_eq!(catalog.workspace(&"bob".parse()?).await?.and_then(|bob| bob.origin), None);
    Ok(())
}

/// Workspaces are listed by id, in the order of bytes, a part at a time.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn workspaces_are_listed_by_id(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    for id in ["m", "a/b", "é", "B", "a", "z"] {
        catalog.put_workspace(&workspace(id, 0)?).await?;
    }
    let expected = ["B", "a", "a/b", "m", "z", "é"];
    for size in [1, 2, 4, 6, usize::MAX] {
        let (mut found, mut after) = (Vec::new(), None::<WorkspaceId>);
        loop {
            let part = catalog.workspaces(after.as_ref(), size).await?;
            assert!(!part.items.is_empty() && part.items.len() <= size);
            found.extend(part.items.into_iter().map(|record| record.definition.id.to_string()));
            let Some(next) = part.next else { break };
            assert_eq!(found.last(), Some(&next), "the next part begins behind this one");
            after = Some(next.parse()?);
        }
        assert_eq!(found, expected, "{size} at a time");
    }
    assert_eq!(catalog.workspaces(None, 0).await?.items.len(), 1, "a page has at least one");
    let behind: WorkspaceId = "n".parse()?;
    let rest = catalog.workspaces(Some(&behind), 1).await?;
    assert_eq!(
        rest.items.first().map(|record| record.definition.id.as_str()),
        Some("z"),
        "the start need not exist"
    );
    Ok(())
}
