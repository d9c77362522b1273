//! A lost catalog that is rebuilt from its records, in a process of its own, and compared with them row by row.

use std::process::Command;
use std::time::Duration;

use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::{BackupQuery, Catalog, PAGE_LIMIT_MAX, rebuild};
use stillpoint_testkit::process::measure;

use super::{Outcome, fill};

/// What the rebuilding process may use at the most.
const MEMORY_MAX: u64 = 512 << 20;
const TIME_MAX: Duration = Duration::from_secs(600);

/// Has the catalog at `url` rebuilt by another process, and tells what that took.
pub(crate) fn rebuilt_elsewhere(name: &str, url: &str, count: usize) -> Outcome {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--backups", &count.to_string(), "--rebuild-at", url]);
    let done = measure(&mut command)?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
    }
    let (cpu, memory) = (done.user + done.system, done.peak_rss_bytes);
    println!(
        "{name}, rebuilt from {count} records and compared: {:.1} s, CPU {:.1} s, peak memory {} MiB",
        done.wall.as_secs_f64(),
        cpu.as_secs_f64(),
        memory >> 20
    );
    if done.wall > TIME_MAX || memory > MEMORY_MAX {
        return Err(format!("{name}: a rebuild takes more than {TIME_MAX:?} or {MEMORY_MAX} bytes").into());
    }
    Ok(())
}

/// Rebuilds the catalog at `url`; fails unless each of its rows is then as recorded, and rebuilding again adds nothing.
pub(crate) async fn rebuild_here(url: &str, count: usize) -> Outcome {
    let catalog = SqlCatalog::open(url, SqlOptions::default()).await?;
    let records = (0..count).map(fill::backup).collect::<Outcome<Vec<_>>>()?;
    let (keeper, half) = ("aws".parse()?, count / 2);
    // As after a rebuild that was killed half-way.
    let first = rebuild(&catalog, &records[..half], None).await?;
    let second = rebuild(&catalog, &records, Some(&keeper)).await?;
    if (first.added.len(), second.added.len(), second.same) != (half, count - half, half as u64) {
        return Err(format!("{} and {} were added", first.added.len(), second.added.len()).into());
    }
    if !(second.differing.is_empty() && second.missing_in_store.is_empty() && second.damaged.is_empty()) {
        return Err("the store and the rebuilt catalog disagree".into());
    }
    let mut query = BackupQuery::all();
    (query.oldest_first, query.limit) = (true, PAGE_LIMIT_MAX);
    let mut records = records.iter();
    loop {
        let page = catalog.backups(&query).await?;
        for row in &page.items {
            if records.next() != Some(&row.backup) {
                return Err(format!("{} is not as recorded", row.backup.id).into());
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    if records.next().is_some() { Err("rows are missing".into()) } else { Ok(()) }
}
