//! What a retention policy keeps and why.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::time::Duration;

use stillpoint_core::{
    BackupRecord, BackupState, Component, ComponentRecord, ComponentState, Definition, Retention,
    RetentionPolicy, SnapshotRef, StoreRef, Timestamp,
};

/// A completed backup of `workspace`, made at a time of 2026 such as `03-09T12:00`.
fn backup(workspace: &str, time: &str) -> BackupRecord {
    let time: Timestamp = format!("2026-{time}:00Z").parse().unwrap();
    let id = format!("{workspace}-{time}").replace([':', '.'], "-");
    let definition = Definition::new(workspace.parse().unwrap());
    BackupRecord::new(id.parse().unwrap(), "op".parse().unwrap(), definition, time)
}

/// Judged in 2027.
fn retain(backups: &[BackupRecord], policy: &RetentionPolicy) -> Retention {
    stillpoint_core::retain(backups, policy, "2027-01-01T00:00:00Z".parse().unwrap())
}

fn policy(change: impl FnOnce(&mut RetentionPolicy)) -> RetentionPolicy {
    let mut policy = RetentionPolicy::default();
    change(&mut policy);
    policy
}

/// The times that stay, newest first.
fn kept(backups: &[BackupRecord], retention: &Retention) -> Vec<String> {
    let time = |id: &_| {
        let found = backups.iter().find(|backup| backup.id == *id).unwrap();
        found.created_at.to_string()[5..16].to_owned()
    };
    retention.keep.iter().map(|kept| time(&kept.id)).collect()
}

#[test]
fn each_counting_rule_keeps_the_newest_of_each_of_its_spans() {
    let times = [
        "01-15T10:00",
        "02-15T10:00",
        "03-01T10:00",
        "03-08T09:00",
        "03-08T10:00",
        "03-09T10:00",
        "03-09T10:30",
        "03-09T11:10",
    ];
    let backups: Vec<_> = times.iter().map(|time| backup("ada", time)).collect();
    let stays = |change: fn(&mut RetentionPolicy)| kept(&backups, &retain(&backups, &policy(change)));
    assert_eq!(stays(|policy| policy.last = 3), ["03-09T11:10", "03-09T10:30", "03-09T10:00"]);
    assert_eq!(stays(|policy| policy.hourly = 3), ["03-09T11:10", "03-09T10:30", "03-08T10:00"]);
    assert_eq!(stays(|policy| policy.daily = 2), ["03-09T11:10", "03-08T10:00"]);
    // 9 March 2026 is a Monday, so the 8th ends the week before.
    assert_eq!(stays(|policy| policy.weekly = 3), ["03-09T11:10", "03-08T10:00", "03-01T10:00"]);
    assert_eq!(stays(|policy| policy.monthly = 9), ["03-09T11:10", "02-15T10:00", "01-15T10:00"]);
    // As with restic, the oldest fills a place that is left, so that the history is as long as it can be.
    assert_eq!(stays(|policy| policy.yearly = 9), ["03-09T11:10", "01-15T10:00"]);
    assert_eq!(stays(|policy| policy.yearly = 1), ["03-09T11:10"]);
    assert_eq!(
        stays(|policy| policy.within = Some(Duration::from_secs(26 * 3600))),
        ["03-09T11:10", "03-09T10:30", "03-09T10:00", "03-08T10:00"]
    );
}

#[test]
fn every_reason_is_told_and_nothing_is_in_both_lists() {
    let mut backups: Vec<_> =
        ["03-01T10:00", "03-02T10:00", "03-03T10:00"].iter().map(|time| backup("ada", time)).collect();
    backups[0].name = Some("before the move".to_owned());
    let retention = retain(
        &backups,
        &policy(|policy| {
            policy.last = 1;
            policy.daily = 1;
            policy.names = vec!["before the move".to_owned()];
        }),
    );
    assert_eq!(retention.keep[0].reasons, ["last good 1 of 1", "last 1 of 1", "daily 1 of 1"]);
    assert_eq!(retention.keep[1].reasons, ["named before the move"]);
    assert_eq!(retention.remove, [backups[1].id.clone()]);
}

