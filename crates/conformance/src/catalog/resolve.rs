//! Checks of the names by which people point at backups ([`CatalogExt`]).

use stillpoint_core::{BackupState, CatalogExt, ErrorKind, Result};

use super::harness::Harness;
use super::sample::{at, backup, refusal};

/// `latest` is the newest completed backup, of one workspace or of all; partial ones and those being deleted are not
/// offered, however new.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn the_latest_backup_is_never_a_partial_one(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    assert_eq!(catalog.latest_good(None).await?, None);
    assert_eq!(refusal(catalog.resolve("latest").await), Some(ErrorKind::NotFound));
    let rows = [
        ("a-1", "ada", BackupState::Completed),
        ("a-2", "ada", BackupState::Completed),
        ("g-3", "grace", BackupState::Completed),
        ("a-4", "ada", BackupState::Partial),
        ("g-5", "grace", BackupState::Deleting),
        ("n-6", "nobody", BackupState::Partial),
    ];
    for (millis, (id, workspace, state)) in (0..).zip(rows) {
        let mut record = backup(id, workspace, millis)?;
        record.state = state;
        catalog.put_backup(&record, None).await?;
    }
    assert_eq!(catalog.resolve("latest").await?.id.as_str(), "g-3");
    assert_eq!(catalog.resolve("ada@latest").await?.id.as_str(), "a-2");
    assert_eq!(catalog.resolve("grace@latest").await?.id.as_str(), "g-3");
    assert_eq!(refusal(catalog.resolve("nobody@latest").await), Some(ErrorKind::NotFound));
    Ok(())
}

/// A backup that a wrong clock has dated ahead is the latest only where there is no other.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn what_is_dated_ahead_hides_no_backup_that_is_not(harness: &dyn Harness) -> Result<()> {
    const YEAR: i64 = 365 * 86_400_000;
    let catalog = harness.catalog().await?;
    for (id, workspace, millis) in [("a-1", "ada", 0), ("a-2", "ada", YEAR), ("g-3", "grace", 2 * YEAR)] {
        catalog.put_backup(&backup(id, workspace, millis)?, None).await?;
    }
    let resolved = async |text: &str, millis| catalog.resolve_at(None, text, at(millis)).await;
    for name in ["latest", "ada@latest"] {
        assert_eq!(resolved(name, 60_000).await?.id.as_str(), "a-1", "{name}");
    }
    assert_eq!(resolved("latest", YEAR).await?.id.as_str(), "a-2", "its time has come");
    assert_eq!(resolved("grace@latest", 60_000).await?.id.as_str(), "g-3", "there is no other");
    assert_eq!(resolved("a-2", 60_000).await?.id.as_str(), "a-2", "it is named");
    Ok(())
}

/// A backup is named by its id, also where that begins another's, or by any beginning that no other id has.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_backup_is_named_by_its_id_or_a_unique_prefix(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    for (id, millis) in [("3f1c", 0), ("3f1c77", 1), ("9a", 2)] {
        catalog.put_backup(&backup(id, "ada", millis)?, None).await?;
    }
    for (name, id) in [("3f1c", "3f1c"), ("3f1c7", "3f1c77"), ("9", "9a"), ("9a", "9a")] {
        assert_eq!(catalog.resolve(name).await?.id.as_str(), id, "{name:?}");
    }
    for unknown in ["3F", "4", "9aa", "%"] {
        assert_eq!(refusal(catalog.resolve(unknown).await), Some(ErrorKind::NotFound), "{unknown:?}");
    }
    Ok(())
}

/// A backup is named by its workspace and time, to the second or the millisecond, in both forms of writing it, or by
/// a time alone.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_backup_is_named_by_workspace_and_time(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    for (id, workspace, millis) in
        [("b-1", "ada@example.com/x", 250), ("b-2", "ada@example.com/x", 5_000), ("b-3", "grace", 250)]
    {
        catalog.put_backup(&backup(id, workspace, millis)?, None).await?;
    }
    for (name, id) in [
        ("ada@example.com/x@2026-01-01T00:00:00Z".to_owned(), "b-1"),
        ("ada@example.com/x@2026-01-01-00-00-00".to_owned(), "b-1"),
        (format!("ada@example.com/x@{}", at(250)), "b-1"),
        ("grace@2026-01-01T00:00:00Z".to_owned(), "b-3"),
        ("2026-01-01-00-00-05".to_owned(), "b-2"),
    ] {
        assert_eq!(catalog.resolve(&name).await?.id.as_str(), id, "{name}");
    }
    let missed = format!("ada@example.com/x@{}", at(251));
    assert_eq!(refusal(catalog.resolve(&missed).await), Some(ErrorKind::NotFound));
    Ok(())
}

/// A name that fits several backups is refused, and the message lists them.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_name_that_fits_several_backups_is_ambiguous(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    for (id, workspace) in [("3f1c", "ada"), ("3f99", "grace")] {
        catalog.put_backup(&backup(id, workspace, 0)?, None).await?;
    }
    for name in ["3f", "2026-01-01T00:00:00Z"] {
        let refused = catalog.resolve(name).await.err();
        assert_eq!(refused.as_ref().map(|error| error.kind()), Some(ErrorKind::InvalidInput), "{name:?}");
        let message = refused.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("3f1c") && message.contains("3f99"), "{message:?} names both");
    }
    Ok(())
}
