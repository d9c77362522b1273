//! The catalog suite on SQLite files. Each handle that the suite asks for has connections of its own, as another
//! process would.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_conformance::catalog::{Harness, ManualClock};
use stillpoint_core::{Catalog, Clock, Result, Timestamp};
use tempfile::TempDir;

struct FileHarness {
    directory: TempDir,
    clock: Arc<ManualClock>,
}

impl FileHarness {
    fn new() -> std::io::Result<Self> {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_767_225_600_000)));
        Ok(Self { directory: tempfile::tempdir()?, clock })
    }
}

#[async_trait::async_trait]
impl Harness for FileHarness {
    async fn catalog(&self) -> Result<Arc<dyn Catalog>> {
        let address = format!("sqlite:{}", self.directory.path().join("catalog.sqlite").display());
        let options = SqlOptions::default().with_clock(Arc::clone(&self.clock) as Arc<dyn Clock>);
        Ok(Arc::new(SqlCatalog::open(&address, options).await?))
    }

    async fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
    }
}

stillpoint_conformance::catalog_suite! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] FileHarness::new()?
}
