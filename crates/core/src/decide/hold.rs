//! Holding the workspace still and letting it go.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backup::BackupMachine;
use super::effect::Outcome;
use super::job::JobStep;
use super::job::backoff;
use super::member::Member;
use super::{TRIES_MAX, UNREGISTERED};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, ErrorRecord};
use crate::id::{OperationId, QuiesceId};
use crate::operation::{BackupRequest, OperationRecord};
use crate::provider::Issue;
use crate::workspace::Consistency;

/// How often letting the workspace go is tried before a person is called: about a day.
const RESUME_TRIES_MAX: u32 = 2700;

/// Whether the workspace is held still by this operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hold {
    /// It never was.
    #[default]
    Free,
    /// It was asked to hold still; whether it does is not known yet.
    Quiescing,
    /// Another process had asked it to hold still and may yet take that back, whenever its call arrives: that hold is let
    /// go, and one of its own is taken.
    Renewing,
    /// It holds still and gives this consistency.
    Held(Consistency),
    /// It was asked to let go.
    Resuming(Option<Consistency>),
    /// It is let go.
    Released(Option<Consistency>),
    /// It could not be let go, so a person has to. What was captured is sealed nevertheless.
    Stuck(Option<Consistency>),
}

impl Hold {
    /// Whether the workspace may be held still, as far as is known.
    pub(crate) fn may_hold(self) -> bool {
        matches!(self, Self::Quiescing | Self::Renewing | Self::Held(_) | Self::Resuming(_))
    }
}

/// How long the workspace has been held still, counted from turn to turn: each driver has a clock of its own, and none of
/// them may give the hold its whole time once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HoldCount {
    /// So long, with all drivers together.
    pub lasted: Duration,
    /// Up to this moment, by the clock of the driver that counted last.
    pub until: Option<Timestamp>,
    /// So long it may last: what was asked for first.
    pub most: Option<Duration>,
}

impl HoldCount {
    /// Counts up to `now`. A clock that is behind the one before it counts from there on.
    fn count(&mut self, now: Timestamp) {
        let passed = self.until.map_or(Duration::ZERO, |until| now.since(until));
        self.lasted = self.lasted.saturating_add(passed);
        self.until = Some(now);
    }

    /// How long it may last yet, where anything was asked for.
    pub(super) fn rest(&self) -> Option<Duration> {
        Some(self.most?.saturating_sub(self.lasted))
    }
}

impl BackupMachine {
    /// Counts how long the workspace is held still.
    pub(super) fn count_hold(&mut self, record: &OperationRecord, request: &BackupRequest, now: Timestamp) {
        if !self.hold.may_hold() {
            self.hold_count.until = None;
            return;
        }
        self.hold_count.count(now);
        if self.hold_count.most.is_none() {
            self.hold_count.most = Some(self.hold_budget(record, request, now));
        }
    }

    pub(super) fn on_quiesced(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        self.quiesce_unanswered = false;
        if self.hold != Hold::Quiescing {
            // It was let go before it answered and may hold still only now, so it is let go once more.
            if matches!(self.hold, Hold::Resuming(_) | Hold::Released(_)) {
                self.hold = Hold::Resuming(None);
                self.retry_at = None;
            }
            return;
        }
        match result {
            Ok(Outcome::Quiesced(level)) => {
                self.hold = Hold::Held(*level);
                self.held_at = Some(now);
                self.rest.needless = *level == Consistency::Fuzzy;
                self.misses = 0;
                self.retry_at = None;
                self.held_again();
                self.members.iter_mut().for_each(|member| member.run.begin(now));
                record.last_advance = now;
            }
            Ok(_) => {}
            Err(error) if self.put_off(record, error, now) => {}
            Err(error) => {
                // Whether it holds still is unknown, so it is told to let go before the operation ends.
                record.error = Some(error.clone());
                self.hold = Hold::Resuming(None);
                self.members.iter_mut().for_each(|member| member.run.stop());
            }
        }
    }

    pub(super) fn on_resumed(
        &mut self,
        record: &mut OperationRecord,
        result: &Result<Outcome, ErrorRecord>,
        now: Timestamp,
    ) {
        match (self.hold, result) {
            (Hold::Renewing, Ok(_)) => {
                self.held_before += self.held_from.take().map_or(Duration::ZERO, |from| now.since(from));
                self.renewals += 1;
                self.hold = Hold::Quiescing;
                self.quiesce_unanswered = true;
                self.misses = 0;
                self.retry_at = None;
            }
            (Hold::Resuming(level), Ok(outcome)) => {
                let broken = matches!(outcome, Outcome::FoundFree);
                if broken && level.is_some_and(|level| level > Consistency::Fuzzy) {
                    record.warnings.push(
                        "the workspace was let go by somebody else while it was held still, so the backup claims nothing"
                            .into(),
                    );
                }
                self.hold = Hold::Released(level.filter(|_| !broken));
                self.released_at = Some(now);
                self.misses = 0;
                self.retry_at = None;
            }
            (Hold::Renewing | Hold::Resuming(_), Err(error)) => {
                if self.misses == 0 {
                    record.warnings.push(format!("the workspace could not be resumed yet: {error}"));
                }
                self.misses += 1;
                self.retry_at = Some(now.after(backoff(self.misses)));
                let for_others =
                    error.kind == ErrorKind::NeedsAttention || error.context(UNREGISTERED).is_some();
                if for_others && self.misses >= TRIES_MAX || self.misses >= RESUME_TRIES_MAX {
                    let message = format!(
                        "the workspace is still held still and could not be resumed: {error}; mend what keeps it, and let it go \
                         by `stillpoint resume`, or by any watchdog that knows the catalog, which tries each minute"
                    );
                    record.error = Some(Error::new(ErrorKind::NeedsAttention, message).record());
                    self.hold = match self.hold {
                        Hold::Resuming(level) => Hold::Stuck(level),
                        _ => Hold::Stuck(None),
                    };
                    (self.misses, self.retry_at) = (0, None);
                    // What has not begun would be captured under a hold of somebody else.
                    let pending = |member: &&mut Member| member.run.step == JobStep::Pending;
                    self.members.iter_mut().filter(pending).for_each(|member| member.run.stop());
                }
            }
            _ => {}
        }
    }

