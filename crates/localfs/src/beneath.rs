//! Opening paths beneath a directory without ever following a symbolic link.

use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::{Errno, Result};

/// The longest piece of a path handed to the kernel at once; below `PATH_MAX` (4096) with room to spare.
const PIECE_BYTES_MAX: usize = 3 * 1024;

pub(crate) const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the directory at `relative` below `root` for listing and as a base of further calls.
///
/// Fails with `ELOOP` or `ENOTDIR` when any component is a symbolic link. The path may be longer than `PATH_MAX`.
pub(crate) fn open_directory(root: BorrowedFd<'_>, relative: &Path) -> Result<OwnedFd> {
    let bytes = relative.as_os_str().as_bytes();
    if bytes.is_empty() {
        return openat(root, c".", DIRECTORY, Mode::empty());
    }
    let mut current: Option<OwnedFd> = None;
    for piece in pieces(bytes) {
        let next = {
            let base = current.as_ref().map_or(root, |fd| std::os::fd::AsFd::as_fd(fd));
            open_piece(base, piece)?
        };
        current = Some(next);
    }
    current.ok_or(Errno::INVAL)
}

fn open_piece(base: BorrowedFd<'_>, piece: &[u8]) -> Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(base, OsStr::from_bytes(piece), DIRECTORY, Mode::empty(), resolve) {
        // Kernels before 5.6 lack the call, and some sandboxes answer EPERM for calls they do not know.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => open_by_steps(base, piece),
        other => other,
    }
}

/// The portable form of the same promise: one component at a time, none of them a link.
fn open_by_steps(base: BorrowedFd<'_>, piece: &[u8]) -> Result<OwnedFd> {
    let mut current = openat(base, c".", DIRECTORY, Mode::empty())?;
    for name in piece.split(|byte| *byte == b'/') {
        if name.is_empty() || name == b"." || name == b".." {
            return Err(Errno::INVAL);
        }
        current = openat(&current, OsStr::from_bytes(name), DIRECTORY, Mode::empty())?;
    }
    Ok(current)
}

/// Cuts a path at slashes into pieces the kernel accepts.
fn pieces(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = path;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if rest.len() <= PIECE_BYTES_MAX {
            return Some(std::mem::take(&mut rest));
        }
        let window = rest.get(..PIECE_BYTES_MAX).unwrap_or(rest);
        // A component is at most 255 bytes, so every full window holds a slash.
        let cut = window.iter().rposition(|byte| *byte == b'/').unwrap_or(window.len());
        let (piece, after) = rest.split_at(cut);
        rest = after.get(1..).unwrap_or_default();
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn both_ways(root: &File, path: &str) -> [Result<OwnedFd>; 2] {
        [open_directory(root.as_fd(), Path::new(path)), open_by_steps(root.as_fd(), path.as_bytes())]
    }

    #[test]
    fn links_in_any_position_are_refused_by_both_ways_of_opening() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir_all(outer.path().join("root/real/inner")).unwrap();
        fs::create_dir_all(outer.path().join("outside/inner")).unwrap();
        symlink("../outside", outer.path().join("root/escape")).unwrap();
        symlink("real", outer.path().join("root/alias")).unwrap();
        let root = File::open(outer.path().join("root")).unwrap();
        for good in both_ways(&root, "real/inner") {
            assert!(good.is_ok());
        }
        for bad in ["escape", "escape/inner", "alias", "alias/inner", "..", "real/../real", "missing"] {
            for answer in both_ways(&root, bad) {
                let refused = answer.is_err();
                assert!(refused || bad == "real/../real", "{bad}");
            }
        }
    }

    #[test]
    fn a_step_that_is_no_name_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir_all(outer.path().join("real/inner")).unwrap();
        let root = File::open(outer.path()).unwrap();
        for bad in [".", "..", "real/.", "real/./inner", "real/../real", "real//inner", "real/"] {
            let refusal = open_by_steps(root.as_fd(), bad.as_bytes()).unwrap_err();
            assert_eq!(refusal, Errno::INVAL, "{bad}");
        }
    }

    #[test]
    fn paths_longer_than_the_kernel_accepts_open_in_pieces() {
        let outer = tempfile::tempdir().unwrap();
        let root = File::open(outer.path()).unwrap();
        let name = "n".repeat(200);
        let mut current = root.try_clone().unwrap();
        for _ in 0..50 {
            rustix::fs::mkdirat(&current, &name, Mode::RWXU).unwrap();
            current = File::from(open_directory(current.as_fd(), Path::new(&name)).unwrap());
        }
        let long = vec![name.as_str(); 50].join("/");
        assert!(long.len() > 10_000);
        assert!(open_directory(root.as_fd(), Path::new(&long)).is_ok());
    }

    #[test]
    fn pieces_rejoin_to_the_path() {
        let path = vec!["x".repeat(250); 40].join("/");
        let joined: Vec<_> = pieces(path.as_bytes()).collect();
        assert!(joined.len() > 1 && joined.iter().all(|piece| piece.len() <= PIECE_BYTES_MAX));
        assert_eq!(joined.join(&b'/'), path.as_bytes());
    }
}
