//! What a server does besides answering: it takes over what other processes left behind, and begins scheduled runs.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{Cancellation, Scheduler};

use crate::plane::ControlPlane;

/// How often operations that nobody drives are looked for.
const RECOVER_EVERY: Duration = Duration::from_secs(20);

/// Looks for operations that nobody drives, and for schedules that are due, until `stop` is raised. What a look meets is
/// logged, and the next one tries again. Any number of servers may do this on one catalog.
pub async fn keep_going(plane: ControlPlane, stop: Cancellation) {
    let clock = plane.shared_clock();
    let scheduler =
        Scheduler::new(Arc::clone(plane.orchestrator()), Arc::clone(plane.catalog()), Arc::clone(&clock));
    let recover = async {
        while !stop.is_cancelled() {
            match plane.orchestrator().recover().await {
                Ok(taken) if taken.is_empty() => {}
                Ok(taken) => tracing::info!(operations = taken.len(), "took over what nobody drove"),
                Err(error) => tracing::warn!(%error, "cannot look for operations that nobody drives"),
            }
            tokio::select! {
                () = clock.sleep(RECOVER_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    };
    tokio::join!(recover, scheduler.run(&stop));
}