    /// The process that drives is about to end: its hold is let go first, and nothing is claimed of one that fell before
    /// everything was captured. What was begun under it goes on.
    pub(super) fn leave(&mut self, record: &mut OperationRecord) {
        match self.hold {
            Hold::Quiescing | Hold::Renewing => self.hold = Hold::Resuming(None),
            Hold::Held(level) => {
                self.withdraw_all();
                let pending = |member: &Member| member.run.step == JobStep::Pending;
                // What was taken back begins under the hold of whoever comes next.
                let level_left = (!self.members.iter().any(pending)).then_some(Consistency::Fuzzy);
                self.hold = Hold::Resuming(level_left);
                let open = |member: &&mut Member| !pending(member) && !member.run.is_captured();
                self.members.iter_mut().filter(open).for_each(|member| member.run.outlasted_hold = true);
                if level > Consistency::Fuzzy {
                    record.warnings.push(
                        "the workspace was let go before everything was captured, because the process that held it still \
                         was to end, so the backup claims nothing"
                            .into(),
                    );
                }
            }
            Hold::Resuming(_) => {}
            Hold::Free | Hold::Released(_) | Hold::Stuck(_) => return,
        }
        self.misses = 0;
        self.retry_at = None;
    }

    /// Takes a hold of its own where an earlier driver left, and let go before it had begun to capture.
    pub(super) fn hold_anew(&mut self) {
        let pending = self.members.iter().any(|member| member.run.step == JobStep::Pending);
        let let_go = matches!(self.hold, Hold::Resuming(None) | Hold::Released(None));
        if !pending || !let_go || self.stopping.is_some() || self.rests() {
            return;
        }
        self.leave_hold_behind();
        self.hold = Hold::Renewing;
        self.misses = 0;
        self.retry_at = None;
    }

    /// The hold that was let go counts as one of those before.
    pub(super) fn leave_hold_behind(&mut self) {
        if let (Some(from), Some(to)) = (self.held_from, self.released_at) {
            self.held_before += to.since(from);
            self.held_from = None;
        }
        (self.held_at, self.releasing_at, self.released_at) = (None, None, None);
    }

    /// What is to be said of a workspace that could not be let go.
    pub(super) fn stuck(&self, record: &OperationRecord) -> Option<Issue> {
        let error = record.error.as_ref().filter(|_| matches!(self.hold, Hold::Stuck(_)))?;
        Some(Issue::new("still-held", "workspace", error.message.clone()))
    }

    /// The hold that is taken or let go next.
    pub(crate) fn hold_id(&self, operation: &OperationId) -> QuiesceId {
        QuiesceId::renewed(operation, self.renewals)
    }

    /// Lets the workspace go for a while where nothing could be captured, and otherwise for good.
    fn let_go(&mut self, level: Consistency, record: &mut OperationRecord, now: Timestamp) {
        if self.lets_rest(record, now) {
            return;
        }
        self.hold = Hold::Resuming(Some(level));
        self.members.iter_mut().for_each(|member| member.outlast_hold(now));
    }

    /// Lets the workspace go as soon as nothing needs it held still.
    pub(super) fn release(&mut self, record: &mut OperationRecord, now: Timestamp) {
        // Services do not stay down because somebody else's job holds a resource: what waits is captured late.
        let in_vain = |member: &Member| !self.rest.needless && member.run.waits_in_vain(now);
        let done = |member: &Member| member.run.is_captured() || in_vain(member);
        let due = self.members.iter().all(done) || self.stopping.is_some();
        match self.hold {
            Hold::Held(level) if due => self.let_go(level, record, now),
            // What was taken back while no job began has its turn now that one has.
            Hold::Held(_) => self.members.iter_mut().for_each(|member| member.run.begin(now)),
            Hold::Quiescing | Hold::Renewing if self.stopping.is_some() => self.hold = Hold::Resuming(None),
            Hold::Quiescing if self.held_from.is_none() => self.held_from = Some(now),
            _ => {}
        }
        if matches!(self.hold, Hold::Resuming(_)) {
            self.releasing_at.get_or_insert(now);
        }
    }
}
