//! The suites on the simulated cloud, under virtual time.

use std::sync::Arc;

use stillpoint_conformance::sim::{SimConfig, SimHarness, SimKind};
use stillpoint_core::{Clock, Result, Timestamp, VirtualClock};

fn clock() -> Arc<dyn Clock> {
    Arc::new(VirtualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)))
}

fn cloud_of(kind: SimKind, change: impl FnOnce(&mut SimConfig)) -> Result<SimHarness> {
    let config = SimConfig::with(|config| {
        // The suite restores without protective tags and takes its time to look at the result.
        config.collect_after = None;
        change(config);
    });
    SimHarness::new(clock(), kind, config)
}

mod volumes {
    use super::*;
    stillpoint_conformance::provider_suite! {
        #[tokio::test(start_paused = true)] cloud_of(SimKind::Volume, |_| {})?
    }
}

mod file_systems {
    use super::*;
    stillpoint_conformance::provider_suite! {
        #[tokio::test(start_paused = true)] cloud_of(SimKind::FileSystem, |_| {})?
    }
}

mod without_cancellation {
    use super::*;
    stillpoint_conformance::provider_suite! {
        #[tokio::test(start_paused = true)] cloud_of(SimKind::FileSystem, |config| config.cancels_backups = false)?
    }
}

mod workspace {
    use stillpoint_conformance::sim::SimWorkspaceHarness;
    stillpoint_conformance::workspace_suite! {
        #[tokio::test(start_paused = true)] SimWorkspaceHarness::new(super::clock())?
    }
}

mod provisioner {
    use stillpoint_conformance::sim::SimProvisionerHarness;
    stillpoint_conformance::provisioner_suite! {
        #[tokio::test(start_paused = true)] SimProvisionerHarness::new()?
    }
}
