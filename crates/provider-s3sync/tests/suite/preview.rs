//! The preview of a restore against the restore: what was foretold of every entry is what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, lgetxattr, setxattr};
use stillpoint_core::{BackupRecord, Landing, Request, RestoreRequest};
use stillpoint_provider_s3sync::{Fate, Preview};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::tree::TreeSpec;

use crate::support::{Host, Scene, end_of_restore, restore_request};

/// One entry as it can be told from outside.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    inode: (u64, u64),
    kind: u32,
    mode: u32,
    owner: (u32, u32),
    time: (i64, i64),
    content: Vec<u8>,
    comment: Option<Vec<u8>>,
}

impl Seen {
    fn at(path: &Path) -> Self {
        let found = fs::symlink_metadata(path).unwrap();
        let content = match found.file_type() {
            kind if kind.is_file() => fs::read(path).unwrap(),
            kind if kind.is_symlink() => fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let mut value = [0; 64];
        let comment =
            lgetxattr(path, c"user.comment", &mut value).ok().map(|length| value[..length].to_vec());
        Self {
            inode: (found.dev(), found.ino()),
            kind: found.mode() & 0o170_000,
            mode: found.mode() & 0o7777,
            owner: (found.uid(), found.gid()),
            time: (found.mtime(), found.mtime_nsec()),
            content,
            comment,
        }
    }

    /// Whether it is the same but for the inode, and for the time of a directory where that is left out.
    fn is_like(&self, other: &Self, times_of_directories: bool) -> bool {
        let mut other = Self { inode: self.inode, ..other.clone() };
        if self.kind == 0o040_000 && !times_of_directories {
            other.time = self.time;
        }
        *self == other
    }
}

/// Everything in a directory, itself included.
fn photo(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let full = root.join(&path);
        if fs::symlink_metadata(&full).is_err() {
            continue;
        }
        if fs::symlink_metadata(&full).unwrap().is_dir() {
            waiting.extend(fs::read_dir(&full).unwrap().map(|entry| path.join(entry.unwrap().file_name())));
        }
        seen.insert(path, Seen::at(&full));
    }
    seen
}

/// What became of every entry, by comparing photos; what only the target has is told once.
fn became(
    source: &BTreeMap<PathBuf, Seen>,
    before: &BTreeMap<PathBuf, Seen>,
    after: &BTreeMap<PathBuf, Seen>,
    landing: Landing,
) -> BTreeMap<PathBuf, Fate> {
    let replaces = landing == Landing::Replace;
    let mut fates = BTreeMap::new();
    for (path, wanted) in source {
        let fate = match (before.get(path), after.get(path)) {
            (None, Some(_)) => Fate::Created,
            // Below something that is in the way.
            (_, None) => continue,
            (Some(old), Some(new)) if old.inode != new.inode => Fate::Replaced,
            (Some(old), Some(new)) if !old.is_like(new, replaces) => Fate::Attributes,
            (Some(old), Some(_)) if old.is_like(wanted, true) => Fate::Unchanged,
            (Some(_), Some(_)) if replaces => Fate::Conflict,
            (Some(_), Some(_)) => Fate::Kept,
        };
        fates.insert(path.clone(), fate);
    }
    for path in before.keys().filter(|path| !source.contains_key(*path)) {
        assert!(after[path].is_like(&before[path], false), "{path:?} is nobody's to change");
        let parent = path.parent().unwrap();
        if source.get(parent).is_some_and(|found| found.kind == 0o040_000) {
            fates.insert(path.clone(), Fate::Foreign);
        }
    }
    fates
}

fn foretold(preview: &Preview) -> BTreeMap<PathBuf, Fate> {
    assert_eq!(preview.items.omitted(), 0);
    let items = preview.items.items().iter();
    let told: BTreeMap<_, _> = items.map(|item| (item.path.clone(), item.fate)).collect();
    assert_eq!(told.len() as u64, preview.items.total(), "every entry is told of once");
    for fate in Fate::ALL.into_iter().filter(|fate| *fate != Fate::Unchanged) {
        assert_eq!(told.values().filter(|found| **found == fate).count() as u64, preview.count(fate));
    }
    told
}

fn write(path: PathBuf, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn raw() -> &'static OsStr {
    OsStr::from_bytes(b"not \xff UTF-8")
}

