//! What lists of backups are sorted by, and the cursors of sorted lists.

use std::str::FromStr;

use crate::catalog::{BackupRecord, cursor_after};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// What a list of backups is sorted by. Backups that are alike in it are in the order of time and id.
///
/// ```
/// use stillpoint_core::BackupSort;
///
/// assert_eq!("size".parse::<BackupSort>().unwrap(), BackupSort::Size);
/// assert!("colour".parse::<BackupSort>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BackupSort {
    /// By when it was begun.
    #[default]
    Created,
    /// By its name, in the order of code points; one without a name has the empty one.
    Name,
    /// By its workspace's id.
    Workspace,
    /// By the word of its state.
    State,
    /// By how much it holds.
    Size,
    /// By how much it added to the storage.
    Added,
}

impl BackupSort {
    /// Every order.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Name, Self::Workspace, Self::State, Self::Size, Self::Added];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Name => "name",
            Self::Workspace => "workspace",
            Self::State => "state",
            Self::Size => "size",
            Self::Added => "added",
        }
    }
}

impl FromStr for BackupSort {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == word).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            Error::new(
                ErrorKind::InvalidInput,
                format!("backups are not sorted by {word:?}; there is {words}"),
            )
        })
    }
}

/// The place of a backup in a sorted list: places of one order compare as the backups stand in it. As text it is the
/// cursor after that backup, and every catalog's cursors of backups have this form.
///
/// ```
/// use stillpoint_core::{BackupPlace, BackupRecord, BackupSort, Definition, Timestamp};
///
/// let made = Timestamp::from_millis(5);
/// let definition = Definition::new("ada".parse().unwrap());
/// let mut backup = BackupRecord::new("b-1".parse().unwrap(), "op".parse().unwrap(), definition, made);
/// backup.name = Some("before: 1".into());
/// let place = BackupPlace::of(BackupSort::Name, &backup);
/// assert_eq!(BackupPlace::parse(BackupSort::Name, &place.cursor()).unwrap(), place);
/// assert!(BackupPlace::parse(BackupSort::Size, &place.cursor()).is_err(), "it is of another order");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct BackupPlace {
    /// What the list is sorted by, where that is a number; never more than a database's integers hold.
    pub number: i64,
    /// What the list is sorted by, where that is a text.
    pub text: String,
    /// When the backup was begun.
    pub created_at: Timestamp,
    /// The backup's id.
    pub id: String,
    /// The order; the same in all places that are compared.
    pub sort: BackupSort,
}

impl BackupPlace {
    /// The place of `backup`.
    pub fn of(sort: BackupSort, backup: &BackupRecord) -> Self {
        let mut place = Self::at(sort, backup.created_at, backup.id.as_str());
        match sort {
            BackupSort::Created => {}
            BackupSort::Name => place.text = backup.name.clone().unwrap_or_default(),
            BackupSort::Workspace => place.text = backup.workspace.to_string(),
            BackupSort::State => place.text = backup.state.as_str().to_owned(),
            BackupSort::Size => place.number = sortable(backup.size_bytes),
            BackupSort::Added => place.number = sortable(backup.added_bytes),
        }
        place
    }

    /// The place of what has this time and id, as far as they decide it.
    pub fn at(sort: BackupSort, created_at: Timestamp, id: impl Into<String>) -> Self {
        Self { number: 0, text: String::new(), created_at, id: id.into(), sort }
    }

    /// The cursor after this place. That of a list by time is [`cursor_after`].
    pub fn cursor(&self) -> String {
        let after = cursor_after(self.created_at, &self.id);
        match self.sort {
            BackupSort::Created => after,
            sort => format!("{}:{}:{}:{}{after}", sort.as_str(), self.number, self.text.len(), self.text),
        }
    }

    /// The place that a cursor of a list in this order names.
    ///
    /// # Errors
    /// `InvalidInput` for a text that is no cursor, or that of another order.
    pub fn parse(sort: BackupSort, cursor: &str) -> Result<Self> {
        Self::read(sort, cursor).ok_or_else(|| {
            let message = "this is not a cursor of the catalog's lists in that order";
            Error::new(ErrorKind::InvalidInput, message)
        })
    }

    fn read(sort: BackupSort, cursor: &str) -> Option<Self> {
        let (mut number, mut text, mut after) = (0, "", cursor);
        if sort != BackupSort::Created {
            let rest = cursor.strip_prefix(sort.as_str())?.strip_prefix(':')?;
            let (told, rest) = rest.split_once(':')?;
            let (length, rest) = rest.split_once(':')?;
            number = told.parse().ok()?;
            (text, after) = rest.split_at_checked(length.parse().ok()?)?;
        }
        let (millis, id) = after.split_once(':')?;
        let created_at = Timestamp::from_millis(millis.parse().ok()?);
        Some(Self { number, text: text.to_owned(), created_at, id: id.to_owned(), sort })
    }
}

/// A number of bytes as databases keep it. Nobody has so many.
fn sortable(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_keeps_what_it_names_whatever_letters_are_in_it() {
        for sort in BackupSort::ALL {
            for (text, id) in [("", "a:b"), ("1:2:x:-5:", ":"), ("\u{fc}ber\n", "\u{d7ff}")] {
                let mut place = BackupPlace::at(sort, Timestamp::from_millis(-5), id);
                if sort != BackupSort::Created {
                    (place.number, place.text) = (i64::MAX, text.to_owned());
                }
                assert_eq!(BackupPlace::parse(sort, &place.cursor()).unwrap(), place);
            }
        }
    }

    #[test]
    fn what_is_no_cursor_of_the_order_is_refused() {
        let broken = ["", "7", "x:a", ":a", "name:0:9:ada5:b", "name:0:2:\u{20ac}5:b", "size:x:0:5:b", "5:b"];
        for sort in BackupSort::ALL {
            for cursor in broken {
                let good = sort == BackupSort::Created && cursor == "5:b";
                assert_eq!(BackupPlace::parse(sort, cursor).is_ok(), good, "{cursor:?} by {}", sort.as_str());
            }
        }
    }
}
