//! Restores on the fake: captured first, then started, followed and finished.

use std::sync::Arc;

use serde_json::Value;
use stillpoint_core::{
    Component, JobKey, JobRef, JobRequest, JobState, JobStatus, Provider, Readiness, RestoreJob,
    RestoredResource, Settings, SnapshotRef,
};
use stillpoint_provider_aws::managed::AwsProvider;

use super::World;

/// The operation of every restore here.
pub(crate) const RESTORE: &str = "restore-1";

impl World {
    /// Captures `component` and answers its snapshot.
    pub(crate) async fn captured(self: &Arc<Self>, component: &Component) -> SnapshotRef {
        let job = self.backup("backup-1", component);
        let status = self.run(&self.provider(), job).await;
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
        status.snapshot.unwrap()
    }

    /// The restore `attempt` of `snapshot` by [`RESTORE`].
    pub(crate) fn restore(
        &self,
        snapshot: &SnapshotRef,
        component: &Component,
        destination: Value,
        attempt: u32,
    ) -> RestoreJob {
        let key = JobKey::new(RESTORE.parse().unwrap(), component.id.clone(), attempt);
        let destination: Settings = serde_json::from_value(destination).unwrap();
        let target = "team/ml-2".parse().unwrap();
        let mut job = RestoreJob::new(key, snapshot.clone(), component.clone(), target, destination);
        job.tags = [("keep".to_owned(), "yes".to_owned())].into();
        job
    }

    /// Starts a restore.
    pub(crate) async fn started(self: &Arc<Self>, provider: &AwsProvider, job: &RestoreJob) -> JobRef {
        provider.start(&self.cx_of(RESTORE), &JobRequest::Restore(job.clone())).await.unwrap()
    }

    /// Starts a restore and polls it to its end.
    pub(crate) async fn restored(self: &Arc<Self>, provider: &AwsProvider, job: &RestoreJob) -> JobStatus {
        let started = self.started(provider, job).await;
        self.settle(provider, &started).await
    }

    /// Finishes a restored resource, by the fake's clock.
    pub(crate) async fn finished(
        self: &Arc<Self>,
        provider: &AwsProvider,
        resource: &RestoredResource,
    ) -> Readiness {
        for _ in 0..200 {
            match provider.finish_restore(&self.cx_of(RESTORE), resource).await.unwrap() {
                Readiness::Pending => self.advance(10.0),
                ready => return ready,
            }
        }
        panic!("{resource:?} does not become ready");
    }

    /// The state of a volume, by its id or full name.
    pub(crate) fn volume(&self, name: &str) -> Value {
        self.region()["volumes"][name.rsplit('/').next().unwrap()].clone()
    }

    /// The state of a file system, by its id or full name.
    pub(crate) fn file_system(&self, name: &str) -> Value {
        self.region()["file_systems"][name.rsplit('/').next().unwrap()].clone()
    }

    /// How many volumes, or file systems, there are.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.region()[kind].as_object().unwrap().len()
    }
}
