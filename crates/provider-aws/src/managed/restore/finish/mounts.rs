//! What this host mounts where, by the kernel's own table: a path alone says nothing of whose files lie there.
//!
//! Source: <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stillpoint_core::{Error, ErrorKind, Result};

/// Where the mount helper of EFS says which file system each of its local ports leads to.
/// Source: <https://github.com/aws/efs-utils>.
const HELPER: &str = "/var/run/efs";
/// From where a mount comes whose traffic the helper encrypts.
const TUNNEL: &str = "127.0.0.1";

/// What is mounted at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Which folder of the source is shown.
    root: String,
    kind: String,
    source: String,
    options: String,
}

impl Mount {
    /// What `table` says of `place`; `None` where nothing is mounted there, or not yet.
    pub(super) fn at(table: &str, place: &Path) -> Option<Self> {
        // A later mount hides an earlier one.
        table.lines().rev().find_map(|line| Self::read(line, place)).filter(|mount| mount.kind != "autofs")
    }

    fn read(line: &str, place: &Path) -> Option<Self> {
        let (mount, origin) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut origin = origin.splitn(3, ' ');
        let (kind, source, options) = (origin.next()?, origin.next()?, origin.next().unwrap_or_default());
        (Path::new(&unescaped(point)) == place).then(|| Self {
            root: root.to_owned(),
            kind: kind.to_owned(),
            source: source.to_owned(),
            options: options.to_owned(),
        })
    }

    /// Whether it shows the root of the file system `id`, which has these `addresses`; `helper` names what the mount
    /// helper noted.
    pub(super) fn shows(&self, id: &str, addresses: &[String], helper: &[String]) -> bool {
        let Some(host) = self.source.strip_suffix(":/").filter(|_| self.root == "/") else { return false };
        if host == TUNNEL {
            let port = self.options.split(',').find_map(|option| option.strip_prefix("port="));
            return port.is_some_and(|port| helper.iter().any(|name| leads(name, id, port)));
        }
        host.split('.').any(|part| part == id) || addresses.iter().any(|address| address == host)
    }

    /// Where it comes from, in words.
    pub(super) fn source(&self) -> String {
        format!("{} of {} ({})", self.root, self.source, self.kind)
    }
}

/// Whether the helper's file `name`, which is `FILE-SYSTEM.PLACE.PORT`, says that `port` leads to `id`.
fn leads(name: &str, id: &str, port: &str) -> bool {
    name.split_once('.').is_some_and(|(first, _)| first == id)
        && name.rsplit_once('.').is_some_and(|(_, last)| last == port)
}

/// `\040` and its like, by which the table writes spaces in paths.
fn unescaped(text: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(text.to_owned(), |text, (code, meant)| text.replace(code, meant))
}

/// The table of mounts at `path`.
///
/// # Errors
/// `NeedsAttention` where this host does not show one.
pub(super) fn table(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| {
        let message = format!(
            "{} cannot be read, so nothing proves which file system a mount shows; move the files to the root by hand",
            path.display()
        );
        Error::new(ErrorKind::NeedsAttention, message).with_source(error)
    })
}

/// The names of what the mount helper noted; none where it is not used here or does not show them.
pub(super) fn helper() -> Vec<String> {
    let names = fs::read_dir(HELPER).map(|entries| entries.filter_map(|entry| Some(entry.ok()?.file_name())));
    names.map(|names| names.filter_map(|name| name.into_string().ok()).collect()).unwrap_or_default()
}

/// The place that `mount` leads to; `None` where it does not exist yet.
///
/// # Errors
/// `Unavailable` where it cannot be looked at.
pub(super) fn resolved(mount: &Path) -> Result<Option<PathBuf>> {
    match fs::canonicalize(mount) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("{} cannot be looked at", mount.display());
            Err(Error::new(ErrorKind::Unavailable, message).with_source(error))
        }
        Ok(place) => Ok(Some(place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(origin: &str) -> Option<Mount> {
        let table =
            format!("36 35 98:0 / / rw - ext4 /dev/root rw\n40 36 0:50 / /mnt/a\\040b rw - {origin}\n");
        Mount::at(&table, Path::new("/mnt/a b"))
    }

    fn shows(origin: &str) -> bool {
        let helper = ["fs-1.mnt.a b.20449".to_owned(), "fs-2.mnt.c.20450".to_owned()];
        mount(origin).is_some_and(|mount| mount.shows("fs-1", &["10.0.0.5".to_owned()], &helper))
    }

    #[test]
    fn a_mount_is_known_by_its_name_its_address_or_its_tunnel() {
        for origin in [
            "nfs4 fs-1.efs.us-east-1.amazonaws.com:/ rw",
            "nfs4 us-east-1a.fs-1.efs.us-east-1.amazonaws.com:/ rw",
            "nfs4 10.0.0.5:/ rw,vers=4.1",
            "nfs4 127.0.0.1:/ rw,port=20449,timeo=600",
        ] {
            assert!(shows(origin), "{origin}");
        }
    }

    #[test]
    fn another_file_system_or_a_part_of_it_or_none_is_told_apart() {
        for origin in [
            "nfs4 fs-2.efs.us-east-1.amazonaws.com:/ rw",
            "nfs4 fs-12.efs.us-east-1.amazonaws.com:/ rw",
            "nfs4 fs-1.efs.us-east-1.amazonaws.com:/home rw",
            "nfs4 10.0.0.6:/ rw",
            "nfs4 127.0.0.1:/ rw,port=20450",
            "nfs4 127.0.0.1:/ rw",
            "ext4 /dev/sdb rw",
            "autofs fs-1.efs.us-east-1.amazonaws.com:/ rw",
        ] {
            assert!(!shows(origin), "{origin}");
        }
        let part = "40 36 0:50 /home /mnt rw - nfs4 fs-1.efs.r.amazonaws.com:/ rw";
        assert!(!Mount::at(part, Path::new("/mnt")).unwrap().shows("fs-1", &[], &[]));
        assert_eq!(Mount::at(part, Path::new("/")), None);
    }

    #[test]
    fn the_latest_of_two_mounts_at_one_place_counts() {
        let table = "40 36 0:50 / /mnt rw - nfs4 fs-1:/ rw\n41 40 0:51 / /mnt rw - nfs4 fs-2:/ rw\n";
        assert!(Mount::at(table, Path::new("/mnt")).unwrap().shows("fs-2", &[], &[]));
    }
}
