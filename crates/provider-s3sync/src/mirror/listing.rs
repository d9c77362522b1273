//! What a whole timestamp holds, entry by entry, whoever made it.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use futures::stream::BoxStream;
use stillpoint_core::{Issue, Result};
use stillpoint_localfs::{FileKind, Timestamp, validate_path};
use stillpoint_repository::{PlainObject, Store};

use super::manifest::{Entry, Item, ManifestReader};
use super::place::Place;
use super::source::Point;
use crate::error::from_repository;

/// Entries of a timestamp as a stream. Those of ours come in path order; those of the sample script as the store lists
/// their objects, each directory before what is in it.
pub(crate) enum Listing {
    Manifest(Box<ManifestReader>),
    Objects(Box<Objects>),
    /// In memory and in path order.
    Sorted(VecDeque<Item>),
}

/// Objects that the sample script stored, as entries.
pub(crate) struct Objects {
    place: Place,
    objects: BoxStream<'static, stillpoint_repository::Result<PlainObject>>,
    /// Empty objects that may stand for folders, as consoles make them: a later key may lie below.
    held: VecDeque<PlainObject>,
    ready: VecDeque<PlainObject>,
    known: HashSet<PathBuf>,
    waiting: Vec<Item>,
}

impl Listing {
    pub(super) fn new(store: &Store, point: &Point) -> Self {
        match point {
            Point::Ours(place, completion) => {
                Self::Manifest(Box::new(ManifestReader::of_parts(store, place, &completion.parts)))
            }
            Point::Script(place) => {
                Self::Objects(Box::new(Objects::new(place, store.list_objects(&place.folder()))))
            }
        }
    }

    /// The next entry, or what is refused instead of one.
    ///
    /// # Errors
    /// The store's failure.
    pub(crate) async fn next(&mut self) -> Result<Option<Item>> {
        match self {
            Self::Manifest(manifest) => manifest.next().await,
            Self::Objects(objects) => objects.next().await,
            Self::Sorted(items) => Ok(items.pop_front()),
        }
    }
}

impl Objects {
    fn new(place: &Place, objects: BoxStream<'static, stillpoint_repository::Result<PlainObject>>) -> Self {
        Self {
            place: place.clone(),
            objects,
            held: VecDeque::new(),
            ready: VecDeque::new(),
            known: HashSet::new(),
            waiting: Vec::new(),
        }
    }

    async fn next(&mut self) -> Result<Option<Item>> {
        loop {
            if let Some(item) = self.waiting.pop() {
                return Ok(Some(item));
            }
            if let Some(object) = self.ready.pop_front() {
                self.queue(&object);
                continue;
            }
            match self.objects.try_next().await.map_err(from_repository)? {
                Some(object) => {
                    self.settle_held(&object.key);
                    let may_be_folder = object.size == 0 && !object.odd;
                    let list = if may_be_folder { &mut self.held } else { &mut self.ready };
                    list.push_back(object);
                }
                None if self.held.is_empty() => return Ok(None),
                None => self.ready.append(&mut self.held),
            }
        }
    }

    /// Lets go of empty objects that `next` tells about. One below which it lies is a folder and no entry. One that it
    /// lies behind is a file: keys come in the order of their bytes, but for those that end with a slash, which the client
    /// takes away: `data/` looks like `data` and comes before or behind `data.csv`.
    fn settle_held(&mut self, next: &str) {
        for object in std::mem::take(&mut self.held) {
            match next.strip_prefix(object.key.as_str()) {
                Some(below) if below.starts_with('/') => {}
                Some(_) => self.held.push_back(object),
                None if *next > *object.key => self.ready.push_back(object),
                None => self.held.push_back(object),
            }
        }
    }

    /// Queues the entry of an object behind the directories above it, last first.
    fn queue(&mut self, object: &PlainObject) {
        let folder = self.place.folder();
        let Some(key) = object.key.strip_prefix(&folder).and_then(|rest| rest.strip_prefix('/')) else {
            self.refuse(&object.key, "it does not lie in this timestamp");
            return;
        };
        // Consoles keep such objects to show empty folders; the sample script's tool passes them over, too.
        if key.is_empty()
            || (key.ends_with('/') && object.size == 0 && !object.odd)
            || object.key == self.place.script_mark()
        {
            return;
        }
        if object.odd {
            self.refuse(key, "its object cannot be asked for by such a name");
            return;
        }
        let path = PathBuf::from(key);
        if let Err(error) = validate_path(&path) {
            let why =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            self.refuse(key, &why);
            return;
        }
        let modified = object
            .modified
            .map_or_else(Timestamp::default, |time| Timestamp::new(time.seconds, time.nanoseconds));
        self.waiting.push(Item::Entry(Box::new(Entry::plain(
            path.clone(),
            FileKind::File,
            object.size,
            modified,
        ))));
        let mut above = path.parent();
        while let Some(directory) = above.filter(|path| *path != Path::new("")) {
            if !self.known.insert(directory.to_path_buf()) {
                break;
            }
            let entry = Entry::plain(directory.to_path_buf(), FileKind::Directory, 0, modified);
            self.waiting.push(Item::Entry(Box::new(entry)));
            above = directory.parent();
        }
    }

