//! Targets that somebody prepared with links to where the restore must not go.

use std::fs;
use std::os::unix::fs::symlink;

use stillpoint_localfs::Landing;

use super::case::{Case, folder, node};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for landing in [Landing::EmptyTarget, Landing::Continue, Landing::Merge, Landing::Replace] {
        for kind in ["file", "dir", "symlink", "fifo"] {
            for planted in ["a link to a file", "a link to a directory", "a link to nowhere", "a hard link"] {
                cases.push(at_the_final_name(landing, kind, planted));
            }
            cases.push(above(landing, kind, 1));
            cases.push(above(landing, kind, 2));
        }
    }
    cases.extend(markers());
    cases
}

/// Something that leads outside stands where an entry shall go.
fn at_the_final_name(landing: Landing, kind: &'static str, planted: &'static str) -> Case {
    let (entry, below) = match kind {
        "dir" => folder("entry", &[node("file", "canary"), node("file", "egg"), node("file", "new")]),
        _ => (node(kind, "entry"), Vec::new()),
    };
    let replaced = landing == Landing::Replace && kind != "dir";
    let same = kind == "symlink" && planted == "a link to a file";
    let case = Case::new(format!("{landing:?}: a {kind} where {planted} stands"), &[entry])
        .with((kind == "dir").then_some(below))
        .landing(landing)
        .prepared(move |target, outside| {
            fs::create_dir(target).unwrap();
            let entry = target.join("entry");
            match planted {
                "a link to a file" => symlink("../outside/canary", entry).unwrap(),
                "a link to a directory" => symlink("../outside/nest", entry).unwrap(),
                "a link to nowhere" => symlink("../outside/new", entry).unwrap(),
                // A hard link changes the links of the canary, so it leads to a file of its own.
                _ => {
                    fs::write(target.join("own"), b"mine").unwrap();
                    fs::hard_link(target.join("own"), entry).unwrap();
                }
            }
            let _ = outside;
        });
    // Replacing is what was asked for; a link that stands as the snapshot has it is no difference.
    if replaced || (same && landing != Landing::EmptyTarget) { case.harmless() } else { case }
}

/// A directory above the entry is a link to the outside.
fn above(landing: Landing, kind: &'static str, levels: usize) -> Case {
    let (mut top, below) = folder("entry", &[node(kind, "canary"), node(kind, "egg"), node(kind, "new")]);
    let mut listings = vec![below, super::case::empty()];
    if levels == 2 {
        let (parent, listing) = folder("parent", &[top]);
        listings.push(listing);
        top = parent;
    }
    Case::new(format!("{landing:?}: a {kind} {levels} below a link"), &[top])
        .with(listings)
        .landing(landing)
        .prepared(move |target, _| {
            let planted = if levels == 2 { target.join("parent") } else { target.to_path_buf() };
            fs::create_dir_all(&planted).unwrap();
            symlink(if levels == 2 { "../../outside" } else { "../outside" }, planted.join("entry")).unwrap();
        })
}

/// The restore's working directory is not what it should be.
fn markers() -> Vec<Case> {
    let case = |label: &str| Case::new(label, &[node("file", "f")]);
    vec![
        case("the marker is a link to the outside").prepared(|target, _| {
            fs::create_dir(target).unwrap();
            symlink("../outside", target.join(".stillpoint-restore-op")).unwrap();
        }),
        case("the marker is a file").prepared(|target, _| {
            fs::create_dir(target).unwrap();
            fs::write(target.join(".stillpoint-restore-op"), b"").unwrap();
        }),
        case("the marker holds a directory").prepared(|target, _| {
            fs::create_dir_all(target.join(".stillpoint-restore-op/full/of")).unwrap();
        }),
        case("the marker holds links to the outside")
            .prepared(|target, outside| {
                let marker = target.join(".stillpoint-restore-op");
                fs::create_dir_all(&marker).unwrap();
                for name in ["0", "1", "owner"] {
                    symlink(outside.join("canary"), marker.join(name)).unwrap();
                }
            })
            .harmless(),
        case("the marker of another restore").prepared(|target, _| {
            fs::create_dir_all(target.join(".stillpoint-restore-other")).unwrap();
        }),
        case("the target is a file").prepared(|target, _| fs::write(target, b"").unwrap()),
        case("the target is a link to nowhere").prepared(|target, _| symlink("nowhere", target).unwrap()),
    ]
}
