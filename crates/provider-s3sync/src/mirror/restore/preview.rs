//! What a restore of a timestamp would do, without doing it.

use std::path::{Path, PathBuf};

use stillpoint_core::{Error, ErrorKind, RestoreJob, Result};
use stillpoint_localfs::{Attributes, FileKind, Foresight, Preview};
use stillpoint_repository::Cancellation;
use tokio::runtime::Handle;

use super::existing::is_content_of;
use super::run::refused;
use super::{find_all, included, time_of};
use crate::error::blocking;
use crate::mirror::MirrorSource;
use crate::mirror::listing::Listing;
use crate::mirror::manifest::{Entry, Item};
use crate::mirror::place::Place;
use crate::path_text;
use crate::target;

/// The thread that looks.
struct Look {
    foresight: Foresight,
    include: Vec<PathBuf>,
    listing: Listing,
    runtime: Handle,
    stop: Cancellation,
    root: Option<Attributes>,
}

/// Answers where a restore job would write and what it would make of what stands there.
pub(in crate::mirror) async fn run(
    source: &MirrorSource,
    job: &RestoreJob,
    stop: Cancellation,
) -> Result<(PathBuf, Preview)> {
    let target = target::path_in(&job.destination)?;
    let point = source.whole(&Place::of_snapshot(&job.snapshot.id)?).await?;
    let include: Vec<PathBuf> = job.include.iter().map(|text| included(text)).collect();
    find_all(source, &point, &include).await?;
    let (place, extract) = target::foresee(job, target, time_of(&point)).await?;
    let (listing, runtime) = (Listing::new(source.store(), &point), Handle::current());
    blocking(move || {
        let foresight = Foresight::open(&place.path, &place.restore, extract).map_err(refused)?;
        let look = Look { foresight, include, listing, runtime, stop, root: None };
        Ok((place.path, look.run()?))
    })
    .await
}

impl Look {
    fn run(mut self) -> Result<Preview> {
        while let Some(item) = self.runtime.block_on(self.listing.next())? {
            if self.stop.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "nobody waits for the preview any more"));
            }
            match item {
                Item::Entry(entry) => self.entry(*entry),
                Item::Refused(issue) => {
                    self.foresight.damaged(&path_text::from_text(&issue.item), FileKind::File);
                }
            }
        }
        self.foresight.finish(self.root.as_ref(), self.include.is_empty()).map_err(refused)
    }

    fn entry(&mut self, entry: Entry) {
        let whole = self.include.is_empty();
        if entry.path.as_os_str().is_empty() {
            self.root = Some(entry.attributes()).filter(|_| whole);
            return;
        }
        let covered = whole || self.include.iter().any(|path| entry.path.starts_with(path));
        let leads_to = |path: &Path| self.include.iter().any(|chosen| chosen.starts_with(path));
        let wanted = covered || entry.kind == FileKind::Directory && leads_to(&entry.path);
        if !wanted {
            return;
        }
        let attributes = entry.attributes();
        match entry.kind {
            FileKind::Directory => {
                self.foresight.directory(&entry.path, &attributes, covered);
            }
            FileKind::File => {
                let is_right = |file: &mut _| is_content_of(&entry, file);
                self.foresight.file(&entry.path, entry.size, &attributes, entry.link(), is_right);
            }
            FileKind::Symlink => self.foresight.symlink(&entry.path, &entry.target, &attributes),
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice | FileKind::BlockDevice => {
                self.foresight.special(&entry.path, entry.kind, entry.special, &attributes);
            }
        }
    }
}
