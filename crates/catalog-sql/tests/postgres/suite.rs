//! The catalog suite. The clock that its leases run by is the database's, so the suite moves the database's: the
//! function that tells the time is replaced in the test's schema.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use stillpoint_conformance::catalog::Harness;
use stillpoint_core::{Catalog, Error, ErrorKind, Result};

use super::support::Place;

struct ServerHarness {
    place: Place,
    now: AtomicI64,
}

impl ServerHarness {
    async fn new() -> Result<Self> {
        let place = Place::shared();
        place.open().await?.close().await;
        let harness = Self { place, now: AtomicI64::new(1_767_225_600_000) };
        harness.show_time().await?;
        Ok(harness)
    }

    async fn show_time(&self) -> Result<()> {
        let now = self.now.load(Ordering::SeqCst);
        let sql = format!(
            "CREATE OR REPLACE FUNCTION now_ms() RETURNS BIGINT LANGUAGE SQL AS 'SELECT {now}::BIGINT'"
        );
        let done = self.place.execute(&sql).await;
        done.map(drop).map_err(|error| Error::new(ErrorKind::Unexpected, "the clock").with_source(error))
    }
}

#[async_trait::async_trait]
impl Harness for ServerHarness {
    async fn catalog(&self) -> Result<Arc<dyn Catalog>> {
        Ok(Arc::new(self.place.open().await?))
    }

    async fn pass(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis());
        self.now.fetch_add(millis.expect("a test's time is short"), Ordering::SeqCst);
        self.show_time().await.expect("the test's own schema can be changed");
    }
}

stillpoint_conformance::catalog_suite! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)] ServerHarness::new().await?
}