    fn refuse(&mut self, key: &str, why: &str) {
        self.waiting.push(Item::Refused(Issue::new("refused", key.escape_default().to_string(), why)));
    }
}

/// Where the content of a file lies.
pub(crate) fn content_key(place: &Place, entry: &Entry) -> Option<String> {
    if entry.apart { Some(place.side_key(&entry.path)) } else { place.plain_key(&entry.path) }
}

/// A listing in path order; what is refused comes first. Ours are in order already; the keys of the sample script's are
/// sorted in memory.
///
/// # Errors
/// The store's failure.
pub(crate) async fn in_order(store: &Store, point: &Point) -> Result<Listing> {
    let mut listing = Listing::new(store, point);
    if !matches!(listing, Listing::Objects(_)) {
        return Ok(listing);
    }
    let mut items = Vec::new();
    while let Some(item) = listing.next().await? {
        items.push(item);
    }
    items.sort_by(|one, other| path_of(one).cmp(&path_of(other)));
    Ok(Listing::Sorted(items.into()))
}

fn path_of(item: &Item) -> Option<&Path> {
    match item {
        Item::Entry(entry) => Some(&entry.path),
        Item::Refused(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use stillpoint_repository::Timestamp as Stored;

    use super::*;
    use crate::mirror::Space;

    async fn of(keys: &[&str]) -> (Vec<String>, Vec<Issue>) {
        let place = Place::named(&Space::new("ada", "lab").unwrap(), "2026-01-31-18-30-05").unwrap();
        let object = |key: &str| match (key.strip_suffix(" (empty)"), key.strip_suffix(" (odd)")) {
            (Some(key), _) => PlainObject::new(key, 0, Some(Stored::new(5, 6))),
            (_, Some(key)) => PlainObject::odd(key),
            (None, None) => PlainObject::new(key, 1, Some(Stored::new(5, 6))),
        };
        let objects: Vec<_> = keys.iter().copied().map(|key| Ok(object(key))).collect();
        let mut objects = Objects::new(&place, futures::stream::iter(objects).boxed());
        let (mut entries, mut refused) = (Vec::new(), Vec::new());
        while let Some(item) = objects.next().await.unwrap() {
            match item {
                Item::Entry(entry) => entries.push(entry.path.to_str().unwrap().to_owned()),
                Item::Refused(issue) => refused.push(issue),
            }
        }
        (entries, refused)
    }

    #[tokio::test]
    async fn directories_come_before_what_is_in_them_and_once() {
        let (entries, refused) = of(&[
            "ada/lab/2026-01-31-18-30-05/a/b/c.txt",
            "ada/lab/2026-01-31-18-30-05/a/d.txt",
            "ada/lab/2026-01-31-18-30-05/2026-01-31-18-30-05_BACKUP_COMPLETE",
        ])
        .await;
        assert_eq!(entries, ["a", "a/b", "a/b/c.txt", "a/d.txt"]);
        assert!(refused.is_empty(), "{refused:?}");
    }

    #[tokio::test]
    async fn folders_that_a_console_made_are_no_files_whatever_sorts_between() {
        let keys = ["a/data (empty)", "a/data-old", "a/data.csv", "a/data/x", "a/empty (empty)", "b (empty)"];
        let keys = keys.map(|key| format!("ada/lab/2026-01-31-18-30-05/{key}"));
        let (entries, refused) = of(&keys.each_ref().map(String::as_str)).await;
        assert_eq!(entries, ["a", "a/data-old", "a/data.csv", "a/data", "a/data/x", "a/empty", "b"]);
        assert!(refused.is_empty(), "{refused:?}");
    }

    #[tokio::test]
    async fn hostile_keys_are_refused_one_by_one() {
        let hostile =
            ["../../etc/passwd", "/etc/passwd", "a//b", "a/./b", "a/../../b", "nul\0", "..", "a/b/"];
        for key in hostile {
            let key = format!("ada/lab/2026-01-31-18-30-05/{key}");
            let (entries, refused) = of(&[&key, "ada/lab/2026-01-31-18-30-05/good"]).await;
            assert_eq!((entries.as_slice(), refused.len()), (&["good".to_owned()][..], 1), "{key:?}");
        }
        let (entries, refused) = of(&["ada/lab/2026-01-31-18-30-06/x", "elsewhere"]).await;
        assert_eq!((entries.len(), refused.len()), (0, 2));
    }

    #[tokio::test]
    async fn an_object_that_cannot_be_asked_for_is_refused_and_never_an_empty_file() {
        let keys = ["a (empty)", "a//b (odd)", "c\td.txt (odd)", "e/ (odd)", "f"];
        let keys = keys.map(|key| format!("ada/lab/2026-01-31-18-30-05/{key}"));
        let (entries, refused) = of(&keys.each_ref().map(String::as_str)).await;
        let refused: Vec<_> = refused.iter().map(|issue| issue.item.as_str()).collect();
        assert_eq!((entries, refused), (vec!["f".to_owned()], vec!["a//b", "c\\td.txt", "e/"]));
    }
}