#[test]
fn without_a_rule_everything_stays() {
    let backups = [backup("ada", "03-01T10:00"), backup("ada", "03-02T10:00")];
    let retention = retain(&backups, &RetentionPolicy::default());
    assert_eq!((retention.keep.len(), retention.remove.len()), (2, 0));
    assert!(RetentionPolicy::default().is_empty());
}

#[test]
fn partial_backups_fill_no_place_and_go_once_a_completed_one_is_newer() {
    let mut backups: Vec<_> = ["03-01T10:00", "03-02T10:00", "03-03T10:00", "03-04T10:00"]
        .iter()
        .map(|time| backup("ada", time))
        .collect();
    backups[0].state = BackupState::Partial;
    backups[2].state = BackupState::Partial;
    backups[3].state = BackupState::Partial;
    let retention = retain(&backups, &policy(|policy| policy.last = 1));
    assert_eq!(kept(&backups, &retention), ["03-04T10:00", "03-03T10:00", "03-02T10:00"]);
    assert_eq!(retention.remove, [backups[0].id.clone()]);
    assert!(retention.keep[0].reasons[0].contains("no completed backup is newer"));
}

#[test]
fn the_last_good_ones_of_each_workspace_stay_whatever_the_rules_say() {
    let mut backups = vec![backup("ada", "03-01T10:00"), backup("grace", "01-01T10:00")];
    backups.push(backup("ada", "03-02T10:00"));
    let none = |policy: &mut RetentionPolicy| policy.names = vec!["nobody's".to_owned()];
    let retention = retain(&backups, &policy(none));
    assert_eq!(kept(&backups, &retention), ["03-02T10:00", "01-01T10:00"]);
    let two = retain(
        &backups,
        &policy(|policy| {
            none(policy);
            policy.good = 2;
        }),
    );
    assert!(two.remove.is_empty());
}

#[test]
fn holds_and_retentions_that_have_not_ended_keep_and_what_is_half_deleted_goes() {
    let mut backups: Vec<_> = ["03-01T10:00", "03-02T10:00", "03-03T10:00", "03-04T10:00", "03-05T10:00"]
        .iter()
        .map(|time| backup("ada", time))
        .collect();
    backups[0].held = true;
    backups[1].expires_at = Some("2026-03-05T10:00:01Z".parse().unwrap());
    backups[2].expires_at = Some("2026-03-05T09:00:00Z".parse().unwrap());
    backups[3].state = BackupState::Deleting;
    let retention = retain(&backups, &policy(|policy| policy.last = 1));
    assert_eq!(kept(&backups, &retention), ["03-05T10:00", "03-02T10:00", "03-01T10:00"]);
    assert_eq!(retention.keep[2].reasons, ["held"]);
    assert_eq!(retention.remove, [backups[3].id.clone(), backups[2].id.clone()]);
    assert_eq!(retain(&backups, &RetentionPolicy::default()).remove, [backups[3].id.clone()]);
}

#[test]
fn a_clock_that_ran_wild_while_a_backup_was_made_takes_no_other_one() {
    // One from a time that has not come yet takes neither the others' places nor their span from them.
    let mut backups: Vec<_> =
        ["03-01T10:00", "03-02T10:00", "03-02T10:30"].iter().map(|time| backup("ada", time)).collect();
    backups[1].expires_at = Some("2026-04-01T00:00:00Z".parse().unwrap());
    backups[2].created_at = "2099-01-01T00:00:00Z".parse().unwrap();
    for policy in [
        policy(|policy| policy.within = Some(Duration::from_secs(2 * 86_400))),
        policy(|policy| policy.last = 2),
        policy(|policy| policy.expired = true),
    ] {
        let retention = retain(&backups, &policy);
        assert!(retention.remove.is_empty(), "{policy:?}: {retention:?}");
        assert!(retention.keep[0].reasons[0].contains("has not come yet"), "{retention:?}");
    }
    // A clock that is behind here keeps more as well.
    let now = "2026-03-02T09:00:00Z".parse().unwrap();
    let retention = stillpoint_core::retain(&backups, &policy(|policy| policy.last = 1), now);
    assert!(retention.remove.is_empty(), "{retention:?}");
}

