//! The end of an extraction: durable first, then no longer marked as unfinished.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::PoisonError;

use rustix::fs::XattrFlags;

use super::target::{FINISHING_ATTRIBUTE, Target};
use super::{Landing, Warning};
use crate::attributes::Attributes;
use crate::error::{Error, Operation, Result};
use crate::itemised::Itemised;
use crate::metadata::FileKind;

/// What a finished extraction has to say.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ExtractReport {
    /// Differences between the snapshot and what stands on disk.
    pub warnings: Itemised<Warning>,
}

impl Target {
    pub(super) fn finish(&self, root: Option<&Attributes>) -> Result<ExtractReport> {
        let sync = |source| Error::io(Operation::Sync, &self.path, source);
        let root = root.filter(|_| self.root_is_ours());
        self.put_modes_back();
        self.sync()?;
        self.leave_mounts()?;
        self.staging.clear(&[])?;
        // Removing the marker changes the target's time, so the target's own attributes come after it. This stamp
        // tells a run that is started in between that the target is this restore's.
        let stamp = || {
            rustix::fs::fsetxattr(&self.root, FINISHING_ATTRIBUTE, self.id.as_bytes(), XattrFlags::empty())
        };
        let fills_target = matches!(self.options.landing, Landing::EmptyTarget | Landing::Continue);
        let stamped = fills_target && root.is_some() && stamp().is_ok();
        self.staging.remove()?;
        if let Some(attributes) = root {
            let unwritable = attributes.mode & 0o200 == 0 && !rustix::process::geteuid().is_root();
            if stamped && unwritable {
                self.remove_stamp()?;
            }
            self.settle(self.root.as_fd(), FileKind::Directory, Path::new(""), attributes);
            if stamped && !unwritable {
                rustix::fs::fsync(&self.root).map_err(sync)?;
                self.remove_stamp()?;
            }
        }
        // Nothing tells a later run any more that the target is this restore's, so nothing may fail any more. All content
        // is on disk; only that the marks are gone might not be.
        if let Err(error) = rustix::fs::fsync(&self.root) {
            tracing::warn!(target = ?self.path, %error, "the end of the restore may not be on disk yet");
        }
        let warnings = std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(ExtractReport { warnings })
    }

    fn remove_stamp(&self) -> Result<()> {
        rustix::fs::fremovexattr(&self.root, FINISHING_ATTRIBUTE)
            .map_err(|source| Error::io(Operation::SetAttributes, &self.path, source))
    }
}
