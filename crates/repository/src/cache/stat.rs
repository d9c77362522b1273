//! What the system said of an entry, as far as a node or the next comparison depends on it.

use std::time::Duration;

use stillpoint_localfs::{FileKind, Metadata};

use super::codec::{self, Reader};
use crate::time::Timestamp;

/// How far time stamps of file systems may lie behind the clock: a tick of the coarsest kernel, many times over.
const TICK: Duration = Duration::from_millis(100);
/// The same where stamps have no fraction of a second: FAT counts in steps of two.
const COARSE_TICK: Duration = Duration::from_secs(3);
/// A time of change further ahead than this was set by somebody and does not mean a change just now.
const FUTURE: Duration = Duration::from_secs(24 * 3600);

const TRUSTED: u8 = 1 << 3;
const ON_ROOT_DEVICE: u8 = 1 << 4;
const HAS_CREATION: u8 = 1 << 5;

const KINDS: [FileKind; 7] = [
    FileKind::File,
    FileKind::Directory,
    FileKind::Symlink,
    FileKind::Fifo,
    FileKind::Socket,
    FileKind::CharDevice,
    FileKind::BlockDevice,
];

/// An entry's metadata without its access time; of a directory also without length and number of links, which say
/// nothing of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: FileKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) inode: u64,
    pub(crate) device: u64,
    pub(crate) links: u64,
    pub(crate) special_device: u64,
    pub(crate) modified: Timestamp,
    pub(crate) changed: Timestamp,
    /// Where the file system records it: an inode number that is used again gets another one.
    pub(crate) created: Option<Timestamp>,
}

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Self {
        let stamp = |time: stillpoint_localfs::Timestamp| Timestamp::new(time.seconds, time.nanoseconds);
        let directory = metadata.kind == FileKind::Directory;
        Self {
            kind: metadata.kind,
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            size: if directory { 0 } else { metadata.size },
            inode: metadata.inode,
            device: metadata.device,
            links: if directory { 0 } else { metadata.links },
            special_device: metadata.special_device,
            modified: stamp(metadata.modified),
            changed: stamp(metadata.changed),
            created: metadata.created.map(stamp),
        }
    }
}

impl From<&Self> for Stat {
    fn from(stat: &Self) -> Self {
        *stat
    }
}

impl Stat {
    /// Whether a change after `time` would surely show in these stamps.
    ///
    /// A file may change twice within one tick of its file system's clock: once before it is read and once after. Its
    /// stamps are then those that were seen, and its content is not.
    pub(crate) fn settled_before(&self, time: Timestamp) -> bool {
        let recent = |stamp: Timestamp| {
            let tick = if stamp.nanoseconds == 0 { COARSE_TICK } else { TICK };
            time.since(stamp) <= tick
        };
        let ahead = self.modified > time && self.modified.since(time) > FUTURE;
        !recent(self.changed) && (ahead || !recent(self.modified))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, trusted: bool, root_device: u64) {
        let kind = KINDS.iter().position(|kind| *kind == self.kind).unwrap_or_default();
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let on_root = self.device == root_device;
        out.push(
            u8::try_from(kind).unwrap_or_default()
                | flag(trusted, TRUSTED)
                | flag(on_root, ON_ROOT_DEVICE)
                | flag(self.created.is_some(), HAS_CREATION),
        );
        if !on_root {
            codec::number(out, self.device);
        }
        for value in [u64::from(self.mode), self.uid.into(), self.gid.into()] {
            codec::number(out, value);
        }
        for value in [self.size, self.inode, self.links, self.special_device] {
            codec::number(out, value);
        }
        for time in [Some(self.modified), Some(self.changed), self.created].into_iter().flatten() {
            codec::signed(out, time.seconds);
            codec::number(out, time.nanoseconds.into());
        }
    }

    /// Reads what was written, and whether it is trusted. Devices that were the root's are the root's device of now.
    pub(super) fn read(reader: &mut Reader<'_>, root_device: u64) -> Option<(Self, bool)> {
        let flags = reader.byte()?;
        let kind = *KINDS.get(usize::from(flags & 7))?;
        let device = if flags & ON_ROOT_DEVICE == 0 { reader.number()? } else { root_device };
        let (mode, uid, gid) = (reader.small()?, reader.small()?, reader.small()?);
        let (size, inode) = (reader.number()?, reader.number()?);
        let (links, special_device) = (reader.number()?, reader.number()?);
        let mut time = || Some(Timestamp::new(reader.signed()?, reader.small()?));
        let (modified, changed) = (time()?, time()?);
        let created = if flags & HAS_CREATION == 0 { None } else { Some(time()?) };
        let stat = Self {
            kind,
            mode,
            uid,
            gid,
            size,
            inode,
            device,
            links,
            special_device,
            modified,
            changed,
            created,
        };
        Some((stat, flags & TRUSTED != 0))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn stats() -> impl Strategy<Value = Stat> {
        let time = (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Timestamp::new(s, n));
        let times = (time.clone(), time.clone(), proptest::option::of(time));
        let numbers = (any::<u64>(), any::<u64>(), 0..3_u64, any::<u64>(), any::<u64>());
        (0..KINDS.len(), any::<(u32, u32)>(), 0..0o10_000_u32, numbers, times).prop_map(
            |(kind, (uid, gid), mode, (size, inode, device, links, special_device), times)| {
                let (modified, changed, created) = times;
                let kind = KINDS[kind];
                Stat {
                    kind,
                    mode,
                    uid,
                    gid,
                    size,
                    inode,
                    device,
                    links,
                    special_device,
                    modified,
                    changed,
                    created,
                }
            },
        )
    }

    fn stamped(modified: Timestamp, changed: Timestamp) -> Stat {
        Stat {
            kind: FileKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            inode: 1,
            device: 1,
            links: 1,
            special_device: 0,
            modified,
            changed,
            created: None,
        }
    }

    #[test]
    fn a_change_shortly_before_the_walk_is_not_settled() {
        let start = Timestamp::new(1000, 500_000_000);
        let at = |milliseconds: i64| {
            let total = 1000 * 1000 + 500 + milliseconds;
            Timestamp::new(total.div_euclid(1000), u32::try_from(total.rem_euclid(1000)).unwrap() * 1_000_000)
        };
        let old = at(-100_250);
        assert!(stamped(old, old).settled_before(start));
        assert!(stamped(old, at(-150)).settled_before(start));
        for changed in [-50, 0, 50, 100_000_000] {
            assert!(!stamped(old, at(changed)).settled_before(start), "{changed}");
        }
        assert!(!stamped(at(-50), old).settled_before(start), "the file system may keep no time of change");
        assert!(stamped(at(100_000_000_250), old).settled_before(start), "a time that somebody set");
        let coarse = Timestamp::new(998, 0);
        assert!(!stamped(old, coarse).settled_before(start), "a clock that counts in seconds");
    }

    proptest! {
        #[test]
        fn metadata_is_read_as_it_was_written(stat in stats(), trusted in any::<bool>(), root in 0..3_u64) {
            let mut out = Vec::new();
            stat.write(&mut out, trusted, root);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(Stat::read(&mut reader, root), Some((stat, trusted)));
            prop_assert_eq!(reader.remaining(), 0);
        }
    }
}
