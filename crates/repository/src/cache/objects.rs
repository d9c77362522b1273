//! Copies of small objects, sealed as they lie in the store: configuration, keys, snapshots.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::codec::{self, Reader};
use super::folder::StoreCache;

const FILE: &str = "objects";
const MAGIC: &[u8; 8] = b"stlpobj1";
/// Longest file that is read or written.
const BYTES_MAX: u64 = 64 << 20;

/// The small objects of one store that this machine has seen. Cheap to clone; clones share one table.
///
/// An object here says nothing about whether the store still has it.
#[derive(Clone, Debug)]
pub(crate) struct ObjectCache {
    cache: StoreCache,
    state: Arc<Mutex<Option<State>>>,
}

#[derive(Debug, Default)]
struct State {
    objects: HashMap<String, Bytes>,
    altered: bool,
}

impl ObjectCache {
    pub(crate) fn new(cache: StoreCache) -> Self {
        Self { cache, state: Arc::default() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Bytes> {
        self.with(|state| state.objects.get(key).cloned())
    }

    pub(crate) fn put(&self, key: &str, data: &Bytes) {
        self.with(|state| {
            if state.objects.get(key) != Some(data) {
                state.objects.insert(key.to_owned(), data.clone());
                state.altered = true;
            }
        });
    }

    /// Forgets every object for which `keep` says no.
    pub(crate) fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.with(|state| {
            let before = state.objects.len();
            state.objects.retain(|key, _| keep(key));
            state.altered |= state.objects.len() != before;
        });
    }

    /// Writes what has changed.
    pub(crate) fn save(&self) {
        let encoded = self.with(|state| std::mem::take(&mut state.altered).then(|| encode(&state.objects)));
        match encoded {
            Some(data) if data.len() as u64 <= BYTES_MAX => self.cache.write(FILE, &data),
            Some(_) => self.cache.remove(FILE),
            None => {}
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state: MutexGuard<'_, _> = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        act(state.get_or_insert_with(|| {
            let stored = self.cache.read(FILE, BYTES_MAX);
            let objects = stored.and_then(|data| {
                let decoded = decode(&data);
                if decoded.is_none() {
                    tracing::debug!("the cached objects are damaged or of another version");
                }
                decoded
            });
            State { objects: objects.unwrap_or_default(), altered: false }
        }))
    }
}

pub(super) fn encode(objects: &HashMap<String, Bytes>) -> Vec<u8> {
    let mut sorted: Vec<_> = objects.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    let mut out = MAGIC.to_vec();
    for (key, data) in sorted {
        codec::bytes(&mut out, key.as_bytes());
        codec::bytes(&mut out, data);
    }
    codec::seal(&mut out, 0);
    out
}

pub(super) fn decode(data: &[u8]) -> Option<HashMap<String, Bytes>> {
    let mut reader = Reader::new(codec::unseal(data)?.strip_prefix(MAGIC)?);
    let mut objects = HashMap::new();
    while reader.remaining() > 0 {
        let key = std::str::from_utf8(reader.bytes()?).ok()?;
        objects.insert(key.to_owned(), Bytes::copy_from_slice(reader.bytes()?));
    }
    Some(objects)
}

#[cfg(test)]
mod tests {
    use super::super::CacheFolder;
    use super::*;

    #[test]
    fn objects_outlive_the_process_and_damage_only_empties_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheFolder::new(dir.path()).of_store("s");
        let objects = ObjectCache::new(cache.clone());
        objects.put("snapshots/a", &Bytes::from_static(b"1"));
        objects.put("snapshots/b", &Bytes::from_static(b"2"));
        objects.retain(|key| key != "snapshots/b");
        objects.save();
        let again = ObjectCache::new(cache.clone());
        assert_eq!(again.get("snapshots/a").as_deref(), Some(&b"1"[..]));
        assert_eq!(again.get("snapshots/b"), None);
        let mut file = std::fs::read(cache.path_of(FILE)).unwrap();
        file[20] ^= 1;
        std::fs::write(cache.path_of(FILE), &file).unwrap();
        assert_eq!(ObjectCache::new(cache).get("snapshots/a"), None);
    }
}
