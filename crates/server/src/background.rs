//! What a server does besides answering: it takes over what other processes left behind, begins scheduled runs, and removes
//! operations that ended long ago.

use std::sync::Arc;

use stillpoint_core::{Cancellation, Recovery, Scheduler, Trimming};

use crate::plane::ControlPlane;

/// Looks for operations that nobody drives, for schedules that are due, and for operations that ended long ago, until `stop` is raised. What a look meets is
/// logged, and the next one tries again. Any number of servers may do this on one catalog.
pub async fn keep_going(plane: ControlPlane, stop: Cancellation) {
    let (orchestrator, clock) = (plane.orchestrator(), plane.shared_clock());
    let recovery = Recovery::new(Arc::clone(orchestrator), Arc::clone(&clock));
    let trimming = Trimming::new(Arc::clone(plane.catalog()), Arc::clone(&clock), plane.history());
    let scheduler = Scheduler::new(Arc::clone(orchestrator), Arc::clone(plane.catalog()), clock);
    tokio::join!(recovery.run(&stop), scheduler.run(&stop), trimming.run(&stop));
}
