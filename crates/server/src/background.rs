//! What a server does besides answering: it takes over what other processes left behind, and begins scheduled runs.

use std::sync::Arc;

use stillpoint_core::{Cancellation, Recovery, Scheduler};

use crate::plane::ControlPlane;

/// Looks for operations that nobody drives, and for schedules that are due, until `stop` is raised. What a look meets is
/// logged, and the next one tries again. Any number of servers may do this on one catalog.
pub async fn keep_going(plane: ControlPlane, stop: Cancellation) {
    let (orchestrator, clock) = (plane.orchestrator(), plane.shared_clock());
    let recovery = Recovery::new(Arc::clone(orchestrator), Arc::clone(&clock));
    let scheduler = Scheduler::new(Arc::clone(orchestrator), Arc::clone(plane.catalog()), clock);
    tokio::join!(recovery.run(&stop), scheduler.run(&stop));
}
