//! Names in the mirrored layout: spaces, timestamps, and the keys below them.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use stillpoint_core::{Error, ErrorKind, Result, SnapshotId, Timestamp, WorkspaceId};
use stillpoint_localfs::validate_name;
use stillpoint_repository::Id;

/// The folder beside the timestamps of a space that holds what plain objects cannot carry.
pub(super) const CONTROL: &str = ".stillpoint";
/// Stands for the user where a workspace's id is not of the form `USER/SPACE`.
const NO_USER: &str = "_";
/// The longest name of a folder.
const NAME_BYTES_MAX: usize = 255;
/// Characters of `YYYY-MM-DD-HH-MM-SS`.
const TIME_CHARACTERS: usize = 19;

/// Whose backups they are: the two folders above the timestamps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space {
    user: String,
    space: String,
}

impl Space {
    /// The space `space` of `user`.
    ///
    /// # Errors
    /// `InvalidInput` where one of them is no name of a folder, or is reserved.
    pub fn new(user: &str, space: &str) -> Result<Self> {
        if user == NO_USER || !is_folder(user) || !is_folder(space) {
            let message = format!(
                "user {user:?} and space {space:?} must be plain names, other than `_` and {CONTROL}"
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Self { user: user.to_owned(), space: space.to_owned() })
    }

    /// The space of a workspace. `USER/SPACE` names it; any other id becomes a space of its own, below the user `_`.
    pub fn of_workspace(workspace: &WorkspaceId) -> Self {
        let id = workspace.as_str();
        let pair = id.split_once('/').and_then(|(user, space)| Self::new(user, space).ok());
        pair.unwrap_or_else(|| Self { user: NO_USER.to_owned(), space: escaped(id) })
    }

    /// A space as it was found in a store; `None` where the folders cannot be one.
    pub(super) fn found(user: &str, space: &str) -> Option<Self> {
        let is_space = is_folder(space) && (user == NO_USER || is_folder(user));
        is_space.then(|| Self { user: user.to_owned(), space: space.to_owned() })
    }

    /// The workspace whose space this is, as far as the name tells.
    pub(super) fn workspace(&self) -> Result<WorkspaceId> {
        WorkspaceId::new(self.folder())
    }

    pub(super) fn folder(&self) -> String {
        format!("{}/{}", self.user, self.space)
    }

    pub(crate) fn control(&self) -> String {
        format!("{}/{}/{CONTROL}", self.user, self.space)
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.space)
    }
}

/// One timestamp of a space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) space: Space,
    /// The name of its folder.
    pub(super) name: String,
}

impl Place {
    /// The `number`-th name, from 1, that a backup begun at `time` may have.
    pub(super) fn at(space: &Space, time: Timestamp, number: u32) -> Self {
        let mut name = time.to_directory_name();
        if number > 1 {
            name.push_str(&format!("-{number}"));
        }
        Self { space: space.clone(), name }
    }

    /// The timestamp whose folder has this name; `None` where it is not one.
    pub(super) fn named(space: &Space, name: &str) -> Option<Self> {
        let place = Self { space: space.clone(), name: name.to_owned() };
        (is_folder(name) && place.time().is_some()).then_some(place)
    }

    /// When it was begun, as its name says.
    pub(super) fn time(&self) -> Option<Timestamp> {
        if let Ok(time) = self.name.parse() {
            return Some(time);
        }
        // Several backups of one second are told apart by a number.
        let (time, number) = (self.name.get(..TIME_CHARACTERS)?, self.name.get(TIME_CHARACTERS..)?);
        number.strip_prefix('-')?.parse::<u32>().ok()?;
        time.parse().ok()
    }

    /// The timestamp that a snapshot's id names.
    ///
    /// # Errors
    /// `NotFound` where the id cannot be one of this layout.
    pub(super) fn of_snapshot(id: &SnapshotId) -> Result<Self> {
        let none = || Error::new(ErrorKind::NotFound, format!("there is no snapshot {id}"));
        let mut parts = id.as_str().split('/');
        let (Some(user), Some(space), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(none());
        };
        let space = Space::found(user, space).ok_or_else(none)?;
        Self::named(&space, name).ok_or_else(none)
    }

    pub(super) fn snapshot(&self) -> Result<SnapshotId> {
        SnapshotId::new(self.folder())
    }

