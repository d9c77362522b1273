//! Names of users and groups, looked up once per id.

use std::collections::HashMap;
use std::ffi::OsString;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// How many ids of each sort are remembered before the cache starts anew.
const CACHED_IDS_MAX: usize = 16 * 1024;

/// A bounded cache over the system's user and group databases.
#[derive(Debug, Default)]
pub struct OwnerNames {
    users: Mutex<HashMap<u32, Option<OsString>>>,
    groups: Mutex<HashMap<u32, Option<OsString>>>,
}

impl OwnerNames {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of user `uid`, if the system knows one.
    pub fn user(&self, uid: u32) -> Option<OsString> {
        remembered(&self.users, uid, || uzers::get_user_by_uid(uid).map(|user| user.name().to_owned()))
    }

    /// The name of group `gid`, if the system knows one.
    pub fn group(&self, gid: u32) -> Option<OsString> {
        remembered(&self.groups, gid, || uzers::get_group_by_gid(gid).map(|group| group.name().to_owned()))
    }
}

fn remembered<K: Hash + Eq, V: Clone>(
    cache: &Mutex<HashMap<K, V>>,
    key: K,
    look_up: impl FnOnce() -> V,
) -> V {
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = cache.get(&key) {
        return known.clone();
    }
    if cache.len() >= CACHED_IDS_MAX {
        cache.clear();
    }
    let found = look_up();
    cache.insert(key, found.clone());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_an_unused_id_has_none() {
        let names = OwnerNames::new();
        assert_eq!(names.user(0), Some("root".into()));
        assert_eq!(names.user(0), Some("root".into()));
        assert_eq!(names.group(4_000_000_001), None);
    }
}
