//! One digest for a whole tree.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::scan::{self, Kind};

/// SHA-256, in hexadecimal, over every path, its content and its metadata (access times and holes left out).
///
/// Two calls give the same digest exactly when nothing that [`super::compare`] looks at changed in between.
///
/// # Errors
/// When the tree cannot be read.
pub fn digest(root: &Path) -> io::Result<String> {
    let entries = scan::scan(root)?;
    let groups = scan::link_groups(&entries);
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    for (path, entry) in &entries {
        let line = format!(
            "{:?} {:o} {} {} {} {:#x} {:?} {:?}",
            entry.kind,
            entry.mode,
            entry.owner(),
            entry.modified(),
            entry.xattrs(),
            entry.device,
            entry.target,
            groups.get(path),
        );
        part(&mut hash, path.as_os_str().as_bytes());
        part(&mut hash, line.as_bytes());
        if entry.kind == Kind::File {
            hash.update(entry.size.to_le_bytes());
            let mut file = File::open(root.join(path))?;
            loop {
                match scan::read_full(&mut file, &mut buffer)? {
                    0 => break,
                    count => hash.update(&buffer[..count]),
                }
            }
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        write!(text, "{byte:02x}").map_err(io::Error::other)?;
    }
    Ok(text)
}

fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}
