//! Which backups a policy keeps: a pure function of the backups and the policy, with a reason for each one kept.
//!
//! `within` counts back from the newest completed backup of the workspace, as restic does, so a clock that is wrong here
//! deletes nothing. What was begun at a time that has not come yet was begun by a wrong clock: it stays, and counts for
//! nothing. Hours, days, ISO weeks, months and years are those of UTC, by the time a backup was begun.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::catalog::{BackupRecord, BackupState};
use crate::clock::{SKEW_MAX, Timestamp};
use crate::id::{BackupId, ProviderId, WorkspaceId};

/// What to keep. A backup stays if any rule keeps it; without any rule everything stays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionPolicy {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of the last so many hours that have one.
    pub hourly: u32,
    /// The same by days.
    pub daily: u32,
    /// The same by weeks, which begin on Monday.
    pub weekly: u32,
    /// The same by months.
    pub monthly: u32,
    /// The same by years.
    pub yearly: u32,
    /// All that were begun at most this long before the newest completed one.
    pub within: Option<Duration>,
    /// All with one of these names.
    pub names: Vec<String>,
    /// The newest so many completed ones of each workspace, whatever else is said: 1.
    pub good: u32,
    /// Those whose own retention has ended go, also where no other rule says what may go.
    pub expired: bool,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self {
            last: 0,
            hourly: 0,
            daily: 0,
            weekly: 0,
            monthly: 0,
            yearly: 0,
            within: None,
            names: Vec::new(),
            good: 1,
            expired: false,
        }
    }
}

impl RetentionPolicy {
    /// Whether it has any rule of its own; one that has none keeps everything, but for what has outlived its own
    /// retention where [`RetentionPolicy::expired`] says so.
    pub fn is_empty(&self) -> bool {
        *self == Self { good: self.good, expired: self.expired, ..Self::default() }
    }
}

/// A backup that stays, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The backup.
    pub id: BackupId,
    /// One short sentence per rule that keeps it.
    pub reasons: Vec<String>,
}

/// The answer of [`retain`]; both lists are newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// What stays.
    pub keep: Vec<Kept>,
    /// What goes.
    pub remove: Vec<BackupId>,
}

/// Judges each workspace's backups by themselves, those of each host where the same path is a workspace of several
/// ([`BackupRecord::host`]), and its copies as if they were another workspace's, those in each place by themselves.
///
/// Only completed backups fill the places that the counting rules give. A partial one is never counted and goes like any
/// other, but stays while no completed one is newer: until then it is the best there is of that time. A held backup, and
/// one whose own retention has not ended at the newest completed one, stay always. What is already being deleted fills no
/// place and goes, whatever the policy says: that was decided before.
///
/// `now` takes part in one thing only: a backup that was begun more than five minutes after it stays and is not counted. So
/// a clock that is wrong, here or wherever a backup was made, keeps more and never less.
pub fn retain(backups: &[BackupRecord], policy: &RetentionPolicy, now: Timestamp) -> Retention {
    let mut workspaces: BTreeMap<Group<'_>, Vec<&BackupRecord>> = BTreeMap::new();
    let mut judged: Vec<(&BackupRecord, Vec<String>)> = Vec::new();
    for backup in backups {
        if backup.state == BackupState::Deleting {
            judged.push((backup, Vec::new()));
        } else if backup.created_at > now.after(SKEW_MAX) {
            let began = backup.created_at;
            judged.push((backup, vec![format!("begun by a wrong clock: {began} has not come yet")]));
        } else {
            workspaces.entry(Group::of(backup)).or_default().push(backup);
        }
    }
    for mut own in workspaces.into_values() {
        own.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        judged.extend(judge(&own, policy));
    }
    judged.sort_by(|(a, _), (b, _)| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let mut retention = Retention::default();
    for (backup, reasons) in judged {
        if reasons.is_empty() {
            retention.remove.push(backup.id.clone());
        } else {
            retention.keep.push(Kept { id: backup.id.clone(), reasons });
        }
    }
    retention
}

/// Backups of one workspace, on one host, in one place: none of another group takes a place from them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'a> {
    workspace: &'a WorkspaceId,
    host: Option<&'a str>,
    place: Option<Place<'a>>,
}

impl<'a> Group<'a> {
    fn of(backup: &'a BackupRecord) -> Self {
        Self { workspace: &backup.workspace, host: backup.host(), place: Place::of_copy(backup) }
    }
}

/// Where a copy lies, as far as it is known. Copies in two places are made so that there are two.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    providers: BTreeSet<&'a ProviderId>,
    account: Option<&'a str>,
    region: Option<&'a str>,
    /// The stores that the snapshots say they lie in.
    stores: BTreeSet<(&'a str, &'a str)>,
    /// What was asked for, by name and value, where a snapshot does not say where it lies: this names more than the place.
    asked: Vec<(&'a str, String)>,
}

