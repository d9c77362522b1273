//! Which requests ask for the same, so that one operation answers them all.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::time::Duration;

use stillpoint_core::{CopyRequest, Landing, OnFailure, Request, RestoreRequest, Settings};

fn settings(key: &str) -> Settings {
    Settings::from_iter([(key.to_owned(), "value".into())])
}

fn restore(id: &str, change: impl FnOnce(&mut RestoreRequest)) -> Request {
    let (backup, target) = ("b-1".parse().unwrap(), "new".parse().unwrap());
    let mut request = RestoreRequest::new(id.parse().unwrap(), backup, target, "local", settings("path"));
    change(&mut request);
    Request::Restore(request)
}

fn copy(id: &str, change: impl FnOnce(&mut CopyRequest)) -> Request {
    let (backup, workspace) = ("b-1".parse().unwrap(), "ada".parse().unwrap());
    let mut request = CopyRequest::new(id.parse().unwrap(), backup, workspace, settings("vault"));
    change(&mut request);
    Request::Copy(request)
}

#[test]
fn a_restore_is_answered_by_one_that_makes_the_same_workspace_and_by_no_other() {
    let full = restore("one", |_| {});
    let changes: [fn(&mut RestoreRequest); 9] = [
        |other| other.backup = "b-2".parse().unwrap(),
        |other| other.target = "newer".parse().unwrap(),
        |other| other.provisioner = "cloud".into(),
        |other| other.settings = settings("size"),
        |other| other.include = vec!["/notes".into()],
        |other| other.components = vec!["home".parse().unwrap()],
        |other| other.landing = Landing::Replace,
        |other| other.software_version = Some("2.0".into()),
        |other| other.allow_partial = !other.allow_partial,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        assert!(!full.is_equivalent(&restore("two", change)), "change {index}");
    }
    assert!(full.is_equivalent(&restore("two", |same| {
        same.creator = Some("grace".into());
        same.timeout = Some(Duration::from_secs(1));
        same.on_failure = OnFailure::Keep;
    })));
}

#[test]
fn a_copy_is_answered_by_one_that_lasts_as_long() {
    let lasting = copy("one", |_| {});
    assert!(lasting.is_equivalent(&copy("two", |_| {})));
    assert!(!lasting.is_equivalent(&copy("two", |other| other.retain = Some(Duration::from_secs(60)))));
    assert!(!lasting.is_equivalent(&copy("two", |other| other.destination = settings("region"))));
    assert!(!lasting.is_equivalent(&copy("two", |other| other.provider = Some("cloud".parse().unwrap()))));
}
