//! What stands in the target when a restore comes, in both layouts: what is kept, what is taken over, what is replaced.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{BackupRecord, Landing, OperationState, OperationStatus, Request};
use stillpoint_provider_s3sync::{CaptureRules, DirectoryWorkspace};
use stillpoint_repository::Id;
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::s3::{Fault, FaultRule};

use crate::support::{Host, Scene, layouts, restore_request, write};

/// A backup in one of the layouts, and a target to be.
struct Story {
    scene: Scene,
    host: Host,
    root: PathBuf,
    target: PathBuf,
}

impl Story {
    fn told_in(scene: Scene, fill: impl Fn(&Path)) -> Self {
        let (root, target) = (scene.path("source"), scene.path("target"));
        fs::create_dir(&root).unwrap();
        fill(&root);
        let host = Host::new(&scene, &root);
        Self { scene, host, root, target }
    }

    async fn backup(&self) -> BackupRecord {
        let status = self.host.back_up("backup").await;
        assert_eq!(status.operation.state, OperationState::Completed, "{status:?}");
        status.backup.unwrap()
    }

    async fn restore(&self, name: &str, backup: &BackupRecord, landing: Landing) -> OperationStatus {
        let mut request = restore_request(name, &backup.id, &self.target);
        request.landing = landing;
        self.host.run(Request::Restore(request)).await
    }

