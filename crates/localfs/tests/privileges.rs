//! Set-id bits and capabilities of what stands where a backup is restored: kept where it equals the backup, else only
//! there where they were asked for.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in shared set-up")]

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, setxattr};
use stillpoint_localfs::{
    Attributes, ExtractOptions, Extractor, Fate, Foresight, Landing, Preview, Source, Standing, Warning,
    WarningKind,
};
use tempfile::{TempDir, tempdir};

const CAPABILITY: &str = "security.capability";
/// `cap_net_raw` in a permitted set (`capabilities(7)`).
const NET_RAW: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A directory with a program in it, both with powers, and what a backup says of them.
struct Place {
    _folder: TempDir,
    target: PathBuf,
    root: Attributes,
    bin: Attributes,
    program: Attributes,
}

impl Place {
    /// Only root may give powers, and another owner.
    #[expect(clippy::print_stdout, reason = "no test is skipped in silence")]
    fn new(directory_mode: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: not root");
            return None;
        }
        let folder = tempdir().unwrap();
        let target = folder.path().join("target");
        fs::create_dir_all(target.join("bin")).unwrap();
        let program = target.join("bin/program");
        fs::write(&program, b"program").unwrap();
        setxattr(&program, CAPABILITY, &NET_RAW, XattrFlags::empty()).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
        for directory in [target.join("bin"), target.clone()] {
            fs::set_permissions(directory, Permissions::from_mode(directory_mode)).unwrap();
        }
        let source = Source::open(&target).unwrap();
        let bin = source.directory(Path::new("bin")).unwrap();
        let program = bin.open_file(OsStr::new("program")).unwrap();
        let program = Attributes::of(program.metadata(), program.extended_attributes().unwrap());
        assert_eq!((program.mode, program.extended.len()), (0o4755, 1));
        Some(Self {
            root: Attributes::of(source.metadata(), vec![]),
            bin: Attributes::of(&bin.metadata().unwrap(), bin.extended_attributes().unwrap()),
            program,
            _folder: folder,
            target,
        })
    }

    fn stat(&self, path: &str) -> fs::Metadata {
        fs::metadata(self.target.join(path)).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        self.stat(path).mode() & 0o7777
    }

    fn changed(&self, path: &str) -> (i64, i64) {
        (self.stat(path).ctime(), self.stat(path).ctime_nsec())
    }

    /// The capability and every other attribute of the program.
    fn extended(&self) -> Vec<stillpoint_localfs::ExtendedAttribute> {
        let bin = Source::open(&self.target).unwrap().directory(Path::new("bin")).unwrap();
        bin.open_file(OsStr::new("program")).unwrap().extended_attributes().unwrap()
    }

    fn preview(&self, privileged: bool) -> Preview {
        let mut look = Foresight::open(&self.target, "op", options(privileged)).unwrap();
        assert!(look.directory(Path::new("bin"), &self.bin, true));
        look.file(Path::new("bin/program"), 7, &self.program, None, |_| Ok(true));
        look.finish(Some(&self.root), true).unwrap()
    }

    /// Restores all of it over what stands, and `beside` too if it is said.
    fn restore(&self, privileged: bool, beside: Option<&str>) -> Vec<Warning> {
        let extractor = Extractor::open(&self.target, "op", options(privileged)).unwrap();
        assert!(extractor.create_directory(Path::new("bin")).unwrap());
        let program = Path::new("bin/program");
        let standing = extractor.file_stands(program, 7, &self.program, |_| Ok(true)).unwrap();
        assert!(matches!(standing, Standing::Complete(_)), "{standing:?}");
        if let Some(beside) = beside {
            let plain = Attributes::new(0o600, 0, 0);
            extractor.create_file(&Path::new("bin").join(beside), 0).unwrap().finish(&plain).unwrap();
        }
        extractor.set_directory_attributes(Path::new("bin"), &self.bin).unwrap();
        extractor.finish(Some(&self.root)).unwrap().warnings.into_items()
    }
}

fn options(privileged: bool) -> ExtractOptions {
    let mut options = ExtractOptions::landing(Landing::Replace);
    options.privileged = privileged;
    options
}

#[test]
fn what_equals_the_backup_is_not_touched() {
    for (privileged, mode) in [(false, 0o2755), (true, 0o2755), (false, 0o1777), (true, 0o3700)] {
        let Some(place) = Place::new(mode) else { return };
        let before = ["bin", "bin/program"].map(|path| place.changed(path));
        assert_eq!(place.preview(privileged).count(Fate::Unchanged), 3);
        assert_eq!(place.restore(privileged, None), []);
        assert_eq!(["bin", "bin/program"].map(|path| place.changed(path)), before, "{privileged}");
        assert_eq!([".", "bin", "bin/program"].map(|path| place.mode(path)), [mode, mode, 0o4755]);
        assert_eq!(place.extended(), place.program.extended);
    }
}

#[test]
fn directories_that_are_written_into_keep_their_set_id_bits() {
    for mode in [0o2755, 0o2555, 0o6511] {
        let Some(place) = Place::new(mode) else { return };
        assert_eq!(place.restore(false, Some("new")), []);
        assert_eq!([".", "bin"].map(|path| place.mode(path)), [mode, mode]);
        assert_eq!((place.stat("bin").mtime(), place.stat("bin").mtime_nsec()), {
            (place.bin.modified.seconds, i64::from(place.bin.modified.nanoseconds))
        });
    }
}

#[test]
fn other_attributes_are_set_without_taking_powers_off() {
    for privileged in [false, true] {
        let Some(place) = Place::new(0o755) else { return };
        setxattr(place.target.join("bin/program"), "user.later", b"1", XattrFlags::empty()).unwrap();
        let preview = place.preview(privileged);
        assert_eq!((preview.count(Fate::Attributes), preview.count(Fate::Unchanged)), (1, 2));
        assert_eq!(place.restore(privileged, None), []);
        assert_eq!((place.mode("bin/program"), place.extended()), (0o4755, place.program.extended.clone()));
    }
}

/// A change of owner takes powers off, and they would be another user's; another mode lets others use them.
#[test]
fn what_others_could_use_afterwards_has_powers_only_where_they_were_asked_for() {
    let owned_by_another = |path: &Path| {
        chown(path, Some(1234), Some(1234)).unwrap();
        setxattr(path, CAPABILITY, &NET_RAW, XattrFlags::empty()).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o4755)).unwrap();
    };
    let closed = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o4700)).unwrap();
    let edits: [&dyn Fn(&Path); 2] = [&owned_by_another, &closed];
    for edit in edits {
        for privileged in [false, true] {
            let Some(place) = Place::new(0o755) else { return };
            edit(&place.target.join("bin/program"));
            assert_eq!(place.preview(privileged).count(Fate::Attributes), 1);
            let kinds: Vec<_> =
                place.restore(privileged, None).into_iter().map(|warning| warning.kind).collect();
            assert_eq!((place.stat("bin/program").uid(), place.stat("bin/program").gid()), (0, 0));
            if privileged {
                assert_eq!(kinds, []);
                assert_eq!((place.mode("bin/program"), place.extended()), {
                    (0o4755, place.program.extended.clone())
                });
            } else {
                let withheld = WarningKind::AttributeWithheld(CAPABILITY.into());
                assert_eq!(kinds, [withheld, WarningKind::SetIdWithheld]);
                assert_eq!((place.mode("bin/program"), place.extended()), (0o755, vec![]));
            }
            assert_eq!(place.preview(privileged).count(Fate::Unchanged), 3, "what is withheld is no change");
        }
    }
}
