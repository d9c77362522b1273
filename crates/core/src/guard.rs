//! How a guard stands among the tags of a source: the tags themselves, and marks that say whose they are.
//!
//! [`GUARD_TAG`] names the operation, and one numbered mark names each key that was added. Both also hold a digest of the
//! resource, and a numbered one of the value: services copy tags from sources to what they make of them, and a mark that
//! came along, or whose key has another value by now, is void. Of a void mark only the mark itself is ever removed.

use std::collections::BTreeMap;

use crate::id::{OperationId, digest};
use crate::provider::Tags;

/// The tag of a source that names the operation whose guard stands there. Followed by a colon and a number it names a key
/// that the guard added.
pub const GUARD_TAG: &str = "stillpoint:guard";

/// How many digits of its digest tell one resource from another.
const DIGITS: usize = 12;

/// What a guard changes among the tags of a source. Where nothing is to be written and nothing to be removed, it stands, or
/// is gone, as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuardChange {
    /// What is to be written, in one call: a tag without its mark would stay for ever.
    pub write: Tags,
    /// What is to be removed after that, in one call, each only if it still has this value.
    pub remove: Tags,
    /// What was asked for and stands there with these values of somebody else, which stay.
    pub kept: Tags,
}

impl GuardChange {
    /// What it takes for the guard of `operation` to stand on `resource`, whose tags are `present`. A guard of another
    /// operation is taken over with all its keys.
    pub fn to_guard(present: &Tags, resource: &str, operation: &OperationId, wanted: &Tags) -> Self {
        let ours = ours(present, resource);
        let mut marks: BTreeMap<String, (&str, &str)> = BTreeMap::new();
        for (mark, key) in &ours {
            let value = wanted.get(*key).or_else(|| present.get(*key));
            marks.extend(value.map(|value| ((*mark).to_owned(), (*key, value.as_str()))));
        }
        let mut change = Self::default();
        let mut numbers = (1u32..).map(|number| format!("{GUARD_TAG}:{number}"));
        for (key, value) in wanted.iter().filter(|(key, _)| !ours.values().any(|ours| ours == *key)) {
            match present.get(key) {
                None => {
                    let free = numbers.find(|mark| !ours.contains_key(mark.as_str()));
                    marks.extend(free.map(|mark| (mark, (key.as_str(), value.as_str()))));
                }
                Some(theirs) if theirs != value => {
                    change.kept.insert(key.clone(), theirs.clone());
                }
                Some(_) => {}
            }
        }
        let mut stands = Tags::new();
        for (mark, (key, value)) in &marks {
            stands.insert((*key).to_owned(), (*value).to_owned());
            stands.insert(mark.clone(), key_mark(resource, key, value));
        }
        if !marks.is_empty() {
            stands.insert(GUARD_TAG.to_owned(), owner_mark(resource, operation));
        }
        change.remove = owned(marks_of(present).filter(|(mark, _)| !stands.contains_key(*mark)));
        change.write = stands.into_iter().filter(|(key, value)| present.get(key) != Some(value)).collect();
        change
    }

    /// What it takes for the guard of `operation` to be gone from `resource`, whose tags are `present`: the keys that its
    /// marks name and the marks. Nothing where the guard of another operation stands there.
    pub fn to_unguard(present: &Tags, resource: &str, operation: &OperationId) -> Self {
        let mut change = Self::default();
        if guard_of(present, resource).is_some_and(|other| other != *operation) {
            return change;
        }
        let keys: Vec<_> = ours(present, resource).into_values().collect();
        let named = present.iter().filter(|(key, _)| keys.contains(&key.as_str()));
        change.remove = owned(marks_of(present).chain(named));
        change
    }

    /// Makes the change in `tags`, as far as they still have the values that it was found out with.
    pub fn apply(&self, tags: &mut Tags) {
        tags.extend(self.write.clone());
        tags.retain(|key, value| self.remove.get(key) != Some(value));
    }

    /// Whether nothing is left to be changed.
    pub fn is_done(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty()
    }
}

/// The operation whose guard stands on `resource`, whose tags are `present`.
pub fn guard_of(present: &Tags, resource: &str) -> Option<OperationId> {
    let (operation, _) = present.get(GUARD_TAG)?.rsplit_once(' ')?;
    let operation = OperationId::new(operation).ok()?;
    (present.get(GUARD_TAG) == Some(&owner_mark(resource, &operation))).then_some(operation)
}

/// The keys that guards added to `resource`, by their marks; void marks are left out.
fn ours<'a>(present: &'a Tags, resource: &str) -> BTreeMap<&'a str, &'a str> {
    let numbered = marks_of(present).filter_map(|(mark, text)| {
        let (_, key) = text.split_once(' ')?;
        let value = present.get(key)?;
        (*text == key_mark(resource, key, value)).then_some((mark.as_str(), key))
    });
    numbered.filter(|(mark, _)| *mark != GUARD_TAG).collect()
}

/// Everything that looks like a mark of a guard.
fn marks_of(present: &Tags) -> impl Iterator<Item = (&String, &String)> {
    present.iter().filter(|(key, _)| {
        key.strip_prefix(GUARD_TAG).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    })
}

