//! Driving a restore: directories first, files many at once, then links, then the attributes of directories.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stillpoint_core::{Error, ErrorKind, JobStatus, Result, Retry};
use stillpoint_localfs::{Attributes, ExtractOptions, Extractor, FileKind, Landing};
use stillpoint_repository::{Progress, Store};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::content::{Shared, full};
use super::existing::Standing;
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
    pub(super) shared: Arc<Shared>,
    pub(super) landing: Landing,
    include: Vec<PathBuf>,
    listing: Listing,
    runtime: Handle,
    running: VecDeque<JoinHandle<Result<()>>>,
    /// The first name of each file with several, and the names still to be made.
    first: HashMap<(u64, u64), PathBuf>,
    further: Vec<Entry>,
    symlinks: Vec<Entry>,
    /// Every directory with its attributes, parents first.
    directories: Vec<(PathBuf, Attributes)>,
    root: Option<Attributes>,
}

/// Runs a restore on a thread that may block.
pub(super) async fn run(store: Store, plan: Plan, reporter: Arc<Reporter>) -> Result<JobStatus> {
    let runtime = Handle::current();
    blocking(move || {
        let landing = plan.extract.landing;
        let extractor = Extractor::open(&plan.target, &plan.id, plan.extract).map_err(refused)?;
        let listing = Listing::new(&store, &plan.point);
        let shared = Shared::new(store, plan.point.place().clone(), extractor, reporter);
        let driver = Driver {
            shared: Arc::new(shared),
            landing,
            include: plan.include,
            listing,
            runtime,
            running: VecDeque::new(),
            first: HashMap::new(),
            further: Vec::new(),
            symlinks: Vec::new(),
            directories: Vec::new(),
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
        self.make_symlinks()?;
        self.finish_directories();
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
            FileKind::Directory => self.directory(&entry),
            FileKind::File => self.file(entry),
            FileKind::Symlink => {
                self.symlinks.push(entry);
                Ok(())
            }
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice | FileKind::BlockDevice => {
                self.special(&entry)
            }
        }
    }

    fn directory(&mut self, entry: &Entry) -> Result<()> {
        let Some(made) = self.attempt(entry, self.shared.extractor.create_directory(&entry.path))? else {
            return Ok(());
        };
        add(&self.shared.totals.directories, 1);
        // A directory that stands and is kept keeps its own owner, mode and times. One that an earlier run of this
        // restore made cannot be told from it, so after an interruption all get theirs.
        if made || !self.keeps_what_stands() || self.shared.extractor.resumed() {
            self.directories.push((entry.path.clone(), entry.attributes()));
        }
        Ok(())
    }

    fn file(&mut self, entry: Entry) -> Result<()> {
        if let Some(link) = entry.link() {
            if self.first.contains_key(&link) {
                self.further.push(entry);
                return Ok(());
            }
            self.first.insert(link, entry.path.clone());
        }
        match self.attempt(&entry, self.standing(&entry))? {
            None => {}
            Some(Standing::Complete(id)) => {
                add(&self.shared.totals.unchanged, 1);
                self.shared.stands(&entry, id);
                self.shared.reporter.meter.advanced(entry.size);
                self.shared.reporter.meter.finished(1);
            }
            Some(Standing::Taken) => {
                self.shared.totals.kept(&entry.path);
                self.shared.reporter.meter.finished(1);
            }
            Some(Standing::Free) => {
                while self.running.len() >= FILES_AHEAD {
                    self.wait_for_oldest()?;
                }
                let shared = Arc::clone(&self.shared);
                self.running.push_back(self.runtime.spawn(shared.file(entry)));
            }
        }
        Ok(())
    }

    fn wait_for_oldest(&mut self) -> Result<()> {
        let Some(oldest) = self.running.pop_front() else { return Ok(()) };
        self.runtime.block_on(oldest).map_err(from_join)?
    }

    fn special(&self, entry: &Entry) -> Result<()> {
        let extractor = &self.shared.extractor;
        let created = match self.special_stands(entry) {
            Ok(true) => Ok(true),
            Ok(false) => {
                extractor.create_special(&entry.path, entry.kind, entry.special, &entry.attributes())
            }
            Err(error) => Err(error),
        };
        // Where it may not be created the extractor has a warning for it.
        if self.attempt(entry, created)? == Some(false) {
            add(&self.shared.totals.skipped, 1);
        }
        Ok(())
    }

    /// Makes the further names of files that were written under their first one.
    fn link_files(&mut self) -> Result<()> {
        for entry in std::mem::take(&mut self.further) {
            let link =
                entry.link().and_then(|link| Some((self.shared.linked(link)?, self.first.get(&link)?)));
            match link {
                Some((id, original)) => {
                    let made = self.shared.extractor.create_hard_link(&entry.path, original, id);
                    if self.attempt(&entry, made)?.is_some() {
                        add(&self.shared.totals.hard_links, 1);
                    }
                }
                None => {
                    self.shared.totals.skip("skipped", &entry.path, "its first name was not restored");
                }
            }
            self.shared.reporter.meter.finished(1);
        }
        Ok(())
    }

    fn make_symlinks(&mut self) -> Result<()> {
        for entry in std::mem::take(&mut self.symlinks) {
            let made = match self.special_stands(&entry) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    self.shared.extractor.create_symlink(&entry.path, &entry.target, &entry.attributes())
                }
                Err(error) => Err(error),
            };
            if self.attempt(&entry, made)?.is_some() {
                add(&self.shared.totals.symlinks, 1);
            }
        }
        Ok(())
    }

    fn finish_directories(&mut self) {
        for (path, attributes) in std::mem::take(&mut self.directories).into_iter().rev() {
            let set = self.shared.extractor.set_directory_attributes(&path, &attributes);
            if let Err(error) = set {
                self.shared.totals.skip("metadata", &path, error.to_string());
            }
        }
    }

    /// Turns the failure of one entry into an issue, and a full disk into the end of the restore. What stands in the
    /// way of a restore that keeps what stands is no issue.
    fn attempt<T>(&self, entry: &Entry, outcome: stillpoint_localfs::Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_storage_full() => Err(full(error)),
            Err(stillpoint_localfs::Error::AlreadyExists { .. }) if self.keeps_what_stands() => {
                self.shared.totals.kept(&entry.path);
                Ok(None)
            }
            Err(error) => {
                self.shared.unwritten(entry, &error);
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
fn refused(error: stillpoint_localfs::Error) -> Error {
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
