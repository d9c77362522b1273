//! A request for a backup.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::TIMEOUT_DEFAULT;
use super::WhenBusy;
use crate::id::{OperationId, WorkspaceId};
use crate::outlook::AcceptedPlan;
use crate::workspace::Settings;

/// What to do when the deadline passes. The workspace is let go at once in each case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnDeadline {
    /// The jobs run on and are followed to their end; the next backup builds on what they made.
    #[default]
    Detach,
    /// The jobs are asked to stop and their end is awaited.
    Cancel,
    /// The jobs go on as members, though the workspace is no longer held still.
    Extend,
}

/// A request for one backup of one workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackupRequest {
    /// Made by the submitter; the same id twice is one operation.
    pub id: OperationId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// A name for people.
    pub name: Option<String>,
    /// Who asked for it.
    pub creator: Option<String>,
    /// The time from submission to the deadline. `None` for one that follows from the [`Forecast`](crate::Forecast),
    /// or [`TIMEOUT_DEFAULT`] where nothing is known.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// The longest time without progress; `None` for one that follows from the forecast, or none where nothing was
    /// measured yet.
    pub stall_timeout: Option<Duration>,
    /// The longest time that services are held still, where it is to be shorter than the deadline. When it is used up
    /// they are let go, and what was not captured by then is a matter of [`Self::on_deadline`].
    #[serde(default)]
    pub hold_at_most: Option<Duration>,
    /// What to do when a clock runs out.
    pub on_deadline: OnDeadline,
    /// Keep for this long; `None` for ever.
    pub retain: Option<Duration>,
    /// Preflight checks to waive, by name; recorded with the backup.
    pub waivers: Vec<String>,
    /// What to do when the workspace is busy.
    pub when_busy: WhenBusy,
    /// Settings over those that the workspace lists for itself and for each of its components, such as what is to be left
    /// out. They hold for this backup, whoever goes on with it; the workspace's own stay as they are.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// The plan that was accepted: a workspace that has other components by now, or whose components have other settings
    /// or would be kept at another place, is not backed up. `None` for whatever it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_plan: Option<AcceptedPlan>,
}

impl BackupRequest {
    /// A backup of `workspace` whose deadline follows from the forecast, kept for ever.
    pub fn new(id: OperationId, workspace: WorkspaceId) -> Self {
        Self {
            id,
            workspace,
            name: None,
            creator: None,
            timeout: None,
            stall_timeout: None,
            hold_at_most: None,
            on_deadline: OnDeadline::default(),
            retain: None,
            waivers: Vec::new(),
            when_busy: WhenBusy::default(),
            settings: Settings::new(),
            accepted_plan: None,
        }
    }
}
