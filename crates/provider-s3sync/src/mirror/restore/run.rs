//! Driving a restore: directories first, files many at once, then links, then the attributes of directories.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stillpoint_core::{Error, ErrorKind, JobStatus, Result, Retry};
use stillpoint_localfs::{
    Attributes, EntryId, ExtractOptions, Extractor, FileKind, HardLinks, Landing, LinkKey, Names, SharedFile,
    Standing, Unfinished,
};
use stillpoint_repository::Store;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::content::{Shared, full};
use super::existing::is_content_of;
use super::totals::add;
use crate::error::{blocking, from_join};
use crate::jobs::Reporter;
use crate::mirror::listing::Listing;
use crate::mirror::manifest::{Entry, Item};
use crate::mirror::source::Point;

/// Files begun and not yet finished.
const FILES_AHEAD: usize = 256;

/// What is to be restored, and where.
pub(super) struct Plan {
    pub(super) point: Point,
    /// Paths that are restored with everything below; empty for all.
    pub(super) include: Vec<PathBuf>,
    pub(super) target: PathBuf,
    /// The restore's name.
    pub(super) id: String,
    pub(super) extract: ExtractOptions,
}

/// The thread that drives a restore.
pub(super) struct Driver {
    shared: Arc<Shared>,
    landing: Landing,
    include: Vec<PathBuf>,
    listing: Listing,
    runtime: Handle,
    running: VecDeque<JoinHandle<Result<()>>>,
    names: Names,
    links: HardLinks<EntryId>,
    /// Every directory, parents first.
    directories: Unfinished,
    root: Option<Attributes>,
}

/// Runs a restore on a thread that may block.
pub(super) async fn run(store: Store, plan: Plan, reporter: Arc<Reporter>) -> Result<JobStatus> {
    let runtime = Handle::current();
    blocking(move || {
        let landing = plan.extract.landing;
        let extractor = Extractor::open(&plan.target, &plan.id, plan.extract).map_err(refused)?;
        let listing = Listing::new(&store, &plan.point);
        let (names, directories) = (extractor.names(), extractor.unfinished());
        let shared = Shared::new(store, plan.point.place().clone(), extractor, reporter);
        let driver = Driver {
            shared: Arc::new(shared),
            landing,
            include: plan.include,
            listing,
            runtime,
            running: VecDeque::new(),
            names,
            links: HardLinks::default(),
            directories,
            root: None,
        };
        driver.run()
    })
    .await
}

