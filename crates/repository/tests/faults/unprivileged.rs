//! A restore by a user who may set next to nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use stillpoint_testkit::compare::{Aspect, Comparison};

use crate::child::Said;
use crate::scene::Scene;

/// The user nobody, where tests run as the administrator.
const NOBODY: u32 = 65_534;

/// What only the administrator may make or set.
fn plant_privileges(root: &Path) -> Vec<&'static str> {
    fs::set_permissions(root.join("a/7"), fs::Permissions::from_mode(0o6755)).unwrap();
    let mut expected = vec!["\"a/7\": the set-id bits were left out"];
    if rustix::process::geteuid().is_root() {
        expected.extend(["\"a/5\": the owner could not be set", "\"a/deep\": the owner could not be set"]);
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(root.join("a/8"), "trusted.x", b"1", flags).is_ok() {
            expected.push("\"a/8\": the privileged attribute \"trusted.x\" was left out");
        }
        let device = rustix::fs::makedev(1, 3);
        let kind = rustix::fs::FileType::CharacterDevice;
        if rustix::fs::mknodat(rustix::fs::CWD, root.join("null"), kind, 0o666.into(), device).is_ok() {
            expected.push("\"null\": the device node or socket was left out");
        }
    }
    expected
}

fn give_to_nobody(root: &Path) {
    chown(root, Some(NOBODY), Some(NOBODY)).unwrap();
    if root.is_dir() {
        fs::read_dir(root).unwrap().for_each(|entry| give_to_nobody(&entry.unwrap().path()));
    }
}

#[test]
fn a_restore_without_privileges_lists_what_it_could_not_set_and_fails_at_nothing() {
    let scene = Scene::new();
    let expected = plant_privileges(&scene.source());
    scene.back_up();
    let room = scene.room("nobody");
    let mut command: Command = scene.child("restore", "nobody", "empty");
    if rustix::process::geteuid().is_root() {
        // The program's own folder may be closed to other users.
        let program = room.join("program");
        fs::copy(command.get_program(), &program).unwrap();
        let mut lent = Command::new(&program);
        lent.args(command.get_args())
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = lent;
        command.uid(NOBODY).gid(NOBODY).current_dir(&room);
        let open = fs::Permissions::from_mode(0o755);
        room.ancestors().take(3).for_each(|folder| fs::set_permissions(folder, open.clone()).unwrap());
        give_to_nobody(&scene.repository());
        give_to_nobody(&room);
    }
    let said = Said::of(&command.output().unwrap(), "as nobody");
    assert!(said.ended && !said.remarks.contains("Issue {"), "{said:?}");
    for remark in expected {
        assert!(said.remarks.contains(remark), "{remark}: {said:?}");
    }
    fs::set_permissions(scene.source().join("a/7"), fs::Permissions::from_mode(0o755)).unwrap();
    let comparison = Comparison::new().ignoring(Aspect::Owner).ignoring(Aspect::Xattrs);
    for folder in ["a", "b"] {
        comparison.assert_same(&scene.source().join(folder), &room.join("target").join(folder));
    }
}