impl<'a> Place<'a> {
    fn of_copy(backup: &'a BackupRecord) -> Option<Self> {
        backup.copy_of.as_ref()?;
        let snapshots = || backup.components.iter().filter_map(|component| component.snapshot.as_ref());
        let stores = snapshots().filter_map(|snapshot| snapshot.store.as_ref());
        let told = snapshots().next().is_some() && snapshots().all(|snapshot| snapshot.store.is_some());
        let asked = backup.copied_to.iter().filter(|_| !told);
        let asked = asked.map(|(name, value)| (name.as_str(), value.to_string()));
        Some(Self {
            providers: snapshots().map(|snapshot| &snapshot.provider).collect(),
            stores: stores.map(|store| (store.id.as_str(), store.url.as_str())).collect(),
            account: backup.definition.account.as_deref(),
            region: backup.definition.region.as_deref(),
            asked: asked.collect(),
        })
    }
}

/// The backups of one workspace, newest first, each with what keeps it.
fn judge<'a>(backups: &[&'a BackupRecord], policy: &RetentionPolicy) -> Vec<(&'a BackupRecord, Vec<String>)> {
    let newest_good = backups.iter().find(|backup| is_good(backup)).map(|backup| backup.created_at);
    let mut rules = CountingRule::all(policy);
    let oldest_good = backups.iter().rev().find(|backup| is_good(backup)).map(|backup| &backup.id);
    let judge = |backup: &&'a BackupRecord| {
        let mut reasons = Vec::new();
        if backup.held {
            reasons.push("held".to_owned());
        }
        let expired = policy.expired && newest_good.is_some_and(|good| has_outlived_itself(backup, good));
        if policy.is_empty() && !expired {
            reasons.push("no rule says what may go".to_owned());
        }
        if is_good(backup) {
            let is_oldest = oldest_good == Some(&backup.id);
            reasons.extend(rules.iter_mut().filter_map(|rule| rule.keeps(backup.created_at, is_oldest)));
        } else if newest_good.is_none_or(|good| backup.created_at > good) {
            let word = if backup.state == BackupState::Damaged { "damaged" } else { "partial" };
            reasons.push(format!("{word}, and no completed backup is newer"));
        }
        reasons.extend(kept_by_itself(backup, policy, newest_good));
        (*backup, reasons)
    };
    backups.iter().map(judge).collect()
}

/// Whether the backup's own retention had ended at the newest completed one, by the time they were begun.
fn has_outlived_itself(backup: &BackupRecord, newest_good: Timestamp) -> bool {
    backup.expires_at.is_some_and(|until| until <= newest_good)
}

fn is_good(backup: &BackupRecord) -> bool {
    backup.state == BackupState::Completed
}

/// The rules that look at one backup alone.
fn kept_by_itself(
    backup: &BackupRecord,
    policy: &RetentionPolicy,
    newest_good: Option<Timestamp>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    if let (Some(span), Some(good)) = (policy.within, newest_good)
        && is_good(backup)
        && good.since(backup.created_at) <= span
    {
        reasons.push("within the span kept whole".to_owned());
    }
    if let Some(name) = backup.name.as_ref().filter(|name| policy.names.contains(name)) {
        reasons.push(format!("named {name}"));
    }
    if let (Some(until), Some(good)) = (backup.expires_at, newest_good)
        && until > good
    {
        reasons.push(format!("retained until {until}"));
    }
    reasons
}

/// A rule with a number of places, each of which one span of time fills at most once.
struct CountingRule {
    places: u32,
    taken: u32,
    last: Option<i64>,
    /// The span a time lies in; without one, each backup fills a place.
    span: Option<fn(Timestamp) -> i64>,
    word: &'static str,
}

impl CountingRule {
    fn all(policy: &RetentionPolicy) -> Vec<Self> {
        let rule = |places, span: Option<fn(Timestamp) -> i64>, word| Self {
            places,
            taken: 0,
            last: None,
            span,
            word,
        };
        vec![
            rule(policy.good, None, "last good"),
            rule(policy.last, None, "last"),
            rule(policy.hourly, Some(hour), "hourly"),
            rule(policy.daily, Some(day), "daily"),
            rule(policy.weekly, Some(week), "weekly"),
            rule(policy.monthly, Some(month), "monthly"),
            rule(policy.yearly, Some(year), "yearly"),
        ]
    }

    /// Why it keeps the next older backup, if it does. The oldest fills a place that is left also where its span has one: as
    /// with restic, the history is then as long as it can be.
    fn keeps(&mut self, time: Timestamp, is_oldest: bool) -> Option<String> {
        let span = self.span.map(|span| span(time));
        if self.taken == self.places || span.is_some() && self.last == span && !is_oldest {
            return None;
        }
        self.taken += 1;
        self.last = span;
        Some(format!("{} {} of {}", self.word, self.taken, self.places))
    }
}

fn hour(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(3_600_000)
}

fn day(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(86_400_000)
}

/// Weeks since Monday, 1969-12-29.
fn week(time: Timestamp) -> i64 {
    (day(time) + 3).div_euclid(7)
}

fn month(time: Timestamp) -> i64 {
    let (year, month) = time.year_and_month();
    year * 12 + month
}

fn year(time: Timestamp) -> i64 {
    time.year_and_month().0
}