impl Driver {
    fn run(mut self) -> Result<JobStatus> {
        while let Some(item) = self.next()? {
            match item {
                Item::Entry(entry) => self.entry(*entry)?,
                Item::Refused(issue) => {
                    add(&self.shared.totals.skipped, 1);
                    self.shared.totals.issue(issue);
                }
            }
        }
        while !self.running.is_empty() {
            self.wait_for_oldest()?;
        }
        self.link_files()?;
        self.finish_directories()?;
        let root = self.root.take().filter(|_| self.landing != Landing::Merge);
        let shared = Arc::clone(&self.shared);
        drop(self);
        let shared = Arc::into_inner(shared)
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, "transfers are still running"))?;
        let report = shared.extractor.finish(root.as_ref()).map_err(refused)?;
        Ok(shared.totals.into_status(&report))
    }

    fn next(&mut self) -> Result<Option<Item>> {
        let (listing, reporter) = (&mut self.listing, &self.shared.reporter);
        self.runtime.block_on(reporter.unless_cancelled(listing.next()))
    }

    fn entry(&mut self, entry: Entry) -> Result<()> {
        if entry.path.as_os_str().is_empty() {
            self.root = Some(entry.attributes()).filter(|_| self.include.is_empty());
            return Ok(());
        }
        let covered = self.include.is_empty() || self.include.iter().any(|path| entry.path.starts_with(path));
        let leads_to = || self.include.iter().any(|path| path.starts_with(&entry.path));
        let wanted = covered || entry.kind == FileKind::Directory && leads_to();
        if !wanted {
            return Ok(());
        }
        match entry.kind {
            FileKind::Directory => self.directory(&entry, covered),
            FileKind::File => self.file(entry),
            FileKind::Symlink => self.symlink(&entry),
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice | FileKind::BlockDevice => {
                self.special(&entry)
            }
        }
    }

    fn directory(&mut self, entry: &Entry, covered: bool) -> Result<()> {
        let made = match covered {
            true => self.shared.extractor.create_directory(&entry.path),
            false => self.shared.extractor.pass_through(&entry.path),
        };
        let Some(ours) = self.attempt(&entry.path, made)? else { return Ok(()) };
        add(&self.shared.totals.directories, 1);
        // A directory that stands and is kept keeps its own owner, mode and times.
        if ours {
            let directory = self.name(&entry.path)?;
            self.directories.push(directory, &entry.attributes()).map_err(refused)?;
        }
        Ok(())
    }

    fn file(&mut self, entry: Entry) -> Result<()> {
        let link = entry.link();
        if let Some(link) = link.filter(|link| self.links.is_carried(link)) {
            let name = self.name(&entry.path)?;
            self.links.add(link, name);
            self.shared.passed(entry.size);
            return Ok(());
        }
        let (attributes, shared) = (entry.attributes(), Arc::clone(&self.shared));
        let is_right = |file: &mut _| is_content_of(&entry, file);
        let standing = self.shared.extractor.file_stands(&entry.path, entry.size, &attributes, is_right);
        let Some(standing) = self.attempt(&entry.path, standing)? else {
            shared.passed(entry.size);
            return Ok(());
        };
        let carries = matches!(standing, Standing::Free | Standing::Complete(_));
        if let Some(link) = link.filter(|_| carries) {
            let name = self.name(&entry.path)?;
            self.links.carry(link, name);
        }
        match standing {
            Standing::Complete(id) => {
                add(&shared.totals.unchanged, 1);
                shared.stands(&entry, id);
                shared.passed(entry.size);
            }
            Standing::Shared(file) => {
                shared.passed(entry.size);
                self.stands_shared(&entry, link, file, &attributes)?;
            }
            Standing::Taken => {
                self.taken(&entry.path, "something else stands there and was kept");
                shared.passed(entry.size);
            }
            Standing::Free => {
                while self.running.len() >= FILES_AHEAD {
                    self.wait_for_oldest()?;
                }
                self.running.push_back(self.runtime.spawn(shared.file(entry)));
            }
        }
        Ok(())
    }

    /// Notes a name under which the right content stands beside other names, and takes the file over with its last one.
    fn stands_shared(
        &mut self,
        entry: &Entry,
        link: Option<LinkKey>,
        file: SharedFile,
        attributes: &Attributes,
    ) -> Result<()> {
        let Some(link) = link else {
            self.stands_foreign(&entry.path, file.is_right());
            return Ok(());
        };
        let name = self.name(&entry.path)?;
        let Some((first, names)) = self.links.stands(link, name, file) else { return Ok(()) };
        let first = self.path(first)?;
        let adopted = self.shared.extractor.adopt_shared(&first, file, attributes);
        if let Some(id) = self.attempt(&first, adopted)? {
            add(&self.shared.totals.unchanged, 1);
            add(&self.shared.totals.hard_links, names.saturating_sub(1));
            self.shared.stands(entry, id);
        }
        Ok(())
    }

    /// Counts a name of a file that has others outside of the target.
    fn stands_foreign(&self, path: &Path, is_right: bool) {
        match is_right {
            true => add(&self.shared.totals.unchanged, 1),
            false => self.taken(path, "the file has a name outside of the target and was kept as it was"),
        }
    }

    /// Notes what was kept: as was asked for, or in the way of what was.
    fn taken(&self, path: &Path, why: &str) {
        match self.shared.extractor.keeps_what_stands() {
            true => self.shared.totals.kept(path),
            false => self.shared.totals.skip("conflict", path, why),
        }
    }

    fn wait_for_oldest(&mut self) -> Result<()> {
        let Some(oldest) = self.running.pop_front() else { return Ok(()) };
        self.runtime.block_on(oldest).map_err(from_join)?
    }

    fn special(&self, entry: &Entry) -> Result<()> {
        let extractor = &self.shared.extractor;
        let attributes = entry.attributes();
        let created = match extractor.special_stands(&entry.path, entry.kind, entry.special, &attributes) {
            Ok(true) => Ok(true),
            Ok(false) => extractor.create_special(&entry.path, entry.kind, entry.special, &attributes),
            Err(error) => Err(error),
        };
        // Where it may not be created the extractor has a warning for it.
        if self.attempt(&entry.path, created)? == Some(false) {
            add(&self.shared.totals.skipped, 1);
        }
        Ok(())
    }

    /// Makes the further names of files that were written under their first one.
    fn link_files(&mut self) -> Result<()> {
        for (name, is_right) in self.links.take_foreign() {
            self.stands_foreign(&self.path(name)?, is_right);
        }
        for (name, key) in self.links.take_further() {
            let path = self.path(name)?;
            match self.links.carrier(&key).zip(self.shared.linked(key)) {
                Some((carrier, id)) => {
                    let original = self.path(*carrier)?;
                    let made = self.shared.extractor.create_hard_link(&path, &original, id);
                    if self.attempt(&path, made)?.is_some() {
                        add(&self.shared.totals.hard_links, 1);
                    }
                }
                None => {
                    self.shared.totals.skip("skipped", &path, "its first name was not restored");
                }
            }
        }
        Ok(())
    }

    fn symlink(&self, entry: &Entry) -> Result<()> {
        let (extractor, attributes) = (&self.shared.extractor, entry.attributes());
        let made = match extractor.link_stands(&entry.path, &entry.target, &attributes) {
            Ok(true) => Ok(()),
            Ok(false) => extractor.create_symlink(&entry.path, &entry.target, &attributes),
            Err(error) => Err(error),
        };
        if self.attempt(&entry.path, made)?.is_some() {
            add(&self.shared.totals.symlinks, 1);
        }
        Ok(())
    }

    fn finish_directories(&mut self) -> Result<()> {
        while let Some((directory, attributes)) = self.directories.pop().map_err(refused)? {
            let path = self.path(directory)?;
            let set = self.shared.extractor.set_directory_attributes(&path, &attributes);
            if let Err(error) = set {
                self.shared.totals.skip("metadata", &path, error.to_string());
            }
        }
        Ok(())
    }

    /// Notes a path that is to be come back to.
    fn name(&mut self, path: &Path) -> Result<EntryId> {
        self.names.add(EntryId::TARGET, path.as_os_str()).map_err(refused)
    }

    fn path(&self, name: EntryId) -> Result<PathBuf> {
        self.names.path(name).map_err(refused)
    }

    /// Turns the failure of one entry into an issue, and a full disk into the end of the restore. What stands in the
    /// way of a restore that keeps what stands is no issue.
    fn attempt<T>(&self, path: &Path, outcome: stillpoint_localfs::Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_storage_full() => Err(full(error)),
            Err(stillpoint_localfs::Error::AlreadyExists { .. })
                if self.shared.extractor.keeps_what_stands() =>
            {
                self.shared.totals.kept(path);
                Ok(None)
            }
            Err(error) => {
                self.shared.unwritten(path, &error);
                Ok(None)
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for running in &self.running {
            running.abort();
        }
    }
}

/// What a refusal of the target as a whole means.
pub(super) fn refused(error: stillpoint_localfs::Error) -> Error {
    use stillpoint_localfs::Error as Local;
    let kind = match &error {
        _ if error.is_storage_full() => return full(error),
        _ if error.is_permission_denied() => ErrorKind::PermissionDenied,
        Local::TargetNotEmpty { .. } | Local::TargetHeld { .. } | Local::TargetBusy { .. } => {
            ErrorKind::AlreadyExists
        }
        Local::NotADirectory { .. } | Local::InvalidRestoreId { .. } => ErrorKind::InvalidInput,
        _ => ErrorKind::Unavailable,
    };
    let path = error.path().unwrap_or(Path::new("")).to_path_buf();
    Error::new(kind, error.to_string())
        .with_retry(Retry::Never)
        .with("path", path.display())
        .with_source(error)
}