#[test]
fn copies_are_judged_by_themselves_and_damaged_ones_fill_no_place() {
    let mut backups: Vec<_> = ["03-01T10:00", "03-02T10:00", "03-03T10:00", "03-04T10:00"]
        .iter()
        .map(|time| backup("ada", time))
        .collect();
    backups[0].copy_of = Some(backups[1].id.clone());
    backups[3].state = BackupState::Damaged;
    let retention = retain(&backups, &policy(|policy| policy.last = 1));
    assert_eq!(kept(&backups, &retention), ["03-04T10:00", "03-03T10:00", "03-01T10:00"]);
    assert_eq!(retention.keep[0].reasons, ["damaged, and no completed backup is newer"]);
    assert_eq!(retention.remove, [backups[1].id.clone()]);
}

#[test]
fn copies_in_one_store_are_one_place_whatever_else_was_asked_for() {
    let times = ["03-01T10:00", "03-02T10:00", "03-03T10:00", "03-04T10:00"];
    let mut backups: Vec<_> = times.iter().map(|time| backup("ada", time)).collect();
    for (number, copy) in backups.iter_mut().enumerate().take(3) {
        copy.copy_of = Some("another".parse().unwrap());
        copy.copied_to.insert("role_arn".into(), format!("role-{number}").into());
        let vault = if number == 0 { "far" } else { "near" };
        let snapshot = SnapshotRef::new("aws".parse().unwrap(), "point".parse().unwrap());
        let component = Component::new("home".parse().unwrap(), "efs", "aws".parse().unwrap(), "fs-1");
        let mut component = ComponentRecord::new(component, ComponentState::Completed);
        component.snapshot = Some(snapshot.in_store(StoreRef::new("111122223333", vault)));
        copy.components.push(component);
    }
    let retention = retain(&backups, &policy(|policy| policy.last = 1));
    assert_eq!(kept(&backups, &retention), ["03-04T10:00", "03-03T10:00", "03-01T10:00"]);
}

#[test]
fn copies_in_two_places_are_not_one_for_the_other() {
    let times = ["03-01T10:00", "03-02T10:00", "03-03T10:00"];
    let mut backups: Vec<_> = times.iter().map(|time| backup("ada", time)).collect();
    for time in times {
        for (number, vault) in ["near", "far"].into_iter().enumerate() {
            let mut copy = backup("ada", time);
            copy.id = format!("{}-{number}", copy.id).parse().unwrap();
            copy.copy_of = Some(backups[0].id.clone());
            copy.copied_to.insert("vault".into(), vault.into());
            backups.push(copy);
        }
    }
    let retention = retain(&backups, &policy(|policy| policy.daily = 2));
    let kept = kept(&backups, &retention);
    let of = |time| kept.iter().filter(|kept| **kept == time).count();
    assert_eq!(times.map(of), [0, 3, 3], "an original and a copy in each place");
}

#[test]
fn the_same_path_on_two_hosts_is_judged_for_each_of_them() {
    let on = |host: Option<&str>, creator: Option<&str>, id: &str, time: &str| {
        let mut made = backup("/home/ada", time);
        made.id = id.parse().unwrap();
        made.definition.host = host.map(str::to_owned);
        made.creator = creator.map(str::to_owned);
        let files =
            Component::new("files".parse().unwrap(), "directory", "s3sync".parse().unwrap(), "/home/ada");
        made.components.push(ComponentRecord::new(files, ComponentState::Completed));
        made
    };
    let backups = [
        on(None, Some("ada@m1"), "older-1", "01-01T10:00"),
        on(None, Some("ada@m2"), "older-2", "01-01T11:00"),
        on(None, Some("operator"), "by-token", "01-01T12:00"),
        on(Some("m1"), Some("root@elsewhere"), "newer-1", "01-02T10:00"),
        on(Some("m2"), None, "newer-2", "01-02T11:00"),
    ];
    let judged = retain(&backups, &policy(|policy| policy.last = 1));
    assert_eq!(judged.remove, ["older-2".parse().unwrap(), "older-1".parse().unwrap()]);

    // A name that somebody chose is one workspace, whoever backs it up from wherever.
    let mut named = backups;
    for backup in &mut named {
        backup.definition.host = None;
        backup.workspace = "home".parse().unwrap();
    }
    let judged = retain(&named, &policy(|policy| policy.last = 1));
    assert_eq!(judged.keep.len(), 1, "{judged:?}");
}