    /// Where the files lie.
    pub(crate) fn folder(&self) -> String {
        format!("{}/{}", self.space.folder(), self.name)
    }

    /// Where everything else lies.
    pub(super) fn control(&self) -> String {
        format!("{}/{}", self.space.control(), self.name)
    }

    /// The object that says whose timestamp this is, from before the first file until it is gone again.
    pub(super) fn claim(&self) -> String {
        format!("{}/claim", self.control())
    }

    /// The object that says that the timestamp is whole.
    pub(super) fn completion(&self) -> String {
        format!("{}/complete", self.control())
    }

    /// The object that says that a timestamp of the sample script is being deleted.
    pub(super) fn deletion(&self) -> String {
        format!("{}/deleting", self.control())
    }

    /// The sample script's own mark of completion.
    pub(super) fn script_mark(&self) -> String {
        format!("{}/{}_BACKUP_COMPLETE", self.folder(), self.name)
    }

    /// The key of the file at `path` as a plain object; `None` where its name is not text.
    pub(super) fn plain_key(&self, path: &Path) -> Option<String> {
        path.to_str().map(|path| format!("{}/{path}", self.folder()))
    }

    /// The key of the content of a file whose path cannot be a key.
    pub(super) fn side_key(&self, path: &Path) -> String {
        let digest = Id::of(path.as_os_str().as_bytes()).to_hex();
        format!("{}/files/{digest}", self.control())
    }
}

fn is_folder(name: &str) -> bool {
    validate_name(name.as_ref()).is_ok()
        && name.len() <= NAME_BYTES_MAX
        && name != CONTROL
        && !name.chars().any(char::is_control)
}

/// A folder name that follows from an id and from no other.
fn escaped(id: &str) -> String {
    let mut name = String::new();
    for byte in id.bytes() {
        let plain = byte.is_ascii_alphanumeric() || (matches!(byte, b'-' | b'_' | b'.') && !name.is_empty());
        match plain {
            true => name.push(char::from(byte)),
            false => name.push_str(&format!("={byte:02X}")),
        }
    }
    if name.len() > NAME_BYTES_MAX { format!("=={}", Id::of(id.as_bytes())) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workspace_has_one_space_and_no_two_share_one() {
        let space = |id: &str| Space::of_workspace(&id.parse().unwrap()).folder();
        assert_eq!(space("ada/lab"), "ada/lab");
        assert_eq!(space("/home/ada"), "_/=2Fhome=2Fada");
        assert_eq!(space("a/b/c"), "_/a=2Fb=2Fc");
        assert_eq!(space("_/x"), "_/=5F=2Fx");
        assert_eq!(space("ada/.."), "_/ada=2F..");
        assert_eq!(space(".."), "_/=2E.");
        assert_ne!(space(&format!("{}a", "/".repeat(300))), space(&format!("{}b", "/".repeat(300))));
        for (user, space) in
            [("", "x"), ("a", ".stillpoint"), ("..", "x"), ("a/b", "c"), ("_", "x"), ("a", "b\n")]
        {
            assert!(Space::new(user, space).is_err(), "{user:?}/{space:?}");
        }
    }

    #[test]
    fn only_timestamps_are_places() {
        let space = Space::new("ada", "lab").unwrap();
        for name in ["2026-01-31-18-30-05", "2026-01-31-18-30-05-2", "2026-01-31T18:30:05Z"] {
            let place = Place::named(&space, name).unwrap();
            assert_eq!(place.time().unwrap().to_string(), "2026-01-31T18:30:05.000Z");
            assert_eq!(Place::of_snapshot(&place.snapshot().unwrap()).unwrap(), place);
        }
        for name in ["", "..", "2026-01", "2026-01-31-18-30-05-x", ".stillpoint", "2026-01-31-18-30-05/a"] {
            assert_eq!(Place::named(&space, name), None, "{name:?}");
        }
        for id in ["0123456789abcdef", "ada/lab", "ada/lab/2026-01", "a/../2026-01-31-18-30-05"] {
            assert!(Place::of_snapshot(&id.parse().unwrap()).is_err(), "{id}");
        }
        let time = Timestamp::from_millis(0);
        assert_eq!(Place::at(&space, time, 1).folder(), "ada/lab/1970-01-01-00-00-00");
        assert_eq!(Place::at(&space, time, 3).folder(), "ada/lab/1970-01-01-00-00-00-3");
    }
}
