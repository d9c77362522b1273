//! Everything of the contract and of this provider that reads text or JSON from outside, as functions of bytes.
//!
//! Fuzzing engines call them, and the tests replay their corpora. A target panics when it finds a fault; what it is
//! given may be anything.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stillpoint_core::{
    BackupId, ComponentId, OperationId, OperationRecord, SnapshotId, Timestamp, WorkspaceId, WorkspaceRecord,
};
use stillpoint_localfs::{Rules, Selection};

use crate::path_text;
use crate::workspace::{CaptureRules, pattern_of};

/// A name and what it does with any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets of this crate.
pub const TARGETS: [Target; 8] = [
    ("backup-record", backup_record),
    ("capture-rules", capture_rules),
    ("catalog-operation", catalog_operation),
    ("catalog-workspace", catalog_workspace),
    ("id", id),
    ("ignore-rules", ignore_rules),
    ("path-text", path_text),
    ("timestamp", timestamp),
];

fn backup_record(bytes: &[u8]) {
    let Ok(record) = crate::repository::parse_record("x", bytes) else { return };
    same_again(&record);
    for component in &record.components {
        // The settings of a component say what its next backup reads.
        drop(CaptureRules::from_settings(&component.component.settings));
    }
}

fn catalog_operation(bytes: &[u8]) {
    serde_json::from_slice::<OperationRecord>(bytes).iter().for_each(same_again);
}

fn catalog_workspace(bytes: &[u8]) {
    serde_json::from_slice::<WorkspaceRecord>(bytes).iter().for_each(same_again);
}

/// What was read is the same after being written and read once more.
fn same_again<T: Serialize + DeserializeOwned + PartialEq>(value: &T) {
    let again = serde_json::to_vec(value).and_then(|json| serde_json::from_slice::<T>(&json));
    assert!(again.is_ok_and(|again| again == *value));
}

fn capture_rules(bytes: &[u8]) {
    let Ok(rules) = serde_json::from_slice::<CaptureRules>(bytes) else { return };
    let mut settings = stillpoint_core::Settings::new();
    rules.write_to(&mut settings);
    assert!(CaptureRules::from_settings(&settings).is_ok_and(|again| again == rules));
}

fn ignore_rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut rules = Rules::new();
    for line in text.lines() {
        drop(rules.add(line));
    }
    // Each rule was accepted by itself, so the set must be accepted too.
    assert!(Selection::new(&rules).is_ok());
    let mut literal = Rules::new();
    if !text.is_empty() && !text.chars().any(char::is_control) {
        assert!(literal.add(&pattern_of(text)).is_ok(), "a path is always a pattern");
    }
}

fn path_text(bytes: &[u8]) {
    let path = Path::new(OsStr::from_bytes(bytes));
    let text = path_text::to_text(path);
    assert!(!text.chars().any(char::is_control));
    assert!(path_text::from_text(&text) == path);
    if let Ok(typed) = std::str::from_utf8(bytes) {
        assert!(path_text::from_text(typed).as_os_str().len() <= bytes.len());
    }
}

fn id(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let texts = [
        text.parse().map(|id: BackupId| id.to_string()),
        text.parse().map(|id: ComponentId| id.to_string()),
        text.parse().map(|id: OperationId| id.to_string()),
        text.parse().map(|id: SnapshotId| id.to_string()),
        text.parse().map(|id: WorkspaceId| id.to_string()),
    ];
    assert!(texts.into_iter().flatten().all(|again| again == text));
}

fn timestamp(bytes: &[u8]) {
    let Some(time) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return;
    };
    assert!(time.to_string().parse::<Timestamp>().is_ok_and(|again| again == time));
    let second = Timestamp::from_millis(time.as_millis().div_euclid(1000) * 1000);
    assert!(time.to_directory_name().parse::<Timestamp>().is_ok_and(|again| again == second));
}

#[cfg(test)]
mod tests {
    use stillpoint_core::BackupRecord;

    use super::*;

    #[test]
    fn corpora_and_their_mutations_find_no_fault() {
        for (name, target) in TARGETS {
            stillpoint_testkit::fuzz::replay(name, 1, 10_000, target);
        }
    }

    #[test]
    fn the_records_in_the_corpora_are_read() {
        let read = |name: &str| {
            let folder = stillpoint_testkit::fuzz::corpus_folder(name);
            std::fs::read(folder.join("whole.json")).unwrap()
        };
        assert!(serde_json::from_slice::<BackupRecord>(&read("backup-record")).is_ok());
        assert!(serde_json::from_slice::<OperationRecord>(&read("catalog-operation")).is_ok());
        assert!(serde_json::from_slice::<WorkspaceRecord>(&read("catalog-workspace")).is_ok());
    }
}
