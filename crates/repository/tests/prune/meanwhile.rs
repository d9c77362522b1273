//! Restores and checks that a sweep overtakes: what was condemned before they began is deleted while they run.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{
    Cancellation, Id, Progress, PruneOptions, PruneState, Repository, RestoreOptions,
};
use tokio::runtime::Handle;

use crate::support::{House, files_in};

const GRACE: Duration = Duration::from_millis(400);

/// A repository with one snapshot that needs a part of each of two packs, which are condemned and due.
async fn condemned() -> (House, Id) {
    let house = House::on_disk().await;
    for folder in ["deep", "other"] {
        std::fs::create_dir(house.source().join(folder)).unwrap();
    }
    for number in 0..200 {
        house.write(&format!("other/{number}"), number, 2000);
    }
    house.write("deep/kept", 1000, 30_000);
    house.write("kept", 1001, 30_000);
    let first = house.backup().await;
    std::fs::remove_dir_all(house.source().join("other")).unwrap();
    let second = house.backup().await;
    house.repository.delete_snapshot(&first).await.unwrap();
    assert_eq!(house.prune(GRACE).await.state, PruneState::Condemned);
    tokio::time::sleep(GRACE + Duration::from_millis(50)).await;
    (house, second)
}

/// Sweeps at the first call of a run, which waits for it.
#[derive(Debug)]
struct Sweep {
    repository: Repository,
    runtime: Handle,
    begun: AtomicBool,
    state: Mutex<Option<(PruneState, u64)>>,
}

impl Sweep {
    fn of(house: &House) -> Arc<Self> {
        Arc::new(Self {
            repository: house.repository.clone(),
            runtime: Handle::current(),
            begun: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    fn run(&self) {
        if !self.begun.swap(true, Ordering::Relaxed) {
            let report = self.runtime.block_on(self.repository.prune(&PruneOptions::with_grace(GRACE)));
            let report = report.unwrap();
            *self.state.lock().unwrap() = Some((report.state, report.deleted_packs));
        }
    }

    fn assert_freed(&self) {
        assert_eq!(*self.state.lock().unwrap(), Some((PruneState::Freed, 2)));
    }
}

impl Progress for Sweep {
    fn started(&self, _path: &Path) {
        self.run();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_goes_on_where_a_sweep_put_what_it_needs() {
    let (house, snapshot) = condemned().await;
    let (sweep, target) = (Sweep::of(&house), house.folder.path().join("target"));
    let restored = house
        .repository
        .with_fresh_index()
        .restore(&snapshot, &target, RestoreOptions::new("op"), sweep.clone(), &Cancellation::new())
        .await
        .unwrap();
    sweep.assert_freed();
    assert!(restored.issues.is_empty(), "{restored:?}");
    assert_eq!(files_in(&target), files_in(&house.source()));
    assert_eq!(files_in(&target.join("deep")), files_in(&house.source().join("deep")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_takes_no_sweep_for_damage_and_reads_what_it_copied() {
    let (house, _) = condemned().await;
    let sweep = Sweep::of(&house);
    let sweeping = Arc::clone(&sweep);
    let options = CheckOptions::new(CheckDepth::ReadAll)
        .with_progress(move |_| tokio::task::block_in_place(|| sweeping.run()));
    let report = house.repository.with_fresh_index().check(&options).await.unwrap();
    sweep.assert_freed();
    assert!(report.is_sound(), "{report:?}");
    let packs = house.repository.list_packs().await.unwrap();
    assert!(
        report.packs_read > packs.len() as u64,
        "those that went were tried, and those that came were read"
    );
    assert!(report.bytes_read >= packs.iter().map(|(_, size)| size).sum(), "{report:?}");

    let pack = packs.iter().max_by_key(|(_, size)| *size).unwrap().0.to_hex();
    let path = house.folder.path().join(format!("repository/data/{}/{pack}", &pack[..2]));
    std::fs::remove_file(path).unwrap();
    let report = house.repository.with_fresh_index().check(&options).await.unwrap();
    assert_eq!(report.problems.len(), 1, "what is missing still is: {report:?}");
}
