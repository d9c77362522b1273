//! A target beside a tree that must never change.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder with a `target` to restore into and an `outside` that belongs to somebody else.
pub(super) struct Arena {
    folder: TempDir,
    before: BTreeMap<PathBuf, String>,
}

impl Arena {
    pub(super) fn new() -> Self {
        // In memory where possible: each restore flushes its whole file system.
        let shared = Path::new("/dev/shm");
        let folder = match tempfile::tempdir_in(shared) {
            Ok(folder) => folder,
            Err(_) => tempfile::tempdir().unwrap(),
        };
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("canary"), b"alive").unwrap();
        fs::set_permissions(outside.join("canary"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::create_dir(outside.join("nest")).unwrap();
        fs::write(outside.join("nest/egg"), b"whole").unwrap();
        symlink("canary", outside.join("perch")).unwrap();
        let mut arena = Self { folder, before: BTreeMap::new() };
        arena.before = arena.seen();
        arena
    }

    pub(super) fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    pub(super) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// Fails if anything outside the target is not as it was, or is new.
    pub(super) fn assert_unharmed(&self, case: &str) {
        assert_eq!(self.seen(), self.before, "{case}");
    }

    /// Everything around the target: kind, mode, owner, links, times and content.
    fn seen(&self) -> BTreeMap<PathBuf, String> {
        let mut seen = BTreeMap::new();
        let mut waiting = vec![self.folder.path().to_path_buf()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path == self.target() {
                    continue;
                }
                let stat = path.symlink_metadata().unwrap();
                let content = match stat.file_type() {
                    kind if kind.is_file() => fs::read(&path).unwrap(),
                    kind if kind.is_symlink() => {
                        fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
                    }
                    kind if kind.is_dir() => {
                        waiting.push(path.clone());
                        Vec::new()
                    }
                    _ => Vec::new(),
                };
                let times = (stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec());
                let look = format!(
                    "{:o} {}:{} {} {times:?} {content:?}",
                    stat.mode(),
                    stat.uid(),
                    stat.gid(),
                    stat.nlink()
                );
                seen.insert(path, look);
            }
        }
        seen
    }
}

/// Every entry below `root`, links not followed.
pub(super) fn entries(root: &Path) -> Vec<PathBuf> {
    let (mut entries, mut waiting) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                waiting.push(path.clone());
            }
            entries.push(path);
        }
    }
    entries
}