/// A seeded tree, and one entry for each thing that can happen to one.
fn fill(root: &Path, seed: u64) {
    TreeSpec::small(seed).generate(&root.join("seeded")).unwrap();
    for name in ["edited", "unseen", "touched", "chmod", "noted", "gone", "to-folder", "to-link", "whole"] {
        write(root.join("plain").join(name), &format!("the backup's {name}"));
    }
    write(root.join("to-file/inner"), "inner");
    write(root.join("shut/changed"), "in a directory that may not be written");
    write(root.join("shut/gone"), "gone from it");
    write(root.join("plain").join(raw()), "a name");
    symlink("here", root.join("plain/link")).unwrap();
    symlink("file", root.join("plain/link-to-file")).unwrap();
    symlink("stays", root.join("plain/link-stays")).unwrap();
    for group in ["pair", "broken", "half", "outside"] {
        write(root.join("names").join(group), &format!("{group} has two names"));
        fs::hard_link(root.join("names").join(group), root.join("names").join(format!("{group}-2"))).unwrap();
    }
    setxattr(root.join("plain/noted"), c"user.comment", b"mine", XattrFlags::empty()).unwrap();
    mode(&root.join("shut"), 0o555);
}

/// Makes everything happen.
fn meddle(root: &Path, beside: &Path) {
    let at = |name: &str| root.join(name);
    fs::write(at("plain/edited"), "edited, and longer than before").unwrap();
    let time = fs::metadata(at("plain/unseen")).unwrap().modified().unwrap();
    fs::write(at("plain/unseen"), "THE BACKUP'S UNSEEN").unwrap();
    fs::File::options().write(true).open(at("plain/unseen")).unwrap().set_modified(time).unwrap();
    let later = time + std::time::Duration::from_secs(3600);
    fs::File::options().write(true).open(at("plain/touched")).unwrap().set_modified(later).unwrap();
    mode(&at("plain/chmod"), 0o600);
    setxattr(at("plain/noted"), c"user.comment", b"yours", XattrFlags::empty()).unwrap();
    for gone in ["plain/gone", "plain/to-folder", "plain/to-link", "plain/link", "plain/link-to-file"] {
        fs::remove_file(at(gone)).unwrap();
    }
    write(at("plain/to-folder/inside"), "a folder now");
    symlink("/nowhere", at("plain/to-link")).unwrap();
    symlink("there", at("plain/link")).unwrap();
    fs::write(at("plain/link-to-file"), "a file now").unwrap();
    fs::remove_dir_all(at("to-file")).unwrap();
    fs::write(at("to-file"), "a file now").unwrap();
    mode(&at("shut"), 0o755);
    fs::write(at("shut/changed"), "changed").unwrap();
    fs::remove_file(at("shut/gone")).unwrap();
    mode(&at("shut"), 0o555);
    fs::remove_file(at("names/broken-2")).unwrap();
    fs::write(at("names/broken-2"), "a file of its own").unwrap();
    fs::remove_file(at("names/half-2")).unwrap();
    fs::hard_link(at("names/outside"), beside).unwrap();
    write(at("foreign/deep/file"), "nobody's");
    write(at("plain").join("foreign \u{fffd}"), "nobody's");
    write(root.join("seeded").join(OsStr::from_bytes(b"foreign \xfe")), "nobody's");
    symlink("nowhere", at("foreign-link")).unwrap();
}

struct Story {
    scene: Scene,
    host: Host,
    root: PathBuf,
    backup: BackupRecord,
}

impl Story {
    async fn begin(scene: Scene, seed: u64) -> Self {
        let root = scene.path("source");
        fs::create_dir(&root).unwrap();
        fill(&root, seed);
        scene.create().await;
        let host = Host::new(&scene, &root);
        let backup = host.back_up("backup").await.backup.unwrap();
        Self { scene, host, root, backup }
    }

    fn request(&self, name: &str, target: &Path, landing: Landing) -> RestoreRequest {
        let mut request = restore_request(name, &self.backup.id, target);
        request.landing = landing;
        request
    }

