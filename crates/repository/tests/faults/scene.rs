//! A small tree, and rooms in which children restore it or back it up.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use stillpoint_testkit::tree::TreeSpec;
use tempfile::TempDir;

use crate::child;

/// A source, a repository of it, and a room for each run.
pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    /// The tree of every test run.
    pub(crate) fn new() -> Self {
        Self::of(0)
    }

    /// Tree 0 is planted by hand, every other one is generated with its number for a seed.
    pub(crate) fn of(tree: u64) -> Self {
        let shared = Path::new("/dev/shm");
        let folder = match tempfile::tempdir_in(shared) {
            Ok(folder) => folder,
            Err(_) => tempfile::tempdir().unwrap(),
        };
        let scene = Self { folder };
        if tree == 0 {
            plant(&scene.source());
        } else {
            fs::create_dir(scene.source()).unwrap();
            TreeSpec::sized(tree, 12, 600_000).generate(&scene.source()).unwrap();
        }
        scene
    }

    /// Backs the source up into `repository`.
    pub(crate) fn back_up(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(child::back_up(&self.source(), &self.repository())).unwrap();
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// The folder that one run may change.
    pub(crate) fn room(&self, name: &str) -> PathBuf {
        let room = self.folder.path().join("rooms").join(name);
        fs::create_dir_all(&room).unwrap();
        room
    }

    /// A child that does `task` in a room.
    pub(crate) fn child(&self, task: &str, room: &str, landing: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::a_child_does_its_task", "--nocapture", "--test-threads=1"]);
        let room = self.room(room);
        let places = [self.folder.path(), &room].map(|path| path.to_str().unwrap());
        command.env(child::TASK, [&[task, landing], places.as_slice()].concat().join("\n"));
        command
    }
}

/// Files of every way a restore has of writing one, and everything else a directory holds.
fn plant(root: &Path) {
    fs::create_dir_all(root.join("a/deep")).unwrap();
    fs::create_dir(root.join("b")).unwrap();
    for number in 0..14_usize {
        fs::write(root.join(format!("a/{number}")), format!("small {number}\n").repeat(number * 40)).unwrap();
    }
    let noise = |seed: u64, length: usize| -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    };
    fs::write(root.join("b/large"), noise(1, 9 << 20)).unwrap();
    let mut sparse = noise(2, 64 << 10);
    sparse[8192..40_960].fill(0);
    sparse.extend([0; 64 << 10]);
    fs::write(root.join("b/sparse"), sparse).unwrap();
    fs::hard_link(root.join("b/sparse"), root.join("a/linked")).unwrap();
    symlink("../b/large", root.join("a/link")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    for (path, mode) in [("a/1", 0o400), ("a/2", 0o755), ("a/deep", 0o500), ("b", 0o711)] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    for path in ["a/3", "a/4", "b"] {
        let flags = rustix::fs::XattrFlags::empty();
        match rustix::fs::setxattr(root.join(path), "user.note", b"kept", flags) {
            // Not every file system in memory keeps such attributes.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => panic!("{error}"),
        }
    }
    if rustix::process::geteuid().is_root() {
        for path in ["a/5", "a/6", "a/deep"] {
            std::os::unix::fs::chown(root.join(path), Some(12_345), Some(12_346)).unwrap();
        }
    }
}
