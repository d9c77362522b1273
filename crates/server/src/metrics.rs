//! Metrics in the text form of Prometheus. They name routes and states, never workspaces or callers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stillpoint_core::{ErrorKind, OperationQuery, Result, ScheduleQuery};

use crate::plane::ControlPlane;

/// The upper ends of the histogram's buckets, in milliseconds.
const BUCKETS_MS: [u64; 9] = [5, 10, 25, 50, 100, 250, 500, 1_000, 5_000];

/// How long what was read of the catalog is told.
const CATALOG_READ_EVERY: Duration = Duration::from_secs(5);

/// What a request is counted under.
type Key = (&'static str, String, u16);

/// Counts requests.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counts: Mutex<BTreeMap<Key, Count>>,
    /// What was last read of the catalog, and when.
    catalog: tokio::sync::Mutex<Option<(Duration, String)>>,
}

#[derive(Clone, Debug, Default)]
struct Count {
    requests: u64,
    total: Duration,
    buckets: [u64; BUCKETS_MS.len()],
}

impl Metrics {
    /// Counts a request to `route` that was answered with `status` after `took`.
    pub(crate) fn count(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((method, route.to_owned(), status)).or_default();
        count.requests += 1;
        count.total += took;
        for (bucket, end) in count.buckets.iter_mut().zip(BUCKETS_MS) {
            if took <= Duration::from_millis(end) {
                *bucket += 1;
            }
        }
    }

    fn text(&self) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut text = String::from(
            "# HELP stillpoint_http_request_seconds How long requests took.\n\
             # TYPE stillpoint_http_request_seconds histogram\n",
        );
        for ((method, route, status), count) in &counts {
            let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
            let name = "stillpoint_http_request_seconds";
            for (bucket, end) in count.buckets.iter().zip(BUCKETS_MS) {
                let end = Duration::from_millis(end).as_secs_f64();
                line(&mut text, format_args!("{name}_bucket{{{labels},le=\"{end}\"}} {bucket}"));
            }
            line(&mut text, format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {}", count.requests));
            line(&mut text, format_args!("{name}_sum{{{labels}}} {}", count.total.as_secs_f64()));
            line(&mut text, format_args!("{name}_count{{{labels}}} {}", count.requests));
        }
        text
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _written = writeln!(text, "{line}").is_ok();
}

impl ControlPlane {
    /// The metrics of this server and of its catalog. However many ask, the catalog is read every five seconds.
    ///
    /// # Errors
    /// Whatever reading the catalog can meet.
    pub(crate) async fn metrics_text(&self) -> Result<String> {
        let mut known = self.metrics().catalog.lock().await;
        let now = self.clock().elapsed();
        let text = match known.take() {
            Some((at, text)) if now.saturating_sub(at) < CATALOG_READ_EVERY => {
                known.insert((at, text)).1.clone()
            }
            _ => known.insert((now, self.catalog_text().await?)).1.clone(),
        };
        Ok(self.metrics().text() + &text)
    }

    async fn catalog_text(&self) -> Result<String> {
        let mut text = String::new();
        let page = self.catalog().operations(&OperationQuery::unfinished()).await?;
        let mut states: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        let mut undriven = 0;
        for stored in &page.items {
            *states.entry((stored.operation.request.kind(), stored.operation.state.as_str())).or_default() +=
                1;
            undriven += u64::from(!stored.lease.live);
        }
        text.push_str("# HELP stillpoint_operations_unfinished Operations with something left to do, 1000 at the most.\n# TYPE stillpoint_operations_unfinished gauge\n");
        for ((kind, state), count) in states {
            let name = "stillpoint_operations_unfinished";
            line(&mut text, format_args!("{name}{{kind=\"{kind}\",state=\"{state}\"}} {count}"));
        }
        text.push_str("# HELP stillpoint_operations_undriven Unfinished operations that nobody drives.\n# TYPE stillpoint_operations_undriven gauge\n");
        line(&mut text, format_args!("stillpoint_operations_undriven {undriven}"));
        let (mut query, mut stale, mut missed) = (ScheduleQuery::all(), 0_usize, 0_u64);
        loop {
            let page = match self.catalog().schedules(&query).await {
                Ok(page) => page,
                Err(error) if error.kind() == ErrorKind::Unsupported => break,
                Err(error) => return Err(error),
            };
            stale += page.items.iter().filter(|stored| stored.record.stale_since.is_some()).count();
            missed += page.items.iter().map(|stored| stored.record.missed_runs).sum::<u64>();
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        text.push_str("# HELP stillpoint_schedules_stale Schedules whose newest completed backup is too old.\n# TYPE stillpoint_schedules_stale gauge\n");
        line(&mut text, format_args!("stillpoint_schedules_stale {stale}"));
        text.push_str("# HELP stillpoint_schedule_runs_missed Scheduled runs that were missed.\n# TYPE stillpoint_schedule_runs_missed gauge\n");
        line(&mut text, format_args!("stillpoint_schedule_runs_missed {missed}"));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stillpoint_core::memory::MemoryCatalog;
    use stillpoint_core::{
        BackupRequest, Catalog, Clock, Holder, LocalOrchestrator, OperationRecord, Request, Timestamp,
        VirtualClock,
    };

    use super::*;
    use crate::access::MemoryAccess;

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_the_catalog_is_read_every_five_seconds() {
        let catalog = Arc::new(MemoryCatalog::new());
        let clock = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(1_000_000)));
        let orchestrator = Arc::new(LocalOrchestrator::builder(catalog.clone()).build());
        let plane = ControlPlane::new(catalog.clone(), orchestrator, Arc::new(MemoryAccess::default()))
            .with_clock(clock.clone());
        let before = plane.metrics_text().await.unwrap();
        let request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
        let record = OperationRecord::submitted(Request::Backup(request), clock.now());
        let holder = Holder::new("test", "test");
        catalog.create_operation(&record, &holder, Duration::from_secs(60)).await.unwrap();
        clock.sleep(Duration::from_secs(4)).await;
        assert_eq!(plane.metrics_text().await.unwrap(), before);
        clock.sleep(Duration::from_secs(2)).await;
        let after = plane.metrics_text().await.unwrap();
        assert!(
            after.contains("stillpoint_operations_unfinished{kind=\"backup\",state=\"running\"} 1"),
            "{after}"
        );
    }

    #[test]
    fn buckets_hold_everything_up_to_their_ends() {
        let metrics = Metrics::default();
        for millis in [3, 20, 9_000] {
            metrics.count("GET", "/api/v1/backups", 200, Duration::from_millis(millis));
        }
        let text = metrics.text();
        for line in ["le=\"0.005\"} 1", "le=\"0.025\"} 2", "le=\"5\"} 2", "le=\"+Inf\"} 3"] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
