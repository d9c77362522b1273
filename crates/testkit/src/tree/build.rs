//! Makes the tree that a spec describes.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::content::{self, Texture};
use super::{Made, TreeSpec, name};
use crate::meta::{self, Moment};

const FILE_MODES: [u32; 8] = [0o644, 0o600, 0o640, 0o664, 0o755, 0o444, 0o4755, 0o2711];
const DIR_MODES: [u32; 6] = [0o755, 0o700, 0o750, 0o775, 0o2775, 0o1777];
const HOLE_BYTES: u64 = 5 << 20;

pub(super) struct Builder<'a> {
    spec: &'a TreeSpec,
    rng: StdRng,
    dirs: Vec<PathBuf>,
    files: Vec<PathBuf>,
    others: Vec<PathBuf>,
    serial: usize,
    made: Made,
}

impl<'a> Builder<'a> {
    pub(super) fn new(spec: &'a TreeSpec, root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        if fs::read_dir(root)?.next().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::DirectoryNotEmpty,
                "a tree is made in an empty directory",
            ));
        }
        Ok(Self {
            spec,
            rng: StdRng::seed_from_u64(spec.seed),
            dirs: vec![root.to_owned()],
            files: Vec::new(),
            others: Vec::new(),
            serial: 0,
            made: Made::default(),
        })
    }

    pub(super) fn run(mut self) -> io::Result<Made> {
        self.make_dirs()?;
        self.make_files()?;
        if self.spec.odd_names {
            self.make_odd_names()?;
        }
        if self.spec.sparse {
            self.make_sparse()?;
        }
        if self.spec.symlinks {
            self.make_symlinks()?;
        }
        if self.spec.fifos {
            self.make_fifos()?;
        }
        if self.spec.xattrs {
            self.set_xattrs()?;
        }
        self.set_modes_and_owners()?;
        if self.spec.hard_links {
            self.make_hard_links()?;
        }
        self.set_times()?;
        self.made.dirs = self.dirs.len() - 1;
        self.made.files = self.files.len() + self.made.hard_links;
        Ok(self.made)
    }

    fn place(&mut self, extension: bool) -> PathBuf {
        let dir = self.rng.random_range(0..self.dirs.len());
        let name = name::ordinary(&mut self.rng, self.serial, extension);
        self.serial += 1;
        self.dirs[dir].join(name)
    }

    fn make_dirs(&mut self) -> io::Result<()> {
        let root_depth = self.dirs[0].components().count();
        let wanted = (self.spec.files / 12).max(4);
        for _ in 0..wanted {
            let dir = self.place(false);
            if dir.components().count() - root_depth <= self.spec.depth {
                fs::create_dir(&dir)?;
                self.dirs.push(dir);
            }
        }
        let empty = self.dirs[0].join("empty-directory");
        fs::create_dir(&empty)?;
        // The empty directory is never drawn as a place, so it is added when all else is made.
        self.others.push(empty);
        Ok(())
    }

    /// A quarter of the bytes goes into one large file, the rest into many small ones of very different sizes.
    fn make_files(&mut self) -> io::Result<()> {
        let large = self.spec.bytes / 4;
        let mean = (self.spec.bytes - large) / (self.spec.files.max(2) as u64 - 1);
        for number in 0..self.spec.files {
            let path = self.place(true);
            let texture = match self.rng.random_range(0..10) {
                0..4 => Texture::Random,
                4..9 => Texture::Text,
                _ => Texture::Zeros,
            };
            let len = match (number, self.rng.random_range(0..10)) {
                (0, _) => large,
                (_, 0) => 0,
                (_, 1) => self.rng.random_range(1..64),
                (_, 2..8) => self.rng.random_range(0..=mean.max(1)),
                _ => self.rng.random_range(0..=mean.max(1) * 5),
            };
            self.make_file(path, texture, len)?;
        }
        Ok(())
    }

    fn make_file(&mut self, path: PathBuf, texture: Texture, len: u64) -> io::Result<()> {
        content::write_file(&path, self.rng.next_u64(), texture, len)?;
        self.made.bytes += len;
        self.files.push(path);
        Ok(())
    }

    fn make_odd_names(&mut self) -> io::Result<()> {
        let dir = self.dirs[0].join(OsString::from_vec(b"odd names \xf0\x28".to_vec()));
        fs::create_dir(&dir)?;
        for odd in name::odd_names() {
            self.make_file(dir.join(&odd), Texture::Text, odd.len() as u64)?;
        }
        for odd in name::odd_names().into_iter().take(6) {
            let inner = dir.join({
                let mut name = OsString::from("dir ");
                name.push(odd);
                name
            });
            fs::create_dir(&inner)?;
            self.make_file(inner.join("inside"), Texture::Random, 100)?;
            self.dirs.push(inner);
        }
        self.dirs.push(dir);
        Ok(())
    }

    fn make_sparse(&mut self) -> io::Result<()> {
        for number in 0..2 {
            let path = self.dirs[0].join(format!("sparse-{number}.img"));
            let len = HOLE_BYTES + self.rng.random_range(0..100_000);
            content::write_sparse(&mut self.rng, &path, len)?;
            self.made.bytes += len;
            self.files.push(path);
        }
        Ok(())
    }

    fn make_symlinks(&mut self) -> io::Result<()> {
        let mut targets = vec![
            OsString::from("no/such/target"),
            OsString::from("/no/such/absolute/target"),
            OsString::from("../../../../../../etc/passwd"),
            OsString::from("link-to-itself"),
            OsString::from("long/".repeat(60)),
            OsString::from("."),
        ];
        if self.spec.raw_link_targets {
            targets.push(OsString::from_vec(b"not-utf8-\xff\xfe".to_vec()));
        }
        for (number, target) in targets.iter().enumerate() {
            let name = if number == 3 { "link-to-itself".to_owned() } else { format!("link-{number}") };
            self.make_symlink(target, &self.dirs[0].join(name))?;
        }
        for _ in 0..self.spec.files / 30 {
            let target = self.files[self.rng.random_range(0..self.files.len())].clone();
            let link = self.place(false);
            self.make_symlink(target.file_name().unwrap_or(OsStr::new("x")), &link)?;
        }
        Ok(())
    }

    fn make_symlink(&mut self, target: &OsStr, link: &Path) -> io::Result<()> {
        symlink(target, link)?;
        self.made.symlinks += 1;
        self.others.push(link.to_owned());
        Ok(())
    }

    fn make_fifos(&mut self) -> io::Result<()> {
        for _ in 0..2 {
            let path = self.place(false);
            meta::make_fifo(&path, 0o640)?;
            self.made.fifos += 1;
            self.others.push(path);
        }
        Ok(())
    }

    fn make_hard_links(&mut self) -> io::Result<()> {
        for _ in 0..(self.spec.files / 40).max(2) {
            let first = self.files[self.rng.random_range(0..self.files.len())].clone();
            for _ in 0..self.rng.random_range(1..4) {
                let link = self.place(true);
                fs::hard_link(&first, &link)?;
                self.made.hard_links += 1;
            }
        }
        Ok(())
    }

    fn set_xattrs(&mut self) -> io::Result<()> {
        let candidates: Vec<PathBuf> =
            self.files.iter().step_by(9).chain(self.dirs.iter().step_by(4)).cloned().collect();
        for path in candidates {
            let mut binary = vec![0; 70];
            self.rng.fill_bytes(&mut binary);
            let attributes: [(&str, &[u8]); 3] =
                [("user.comment", b"kept by hand"), ("user.empty", b""), ("user.binary", &binary)];
            for (name, value) in &attributes[..self.rng.random_range(1..=3)] {
                match meta::set_xattr(&path, OsStr::new(name), value) {
                    Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
                    outcome => outcome?,
                }
            }
            self.made.with_xattrs += 1;
        }
        Ok(())
    }

    /// Ordinary modes are set too, so that a tree does not depend on the umask of whoever makes it.
    fn set_modes_and_owners(&mut self) -> io::Result<()> {
        let owners = self.spec.modes_and_owners && meta::is_root();
        for (paths, modes) in [(&self.files, FILE_MODES.as_slice()), (&self.dirs, DIR_MODES.as_slice())] {
            for path in paths {
                if owners && self.rng.random_bool(0.3) {
                    let (uid, gid) =
                        (self.rng.random_range(1000..1004), self.rng.random_range(100..2_000_000));
                    meta::set_owner(path, uid, gid)?;
                }
                let odd = self.spec.modes_and_owners && self.rng.random_bool(0.5);
                let mode = if odd { modes[self.rng.random_range(0..modes.len())] } else { modes[0] };
                fs::set_permissions(path, Permissions::from_mode(mode))?;
            }
        }
        if owners {
            for path in &self.others {
                meta::set_owner(path, self.rng.random_range(1000..1004), 100)?;
            }
        }
        Ok(())
    }

    fn set_times(&mut self) -> io::Result<()> {
        // Children come after their parents in `dirs`, so the reverse leaves each directory's own time last.
        let paths: Vec<&PathBuf> =
            self.files.iter().chain(&self.others).chain(self.dirs.iter().rev()).collect();
        for path in paths {
            let odd = if self.spec.odd_times { self.rng.random_range(0..20) } else { 20 };
            let moment = match odd {
                0 => Moment { secs: -86_400, nanos: 1 },
                1 => Moment { secs: 4_102_444_800, nanos: 999_999_999 },
                2 => Moment { secs: 0, nanos: 0 },
                3 => Moment { secs: 1_700_000_000, nanos: 999_999_999 },
                _ => Moment {
                    secs: self.rng.random_range(1_000_000_000..1_780_000_000),
                    nanos: self.rng.random_range(0..1_000_000_000),
                },
            };
            meta::set_times(path, moment)?;
        }
        Ok(())
    }
}
