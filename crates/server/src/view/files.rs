//! The files in a backup, folder by folder.

use serde::Deserialize;
use stillpoint_core::{BackupRecord, ComponentRecord, Error, ErrorKind, OpContext, Result, SnapshotRef};
use utoipa::IntoParams;

use crate::access::Caller;
use crate::document::{FileItem, FilePage};
use crate::plane::ControlPlane;

/// Which files to list.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileFilter {
    /// The component; without it the only one that holds files.
    pub(crate) component: Option<String>,
    /// The folder, without a leading slash; without it the root.
    pub(crate) path: Option<String>,
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

impl ControlPlane {
    /// One page of the entries of a folder in a backup.
    ///
    /// # Errors
    /// `NotFound` where there is no such backup, component or folder that `caller` may see; `Unsupported` where the
    /// provider cannot list files; `InvalidInput` where several components could be meant.
    pub(crate) async fn files(&self, caller: &Caller, backup: &str, filter: &FileFilter) -> Result<FilePage> {
        let record = self.backup(caller, backup).await?;
        let (component, reference) = component(&record, filter.component.as_deref())?;
        let provider = self.providers().iter().find(|provider| *provider.id() == reference.provider);
        let provider = provider.ok_or_else(|| {
            let message =
                format!("the snapshot is kept by {}, which this server does not have", reference.provider);
            Error::new(ErrorKind::Unsupported, message)
        })?;
        let cx = OpContext::new(self.shared_clock());
        let snapshot = provider.open(&cx, reference).await?;
        let path = filter.path.as_deref().unwrap_or_default().trim_matches('/');
        let page = snapshot.entries(&cx, path, filter.after.as_deref()).await?;
        Ok(FilePage {
            component: component.component.id.to_string(),
            entries: page.entries.into_iter().map(FileItem::new).collect(),
            next: page.next,
        })
    }
}

/// The component that is meant, and its snapshot.
fn component<'a>(
    record: &'a BackupRecord,
    wanted: Option<&str>,
) -> Result<(&'a ComponentRecord, &'a SnapshotRef)> {
    let with_snapshot =
        record.components.iter().filter_map(|component| Some((component, component.snapshot.as_ref()?)));
    let mut found =
        with_snapshot.filter(|(component, _)| wanted.is_none_or(|id| component.component.id.as_str() == id));
    let first = found.next().ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("backup {} holds no such component", record.id))
    })?;
    match found.next() {
        None => Ok(first),
        Some(_) => Err(Error::new(ErrorKind::InvalidInput, "the backup has several components; name one")),
    }
}