    /// Leaves the target as a restore does that was killed before its last step.
    fn interrupt(&self, backup: &BackupRecord) {
        let snapshot = backup.components[0].snapshot.as_ref().unwrap();
        let id = &Id::of(snapshot.id.as_str().as_bytes()).to_hex()[..32];
        fs::create_dir(self.target.join(format!(".stillpoint-restore-{id}"))).unwrap();
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn inode(path: impl AsRef<Path>) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// Writes over a file without its time telling so.
fn write_unseen(path: &Path, content: &[u8]) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, content).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// The kinds and items of what a restore remarked on.
fn issues(status: &OperationStatus) -> Vec<(&str, &str)> {
    let mut issues: Vec<_> =
        status.operation.issues.iter().map(|issue| (issue.kind.as_str(), issue.item.as_str())).collect();
    issues.sort_unstable();
    issues
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_goes_on_overwrites_nothing_that_was_written_since() {
    for scene in layouts() {
        let story = Story::told_in(scene, |root| {
            for name in ["edited", "patched", "removed", "touched", "whole", "folder/moved"] {
                write(root.join(name), &format!("the backup's {name}"));
            }
            symlink("the backup's", root.join("link")).unwrap();
        });
        let backup = story.backup().await;
        story.restore("first", &backup, Landing::Empty).await;
        assert_same(&story.root, &story.target);
        story.interrupt(&backup);
        let at = |name: &str| story.target.join(name);
        fs::write(at("edited"), "work of today").unwrap();
        write_unseen(&at("patched"), b"THE BACKUP'S PATCHED");
        fs::remove_file(at("removed")).unwrap();
        let now = fs::metadata(at("edited")).unwrap().modified().unwrap();
        fs::File::options().write(true).open(at("touched")).unwrap().set_modified(now).unwrap();
        fs::remove_file(at("link")).unwrap();
        symlink("work of today", at("link")).unwrap();
        fs::remove_dir_all(at("folder")).unwrap();
        fs::write(at("folder"), "a file now").unwrap();

        let again = story.restore("again", &backup, Landing::Empty).await;
        assert_eq!(again.operation.state, OperationState::Partial, "{again:?}");
        let found = issues(&again);
        for name in ["edited", "link", "patched", "folder"] {
            assert!(found.contains(&("conflict", name)), "{name}: {found:?}");
        }
        assert_eq!((text(at("edited")), text(at("folder"))), ("work of today".into(), "a file now".into()));
        assert_eq!(text(at("patched")), "THE BACKUP'S PATCHED");
        assert_eq!(fs::read_link(at("link")).unwrap(), Path::new("work of today"));
        for name in ["removed", "touched", "whole"] {
            assert_eq!(text(at(name)), format!("the backup's {name}"));
            let time = |root: &Path| fs::metadata(root.join(name)).unwrap().modified().unwrap();
            assert_eq!(time(&story.target), time(&story.root), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_power_failure_left_of_a_restored_file_is_written_again() {
    for scene in layouts() {
        let story = Story::told_in(scene, |root| {
            for name in ["empty", "short", "zeros"] {
                write(root.join(name), &name.repeat(8_000));
            }
        });
        let backup = story.backup().await;
        story.restore("first", &backup, Landing::Empty).await;
        story.interrupt(&backup);
        let whole = fs::read(story.target.join("zeros")).unwrap();
        let mut zeros = whole.clone();
        zeros[4096..16384].fill(0);
        write_unseen(&story.target.join("empty"), b"");
        write_unseen(&story.target.join("short"), &fs::read(story.target.join("short")).unwrap()[..8192]);
        write_unseen(&story.target.join("zeros"), &zeros);
        let again = story.restore("again", &backup, Landing::Empty).await;
        assert_eq!(again.operation.state, OperationState::Completed, "{again:?}");
        assert_same(&story.root, &story.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_names_that_an_interrupted_restore_made_are_taken_over_and_foreign_ones_not_reached() {
    for scene in layouts() {
        let story = Story::told_in(scene, |root| {
            write(root.join("p"), "three names");
            for name in ["q", "r"] {
                fs::hard_link(root.join("p"), root.join(name)).unwrap();
            }
            write(root.join("single"), "one name");
        });
        let backup = story.backup().await;
        story.restore("first", &backup, Landing::Empty).await;
        story.interrupt(&backup);
        let outside = story.scene.path("outside");
        fs::remove_file(story.target.join("r")).unwrap();
        fs::hard_link(story.target.join("single"), &outside).unwrap();
        set_mode(&outside, 0o600);
        set_mode(&story.target.join("p"), 0o600);
        let made = inode(story.target.join("p"));

        let again = story.restore("again", &backup, Landing::Empty).await;
        assert_eq!(issues(&again), [("conflict", "single")], "{again:?}");
        assert_eq!((mode(&outside), text(&outside).as_str()), (0o600, "one name"));
        for name in ["p", "q", "r"] {
            assert_eq!(inode(story.target.join(name)), made, "{name}");
        }
        assert_eq!(mode(story.target.join("p")), mode(story.root.join("p")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacing_restore_reaches_no_inode_that_has_a_name_outside() {
    for scene in layouts() {
        let story = Story::told_in(scene, |root| {
            write(root.join("p"), "data");
            fs::hard_link(root.join("p"), root.join("q")).unwrap();
            set_mode(&root.join("p"), 0o600);
        });
        let backup = story.backup().await;
        story.restore("first", &backup, Landing::Empty).await;
        for name in ["p", "q"] {
            fs::remove_file(story.target.join(name)).unwrap();
        }
        let outside = story.scene.path("outside");
        write(outside.clone(), "data");
        let time = fs::metadata(story.root.join("p")).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&outside).unwrap().set_modified(time).unwrap();
        set_mode(&outside, 0o644);
        fs::hard_link(&outside, story.target.join("p")).unwrap();

        for (name, landing) in [("merged", Landing::Merge), ("replaced", Landing::Replace)] {
            let status = story.restore(name, &backup, landing).await;
            assert_eq!(status.operation.state, OperationState::Completed, "{status:?}");
            assert_eq!(mode(&outside), 0o644, "{landing:?}");
            assert_ne!(inode(&outside), inode(story.target.join("q")), "{landing:?}");
            let links = if landing == Landing::Merge { 2 } else { 1 };
            assert_eq!(fs::metadata(&outside).unwrap().nlink(), links, "{landing:?}");
        }
        assert_same(&story.root, &story.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_adds_the_names_that_are_free_and_keeps_the_modes_of_what_stands() {
    for scene in layouts() {
        let story = Story::told_in(scene, |root| {
            write(root.join("a"), "linked");
            for name in ["b", "c"] {
                fs::hard_link(root.join("a"), root.join(name)).unwrap();
            }
            write(root.join("closed/new"), "new");
        });
        let backup = story.backup().await;
        write(story.target.join("a"), "mine");
        fs::create_dir(story.target.join("closed")).unwrap();
        set_mode(&story.target.join("closed"), 0o555);
        let merged = story.restore("merge", &backup, Landing::Merge).await;
        assert_eq!(merged.operation.state, OperationState::Completed, "{merged:?}");
        let at = |name: &str| story.target.join(name);
        assert_eq!(
            (text(at("a")), text(at("b")), text(at("closed/new"))),
            ("mine".into(), "linked".into(), "new".into())
        );
        assert_eq!(inode(at("b")), inode(at("c")));
        assert_eq!(mode(at("closed")), 0o555);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_takes_away_attributes_that_the_backup_does_not_know() {
    for scene in layouts() {
        let story = Story::told_in(scene, |root| {
            write(root.join("folder/file"), "content");
            setxattr(root.join("folder/file"), "user.known", b"1", XattrFlags::empty()).unwrap();
        });
        let backup = story.backup().await;
        story.restore("first", &backup, Landing::Empty).await;
        for path in ["folder", "folder/file"] {
            setxattr(story.target.join(path), "user.evil", b"1", XattrFlags::empty()).unwrap();
        }
        let replaced = story.restore("replace", &backup, Landing::Replace).await;
        assert_eq!(replaced.operation.state, OperationState::Completed, "{replaced:?}");
        let has = |path: &str, name: &str| getxattr(story.target.join(path), name, &mut [0; 8][..]).is_ok();
        assert!(!has("folder", "user.evil") && !has("folder/file", "user.evil"));
        assert!(has("folder/file", "user.known"));
        assert_same(&story.root, &story.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_merge_leaves_private_directories_private() {
    for scene in [Scene::remote(), Scene::remote().mirrored()] {
        let story = Story::told_in(scene, |root| {
            write(root.join("private/key"), "a key");
            write(root.join("made/inner/file"), "a file");
            // Too much for the pack of the listings.
            let file = fs::File::create(root.join("zz-last")).unwrap();
            let noise: Vec<u8> =
                (0..40_000_u32).flat_map(|n| Id::of(&n.to_le_bytes()).as_bytes().to_vec()).collect();
            file.write_all_at(&noise, 0).unwrap();
            set_mode(&root.join("made"), 0o750);
        });
        let backup = story.backup().await;
        fs::create_dir_all(story.target.join("private")).unwrap();
        set_mode(&story.target.join("private"), 0o700);
        let content = FaultRule::new(Fault::AccessDenied).method("GET");
        let denied = [content.clone().key("/zz-last"), content.key("/data/").after(1)];
        denied.into_iter().for_each(|rule| story.scene.server().inject(rule));
        let host = Host::with(story.host.catalog.clone(), story.scene.provider(), story.host.workspace());
        let story = Story { host, ..story };
        let failed = story.restore("failed", &backup, Landing::Merge).await;
        assert_eq!(failed.operation.state, OperationState::Failed, "{failed:?}");
        assert_eq!(mode(story.target.join("made")), 0o700, "it was made and not finished");
        story.scene.server().heal();

        let merged = story.restore("merged", &backup, Landing::Merge).await;
        assert_eq!(merged.operation.state, OperationState::Completed, "{merged:?}");
        assert_eq!(mode(story.target.join("private")), 0o700);
        assert_eq!(mode(story.target.join("made")), 0o750, "what the restore made is finished");
        let time = |root: &Path| fs::metadata(root.join("made/inner")).unwrap().modified().unwrap();
        assert_eq!(time(&story.target), time(&story.root));
        assert_eq!(text(story.target.join("private/key")), "a key");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_one_inode_that_were_read_in_two_states_come_back_in_both() {
    let story = Story::told_in(Scene::local().mirrored(), |root| {
        write(root.join("a"), "first");
        fs::hard_link(root.join("a"), root.join("z")).unwrap();
    });
    let backup = story.backup().await;
    let snapshot = backup.components[0].snapshot.clone().unwrap();
    let line = |path: &str, content: &str| {
        let sha256 = Id::of(content.as_bytes());
        let size = content.len();
        format!(
            r#"{{"path":{path:?},"kind":"file","size":{size},"sha256":"{sha256}","mode":420,"links":2,"inode":7,"device":1}}"#
        )
    };
    crate::support::replace_manifest(
        &story.scene,
        &snapshot,
        &[line("a", "first"), line("z", "later")].join("\n"),
    );
    fs::write(story.scene.repository().join(snapshot.id.as_str()).join("z"), "later").unwrap();
    let restored = story.restore("restore", &backup, Landing::Empty).await;
    assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
    assert_eq!(
        (text(story.target.join("a")), text(story.target.join("z"))),
        ("first".into(), "later".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_directory_that_lacks_its_restore_is_partial() {
    for scene in layouts() {
        let root = scene.path("source");
        write(root.join("file"), "content");
        let rules = CaptureRules { lacks: Some("a restore failed".into()), ..CaptureRules::default() };
        let workspace = DirectoryWorkspace::new(&root).unwrap().with_id("ada/lab".parse().unwrap());
        let workspace = Arc::new(workspace.with_rules(rules));
        let host = Host::with(Arc::new(MemoryCatalog::new()), scene.provider(), workspace);
        let status = host.back_up("backup").await;
        assert_eq!(status.operation.state, OperationState::Partial, "{status:?}");
        assert_eq!(status.backup.unwrap().components[0].issues[0].kind, "unrestored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_lost_all_its_files_is_told_until_somebody_says_that_it_may() {
    for scene in layouts() {
        scene.create().await;
        let root = scene.path("source");
        write(root.join("deep/file"), "content");
        let host = Host::new(&scene, &root);
        assert_eq!(host.back_up("full").await.operation.state, OperationState::Completed);
        fs::remove_file(root.join("deep/file")).unwrap();
        for name in ["emptied", "doubted"] {
            let status = host.back_up(name).await;
            assert_ne!(status.operation.state, OperationState::Completed, "{name}");
            let issues = &status.backup.as_ref().unwrap().components[0].issues;
            let kinds: Vec<_> = issues.iter().map(|issue| issue.kind.as_str()).collect();
            assert_eq!(kinds, ["emptied"], "{name}");
        }
        let rules = CaptureRules { may_be_empty: true, ..CaptureRules::default() };
        let workspace = DirectoryWorkspace::new(&root).unwrap().with_id("ada/lab".parse().unwrap());
        let workspace = Arc::new(workspace.with_rules(rules));
        let host = Host::with(Arc::clone(&host.catalog), scene.provider(), workspace);
        assert_eq!(host.back_up("meant").await.operation.state, OperationState::Completed);
        let host = Host::with(host.catalog, scene.provider(), {
            Arc::new(DirectoryWorkspace::new(&root).unwrap().with_id("ada/lab".parse().unwrap()))
        });
        assert_eq!(host.back_up("still").await.operation.state, OperationState::Completed);
    }
}
