//! Schedules: the list, one of them, and when a workspace is backed up next.

use serde::Deserialize;
use stillpoint_core::{
    Error, ErrorKind, Result, ScheduleId, ScheduleQuery, StoredSchedule, Timestamp, WorkspaceId, next_run,
};
use utoipa::IntoParams;

use super::sight::Sight;
use super::{LOOK_AT, page_limit};
use crate::access::Caller;
use crate::document::{ScheduleItem, SchedulePage};
use crate::plane::ControlPlane;

/// Which schedules to list.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ScheduleFilter {
    /// Of this workspace.
    #[param(value_type = Option<String>)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// At most so many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

impl ControlPlane {
    /// One page of the schedules that `caller` may see.
    ///
    /// # Errors
    /// `InvalidInput` for a limit or cursor that is none; `Unsupported` where the catalog keeps none.
    pub(crate) async fn schedules(&self, caller: &Caller, filter: &ScheduleFilter) -> Result<SchedulePage> {
        let mut query = ScheduleQuery::all();
        query.workspace.clone_from(&filter.workspace);
        query.limit = page_limit(filter.limit)?;
        query.after.clone_from(&filter.after);
        if caller.environment.is_some() {
            return self.schedules_within(caller, query).await;
        }
        let page = self.catalog().schedules(&query).await?;
        let schedules = page.items.iter().map(|stored| self.schedule_item(stored)).collect();
        Ok(SchedulePage { schedules, next: page.next, damaged: page.damaged })
    }

    /// A page for a caller that is bound to one environment. Where to go on is told by a schedule that it may see.
    async fn schedules_within(&self, caller: &Caller, mut query: ScheduleQuery) -> Result<SchedulePage> {
        let wanted = std::mem::replace(&mut query.limit, LOOK_AT);
        let (mut answer, mut sight) = (SchedulePage::default(), Sight::new(self, caller));
        loop {
            let page = self.catalog().schedules(&query).await?;
            for stored in &page.items {
                if !sight.of_workspace(stored.record.workspace()).await? {
                    continue;
                }
                if answer.schedules.len() == wanted {
                    answer.next = answer.schedules.last().map(|last| last.id.to_string());
                    return Ok(answer);
                }
                answer.schedules.push(self.schedule_item(stored));
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(answer),
            }
        }
    }

    /// One schedule as stored.
    ///
    /// # Errors
    /// `NotFound` where there is none that `caller` may see.
    pub(crate) async fn schedule(&self, caller: &Caller, id: &ScheduleId) -> Result<StoredSchedule> {
        match self.catalog().schedule(id).await? {
            Some(stored) if self.sees_workspace(caller, stored.record.workspace()).await? => Ok(stored),
            _ => Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no schedule {id}; the list shows what there is"),
            )),
        }
    }

    /// A schedule with the time of its next run. One that cannot be followed has none.
    pub(crate) fn schedule_item(&self, stored: &StoredSchedule) -> ScheduleItem {
        ScheduleItem::new(stored, due(stored, self.clock().now()))
    }

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

fn due(stored: &StoredSchedule, now: Timestamp) -> Option<Timestamp> {
    let record = &stored.record;
    let next = next_run(&record.schedule, record.workspace(), record.anchor, now).ok()?;
    next.due.map(|due| due.at)
}
