//! Many workspaces on one simulated cloud.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;

use stillpoint_conformance::sim::{LEASE_TTL, SimConfig, SimKind, SimWorkspace, SimWorld};
use stillpoint_core::layer::CallLimits;
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;

/// Many workspaces on one cloud, every second one of them at the provider `other`.
pub(crate) struct Fleet {
    pub(crate) world: SimWorld,
    pub(crate) workspaces: Vec<Arc<SimWorkspace>>,
}

impl Fleet {
    pub(crate) fn of(count: usize) -> Self {
        Self::on(count, |number| number)
    }

    /// Workspaces of which all with the same number have one file system.
    pub(crate) fn on(count: usize, file_system: impl Fn(usize) -> usize) -> Self {
        let world = SimWorld::new(SimConfig::default(), &[]).unwrap();
        let workspaces = (0..count).map(|number| {
            let file_system = file_system(number);
            let resource = format!("arn-{file_system}");
            world.cloud.add_resource(&resource, SimKind::FileSystem, 10 * GB, 1_000);
            let provider = ["sim", "other"][file_system % 2].parse().unwrap();
            let home = Component::new("home".parse().unwrap(), "file-system", provider, resource);
            let definition = Definition::new(format!("ws-{number}").parse().unwrap());
            SimWorkspace::new(Arc::clone(&world.cloud), definition, vec![home])
        });
        Self { workspaces: workspaces.collect(), world }
    }

    pub(crate) fn orchestrator(
        &self,
        process: &str,
        operations: OperationLimits,
        calls: CallLimits,
    ) -> LocalOrchestrator {
        let builder = self.host(process).operation_limits(operations).call_limits(calls);
        self.workspaces
            .iter()
            .fold(builder, |builder, workspace| builder.workspace(workspace.clone()))
            .build()
    }

    /// A host that knows both providers and no workspace yet.
    pub(crate) fn host(&self, process: &str) -> Builder {
        self.host_on(self.world.catalog.clone(), process)
    }

    /// The same, which reaches the catalog by way of `catalog`.
    pub(crate) fn host_on(&self, catalog: Arc<dyn Catalog>, process: &str) -> Builder {
        LocalOrchestrator::builder(catalog)
            .clock(Arc::clone(&self.world.clock))
            .holder(Holder::new("sim-host", process))
            .lease_ttl(LEASE_TTL)
            .provider(Arc::new(self.world.cloud.provider("sim".parse().unwrap())))
            .provider(Arc::new(self.world.cloud.provider("other".parse().unwrap())))
    }

    pub(crate) async fn submit(&self, orchestrator: &LocalOrchestrator, number: usize) {
        let workspace = format!("ws-{number}").parse().unwrap();
        let request = BackupRequest::new(op(number), workspace);
        orchestrator.submit(Request::Backup(request)).await.unwrap();
    }

    pub(crate) async fn all_complete(&self, orchestrator: &LocalOrchestrator) {
        for number in 0..self.workspaces.len() {
            let status = self.world.finish(orchestrator, &op(number)).await.unwrap();
            assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
        }
    }

    /// When the operation ended.
    pub(crate) async fn ended(&self, orchestrator: &LocalOrchestrator, number: usize) -> Timestamp {
        orchestrator.status(&op(number)).await.unwrap().operation.finished_at.unwrap()
    }

    /// When each workspace was held still.
    pub(crate) fn holds(&self) -> Vec<(Timestamp, Timestamp)> {
        let hold = |workspace: &Arc<SimWorkspace>| {
            let hold = workspace.holds()[0].clone();
            (hold.from, hold.until.unwrap())
        };
        self.workspaces.iter().map(hold).collect()
    }
}

pub(crate) fn op(number: usize) -> OperationId {
    format!("op-{number}").parse().unwrap()
}

/// The most spans that overlap.
pub(crate) fn overlap(spans: &[(Timestamp, Timestamp)]) -> usize {
    let at = |time: Timestamp| spans.iter().filter(|(from, to)| *from <= time && time < *to).count();
    spans.iter().map(|(from, _)| at(*from)).max().unwrap_or(0)
}
