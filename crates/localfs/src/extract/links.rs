//! Files with several names, and which of their names may be linked to which.

use std::collections::{BTreeMap, HashMap};

use super::FileId;

/// What tells names of one file from all others: the inode they were captured as, and what was read through them. A file
/// that changed between being read under two names is two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct LinkKey {
    device: u64,
    inode: u64,
    content: u64,
}

impl LinkKey {
    /// The key of an inode's content, of which a digest is given.
    pub fn new(device: u64, inode: u64, digest: &[u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *digest;
        Self { device, inode, content: u64::from_le_bytes([a, b, c, d, e, f, g, h]) }
    }
}

/// A file that stands with the right content and has further names, some of which may lie outside of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedFile {
    pub(super) id: FileId,
    pub(super) links: u64,
    pub(super) is_right: bool,
}

impl SharedFile {
    /// Whether it may stay as it is, because its attributes are right too or are not this restore's to set.
    pub const fn is_right(&self) -> bool {
        self.is_right
    }
}

/// The names of files that have several. `N` is what a caller keeps of a name; of each it is kept to the end.
///
/// A restore must never change an inode that has a name outside of its target, nor give it another one inside. So a file
/// that stands with several names is taken over only when all of them were met here.
///
/// ```
/// use stillpoint_localfs::{HardLinks, LinkKey};
///
/// let mut links = HardLinks::default();
/// let key = LinkKey::new(1, 7, &[0; 32]);
/// assert!(!links.is_carried(&key));
/// links.carry(key, "first");
/// links.add(key, "second");
/// assert_eq!(links.take_further(), [("second", key)]);
/// assert_eq!(links.carrier(&key), Some(&"first"));
/// ```
#[derive(Debug)]
pub struct HardLinks<N> {
    carriers: HashMap<LinkKey, N>,
    further: Vec<(N, LinkKey)>,
    waiting: BTreeMap<LinkKey, Waiting<N>>,
    foreign: Vec<(N, bool)>,
}

/// Names of one inode that stand, as long as it may have others outside.
#[derive(Debug)]
struct Waiting<N> {
    id: FileId,
    names: Vec<(N, bool)>,
}

impl<N> Default for HardLinks<N> {
    fn default() -> Self {
        Self { carriers: HashMap::new(), further: Vec::new(), waiting: BTreeMap::new(), foreign: Vec::new() }
    }
}

impl<N: Clone> HardLinks<N> {
    /// Whether the file has a name whose content is restored or stands.
    pub fn is_carried(&self, key: &LinkKey) -> bool {
        self.carriers.contains_key(key)
    }

    /// The name to which the others are linked.
    pub fn carrier(&self, key: &LinkKey) -> Option<&N> {
        self.carriers.get(key)
    }

    /// Makes `name` the one to which the others are linked, unless there is one.
    pub fn carry(&mut self, key: LinkKey, name: N) {
        self.carriers.entry(key).or_insert(name);
    }

    /// Notes a name that is to be linked.
    pub fn add(&mut self, key: LinkKey, name: N) {
        self.further.push((name, key));
    }

    /// Notes a name under which `file` stands. When it is the last of its names, all are here: the answer is the first of
    /// them, which carries the others from now on and may be adopted, and how many there are.
    pub fn stands(&mut self, key: LinkKey, name: N, file: SharedFile) -> Option<(N, u64)> {
        let begin = || Waiting { id: file.id, names: Vec::new() };
        let waiting = self.waiting.entry(key).or_insert_with(begin);
        if waiting.id != file.id {
            self.foreign.push((name, file.is_right));
            return None;
        }
        waiting.names.push((name, file.is_right));
        if (waiting.names.len() as u64) < file.links {
            return None;
        }
        let names = self.waiting.remove(&key)?.names;
        let (first, _) = names.first()?;
        self.carry(key, first.clone());
        Some((first.clone(), names.len() as u64))
    }

    /// The names that are to be linked, in the order in which they were noted.
    pub fn take_further(&mut self) -> Vec<(N, LinkKey)> {
        std::mem::take(&mut self.further)
    }

    /// The names of files that have others outside, and whether each is right as it stands.
    pub fn take_foreign(&mut self) -> Vec<(N, bool)> {
        let waiting = std::mem::take(&mut self.waiting).into_values().flat_map(|waiting| waiting.names);
        let mut foreign = std::mem::take(&mut self.foreign);
        foreign.extend(waiting);
        foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn file(inode: u64, links: u64) -> SharedFile {
        SharedFile { id: FileId { device: 1, inode }, links, is_right: true }
    }

    #[test]
    fn a_file_is_taken_over_when_its_last_name_was_met() {
        let (mut links, key) = (HardLinks::default(), LinkKey::new(1, 7, &[1; 32]));
        assert_eq!(links.stands(key, "a", file(50, 3)), None);
        assert_eq!(links.stands(key, "x", file(51, 2)), None, "a name of another inode");
        assert_eq!(links.stands(key, "b", file(50, 3)), None);
        assert!(!links.is_carried(&key));
        let all = links.stands(key, "c", file(50, 3));
        assert_eq!(all, Some(("a", 3)));
        assert_eq!(links.carrier(&key), Some(&"a"));
        assert_eq!(links.take_foreign(), [("x", true)]);
    }

    #[test]
    fn a_file_with_a_name_outside_is_never_taken_over() {
        let (mut links, key) = (HardLinks::default(), LinkKey::new(1, 7, &[1; 32]));
        assert_eq!(links.stands(key, "a", file(50, 3)), None);
        assert_eq!(links.stands(key, "b", file(50, 3)), None);
        assert!(!links.is_carried(&key) && !links.is_carried(&LinkKey::new(1, 7, &[2; 32])));
        assert_eq!(links.take_foreign(), [("a", true), ("b", true)]);
    }
}
