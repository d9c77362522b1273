//! What a restore into a directory would do, told before anybody asks for it.

use std::path::PathBuf;

use stillpoint_core::{
    BackupRecord, ComponentId, JobKey, ProvisionRequest, RestoreJob, RestoreRequest, Result,
};
use stillpoint_localfs::Preview;
use stillpoint_repository::Cancellation;

use super::S3SyncProvider;
use crate::provisioner::Destinations;

/// What a restore would make of the directory of one component.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestorePreview {
    /// The component.
    pub component: ComponentId,
    /// The directory that would be written into. A landing beside what is there has a folder of its own.
    pub target: PathBuf,
    /// What would become of the entries there.
    pub preview: Preview,
}

/// Asks a look to stop when nobody waits for it any more.
struct StopOnDrop(Cancellation);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl S3SyncProvider {
    /// Says what the restore `request` of `backup` by [`DirectoryProvisioner`](crate::DirectoryProvisioner) would make of
    /// each entry, for every component that this provider keeps. It decides by the code of the restore itself, and changes
    /// nothing, neither at the target nor in the store. What is written meanwhile, by whomever, makes it wrong.
    ///
    /// It reads of the target what the restore would read: the content of files whose size and time are the backup's.
    /// Dropping the future stops it.
    ///
    /// # Errors
    /// `InvalidInput` for a request that names no path, or a component or path that the backup lacks; `AlreadyExists`
    /// where the restore would be refused its target; the store's failure.
    pub async fn preview_restore(
        &self,
        request: &RestoreRequest,
        backup: &BackupRecord,
    ) -> Result<Vec<RestorePreview>> {
        let stop = StopOnDrop(Cancellation::new());
        let backup = request.narrowed(backup.clone())?;
        let destinations = Destinations::of(&ProvisionRequest::new(request.clone(), backup.clone()))?;
        let mut previews = Vec::new();
        for place in &destinations.places {
            let found = backup.components.iter().find(|record| record.component.id == place.component);
            let Some((record, snapshot)) = found.and_then(|found| Some((found, found.snapshot.as_ref()?)))
            else {
                continue;
            };
            if snapshot.provider != self.id {
                continue;
            }
            self.layout.is_here(snapshot).await?;
            let key = JobKey::new(request.id.clone(), place.component.clone(), 1);
            let (component, target) = (record.component.clone(), request.target.clone());
            let settings = place.settings(&request.settings)?;
            let mut job = RestoreJob::new(key, snapshot.clone(), component, target, settings);
            (job.include, job.landing) = (request.include.clone(), request.landing);
            let (target, preview) = self.layout.preview(&job, stop.0.clone()).await?;
            previews.push(RestorePreview { component: place.component.clone(), target, preview });
        }
        Ok(previews)
    }
}