    async fn preview(&self, request: &RestoreRequest) -> (PathBuf, Preview) {
        let found = self.host.provider.preview_restore(request, &self.backup).await.unwrap();
        let [only] = <[_; 1]>::try_from(found).unwrap();
        (only.target, only.preview)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_preview_says_is_what_the_restore_then_does() {
    let scenes = [1, 2]
        .into_iter()
        .flat_map(|seed| [Scene::local(), Scene::local().mirrored()].map(|scene| (scene, seed)));
    for (scene, seed) in scenes {
        let story = Story::begin(scene, seed).await;
        for landing in [Landing::Merge, Landing::Replace] {
            let target = story.scene.path("target");
            let first = story.request(&format!("first-{landing:?}"), &target, Landing::Empty);
            story.host.run(Request::Restore(first)).await;
            meddle(&target, &story.scene.path("beside"));
            let before = photo(&target);
            let request = story.request(&format!("again-{landing:?}"), &target, landing);
            let (place, preview) = story.preview(&request).await;
            assert_eq!(place, target);
            assert_eq!(photo(&target), before, "a preview changes nothing");
            let again = story.host.run(Request::Restore(request)).await;
            let mut told = foretold(&preview);
            // Mirrored timestamps tell of each entry below one that is in the way.
            told.retain(|path, _| path.parent() != Some(Path::new("to-file")));
            let mut became = became(&photo(&story.root), &before, &photo(&target), landing);
            let unchanged = became.values().filter(|fate| **fate == Fate::Unchanged).count() as u64;
            became.retain(|_, fate| *fate != Fate::Unchanged);
            assert_eq!(told, became, "{landing:?}");
            assert_eq!(preview.count(Fate::Unchanged), unchanged, "{landing:?}");
            assert_eq!(preview.bytes, end_of_restore(&again).counts["bytes_written"], "{landing:?}");
            let fates: BTreeSet<_> = became.values().copied().collect();
            let mut due = BTreeSet::from([Fate::Created, Fate::Foreign]);
            due.extend(match landing {
                Landing::Merge => [Fate::Kept].as_slice(),
                _ => &[Fate::Replaced, Fate::Attributes, Fate::Conflict],
            });
            assert_eq!(fates, due, "{landing:?}: every case is met");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_beside_what_stands_names_the_folder_and_makes_nothing() {
    for scene in [Scene::local(), Scene::local().mirrored()] {
        let story = Story::begin(scene, 3).await;
        let target = story.scene.path("target");
        let missing = story.request("empty", &target, Landing::Empty);
        let (place, preview) = story.preview(&missing).await;
        assert_eq!(place, target);
        assert!(!target.exists(), "a preview makes no target");
        let entries = photo(&story.root).len() as u64;
        assert_eq!(preview.count(Fate::Created), entries);
        write(target.join("work"), "of today");
        let before = photo(&target);
        let side = story.request("side", &target, Landing::Side);
        let (place, preview) = story.preview(&side).await;
        assert!(place.starts_with(target.join("restored-files")), "{place:?}");
        assert_eq!((preview.count(Fate::Created), preview.count(Fate::Foreign)), (entries, 0));
        assert_eq!(photo(&target), before);
        let refused = story.host.provider.preview_restore(&missing, &story.backup).await.unwrap_err();
        assert!(refused.to_string().contains("not empty"), "{refused}");
        story.host.run(Request::Restore(side)).await;
        assert_same(&story.root, &place);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_chosen_paths_tells_of_nothing_beside_them() {
    for scene in [Scene::local(), Scene::local().mirrored()] {
        let story = Story::begin(scene, 4).await;
        let target = story.scene.path("target");
        write(target.join("plain/edited"), "edited");
        write(target.join("plain/foreign"), "nobody's");
        write(target.join("names/foreign"), "nobody's");
        let mut request = story.request("chosen", &target, Landing::Merge);
        request.include = vec!["plain/edited".to_owned(), "names".to_owned()];
        let (_, preview) = story.preview(&request).await;
        let told = foretold(&preview);
        assert_eq!(told[Path::new("plain/edited")], Fate::Kept);
        assert_eq!(told[Path::new("names/foreign")], Fate::Foreign);
        assert_eq!(told[Path::new("names/pair")], Fate::Created);
        assert!(!told.contains_key(Path::new("plain/foreign")), "{told:?}");
        assert!(!told.contains_key(Path::new("plain/whole")), "{told:?}");
    }
}