fn owner_mark(resource: &str, operation: &OperationId) -> String {
    format!("{operation} {}", &digest(&["guard", resource])[..DIGITS])
}

fn key_mark(resource: &str, key: &str, value: &str) -> String {
    format!("{} {key}", &digest(&["guard", resource, key, value])[..DIGITS])
}

fn owned<'a>(tags: impl Iterator<Item = (&'a String, &'a String)>) -> Tags {
    tags.map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn op(id: &str) -> OperationId {
        id.parse().unwrap()
    }

    fn guard(present: &mut Tags, on: &str, operation: &str, wanted: &Tags) -> GuardChange {
        let change = GuardChange::to_guard(present, on, &op(operation), wanted);
        change.apply(present);
        assert!(GuardChange::to_guard(present, on, &op(operation), wanted).is_done(), "{present:?}");
        change
    }

    fn unguard(present: &mut Tags, on: &str, operation: &str) {
        let change = GuardChange::to_unguard(present, on, &op(operation));
        change.apply(present);
        assert!(GuardChange::to_unguard(present, on, &op(operation)).is_done(), "{present:?}");
    }

    #[test]
    fn what_the_host_had_stays_as_it_was_and_what_was_added_goes() {
        let host = tags(&[("Name", "data"), ("keep", "true"), ("tier", "gold")]);
        let wanted = tags(&[("keep", "true"), ("tier", "free"), ("do-not-collect", "yes")]);
        let mut present = host.clone();
        let change = guard(&mut present, "vol-1", "op-1", &wanted);
        assert_eq!(change.kept, tags(&[("tier", "gold")]));
        assert_eq!(change.write.len(), 3, "one key, its mark, and whose it is: {change:?}");
        assert_eq!(present["do-not-collect"], "yes");
        assert_eq!(guard_of(&present, "vol-1"), Some(op("op-1")));
        unguard(&mut present, "vol-1", "op-1");
        assert_eq!(present, host);
        unguard(&mut present, "vol-1", "op-1");
        assert_eq!(present, host);
    }

    #[test]
    fn where_the_host_has_all_that_is_asked_for_nothing_is_written() {
        let mut present = tags(&[("keep", "true")]);
        assert!(guard(&mut present, "vol-1", "op-1", &tags(&[("keep", "true")])).is_done());
        assert_eq!(guard_of(&present, "vol-1"), None);
    }

    #[test]
    fn a_guard_of_another_operation_is_taken_over_with_its_keys() {
        let mut present = tags(&[("Name", "data")]);
        guard(&mut present, "vol-1", "op-1", &tags(&[("a", "1"), ("b", "2")]));
        let change = guard(&mut present, "vol-1", "op-2", &tags(&[("b", "3"), ("c", "4")]));
        assert!(change.kept.is_empty(), "it was ours to change: {change:?}");
        unguard(&mut present, "vol-1", "op-1");
        assert_eq!((present["a"].as_str(), present["b"].as_str(), present["c"].as_str()), ("1", "3", "4"));
        unguard(&mut present, "vol-1", "op-2");
        assert_eq!(present, tags(&[("Name", "data")]));
    }

    #[test]
    fn marks_that_were_copied_from_another_resource_are_void_and_their_keys_stay() {
        let wanted = tags(&[("keep", "true")]);
        let mut source = Tags::new();
        guard(&mut source, "vol-1", "op-1", &wanted);
        let copied = source;
        assert_eq!(guard_of(&copied, "vol-2"), None);
        let mut by_guard = copied.clone();
        guard(&mut by_guard, "vol-2", "op-2", &tags(&[("keep", "true"), ("more", "1")]));
        unguard(&mut by_guard, "vol-2", "op-2");
        assert_eq!(by_guard, wanted);
        let mut by_unguard = copied;
        unguard(&mut by_unguard, "vol-2", "op-1");
        assert_eq!(by_unguard, wanted);
    }

    #[test]
    fn a_value_that_was_changed_meanwhile_is_somebody_elses() {
        let mut present = Tags::new();
        guard(&mut present, "vol-1", "op-1", &tags(&[("keep", "true")]));
        present.insert("keep".into(), "until-june".into());
        let seen = GuardChange::to_guard(&present, "vol-1", &op("op-1"), &tags(&[("keep", "true")]));
        assert_eq!(seen.kept, tags(&[("keep", "until-june")]));
        unguard(&mut present, "vol-1", "op-1");
        assert_eq!(present, tags(&[("keep", "until-june")]));
    }

    #[test]
    fn a_key_that_somebody_removed_is_written_again() {
        let mut present = Tags::new();
        guard(&mut present, "vol-1", "op-1", &tags(&[("a", "1"), ("b", "2")]));
        present.remove("a");
        guard(&mut present, "vol-1", "op-1", &tags(&[("a", "1"), ("b", "2")]));
        assert_eq!(present["a"], "1");
        unguard(&mut present, "vol-1", "op-1");
        assert!(present.is_empty(), "{present:?}");
    }
}
