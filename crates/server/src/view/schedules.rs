//! Schedules: when a workspace is backed up next.

use stillpoint_core::{ErrorKind, Result, ScheduleQuery, StoredSchedule, Timestamp, WorkspaceId, next_run};

use crate::plane::ControlPlane;

impl ControlPlane {
    /// When the next run of any schedule of `workspace` is due; `None` where there is none, or the catalog keeps no
    /// schedules.
    ///
    /// # Errors
    /// Whatever reading can meet.
    pub(super) async fn next_run_of(&self, workspace: &WorkspaceId) -> Result<Option<Timestamp>> {
        let mut query = ScheduleQuery::all();
        query.workspace = Some(workspace.clone());
        let page = match self.catalog().schedules(&query).await {
            Ok(page) => page,
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(page.items.iter().filter_map(|stored| due(stored, self.clock().now())).min())
    }
}

/// When a schedule's next run begins. One that cannot be followed has none; its own page says why.
pub(crate) fn due(stored: &StoredSchedule, now: Timestamp) -> Option<Timestamp> {
    let record = &stored.record;
    let next = next_run(&record.schedule, record.workspace(), record.anchor, now).ok()?;
    next.due.map(|due| due.at)
}
