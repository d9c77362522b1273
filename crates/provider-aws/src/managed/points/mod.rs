//! Recovery points: opened, found by their tags, deleted and read back.

use std::sync::Arc;

use stillpoint_core::{
    DeleteState, Error, ErrorKind, OpContext, Result, Snapshot, SnapshotInfo, SnapshotQuery,
};

use super::AwsProvider;
use super::names::PointName;

impl AwsProvider {
    pub(super) async fn open_point(&self, _cx: &OpContext, _name: PointName) -> Result<Arc<dyn Snapshot>> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn find_points(
        &self,
        _cx: &OpContext,
        _query: &SnapshotQuery,
    ) -> Result<Vec<SnapshotInfo>> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn delete_point(&self, _cx: &OpContext, _name: &PointName) -> Result<DeleteState> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }
}
