//! How a host unit-tests its own code: the orchestrator is a mock, and every answer is chosen.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

use async_trait::async_trait;
use mockall::mock;
use mockall::predicate::eq;
use stillpoint_core::{
    BackupRequest, DeletePlan, DeleteRequest, Error, ErrorKind, OperationEvent, OperationId, OperationRecord,
    OperationState, OperationStatus, Orchestrator, Plan, Request, RestorePlan, RestoreRequest, Result,
    Timestamp, WorkspaceId,
};
use stillpoint_examples::nightly::back_up_all;

mock! {
    #[derive(Debug)]
    Control {}

    #[async_trait]
    impl Orchestrator for Control {
        async fn plan(&self, request: &BackupRequest) -> Result<Plan>;
        async fn plan_restore(&self, request: &RestoreRequest) -> Result<RestorePlan>;
        async fn plan_delete(&self, request: &DeleteRequest) -> Result<DeletePlan>;
        async fn submit(&self, request: Request) -> Result<OperationStatus>;
        async fn status(&self, id: &OperationId) -> Result<OperationStatus>;
        async fn wait(&self, id: &OperationId) -> Result<OperationStatus>;
        fn events(&self) -> futures::stream::BoxStream<'static, OperationEvent>;
        async fn cancel(&self, id: &OperationId) -> Result<()>;
        async fn recover(&self) -> Result<Vec<OperationId>>;
    }
}

fn workspace(name: &str) -> WorkspaceId {
    name.parse().unwrap()
}

fn status(request: &Request, state: OperationState, error: Option<Error>) -> OperationStatus {
    let mut record = OperationRecord::submitted(request.clone(), Timestamp::from_millis(0));
    record.state = state;
    record.error = error.map(|error| error.record());
    OperationStatus::new(record, None, None)
}

fn backup(id: &OperationId) -> Request {
    Request::Backup(BackupRequest::new(id.clone(), workspace("any")))
}

#[tokio::test]
async fn a_partial_backup_needs_a_person_and_the_others_go_on() {
    let mut control = MockControl::new();
    control.expect_submit().times(2).returning(|request| Ok(status(&request, OperationState::Running, None)));
    control
        .expect_wait()
        .with(eq("night-1/ada".parse::<OperationId>().unwrap()))
        .returning(|id| Ok(status(&backup(id), OperationState::Partial, None)));
    control
        .expect_wait()
        .with(eq("night-1/grace".parse::<OperationId>().unwrap()))
        .returning(|id| Ok(status(&backup(id), OperationState::Completed, None)));

    let report = back_up_all(&control, "night-1", &[workspace("ada"), workspace("grace")]).await.unwrap();
    assert_eq!(report.completed, [workspace("grace")]);
    assert_eq!(report.attention, [(workspace("ada"), "partial".to_owned())]);
}

#[tokio::test]
async fn a_busy_workspace_is_left_for_the_next_night() {
    let mut control = MockControl::new();
    control.expect_submit().returning(|_| Err(Error::new(ErrorKind::Busy, "run by somebody")));
    control.expect_wait().never();

    let report = back_up_all(&control, "night-1", &[workspace("ada")]).await.unwrap();
    assert_eq!(report.busy, [workspace("ada")]);
}

#[tokio::test]
async fn a_catalog_that_cannot_be_reached_ends_the_night() {
    let mut control = MockControl::new();
    control
        .expect_submit()
        .times(1)
        .returning(|_| Err(Error::new(ErrorKind::Unavailable, "the catalog does not answer")));

    let error = back_up_all(&control, "night-1", &[workspace("ada"), workspace("grace")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
