//! A check believes the store and nothing else.

use std::fs;

use stillpoint_repository::check::{CheckDepth, CheckOptions, ProblemKind};
use stillpoint_repository::{
    CacheFolder, Credentials, Origin, RepairOptions, Repository, Store, StoreSettings,
};

use crate::support::PASSWORD;

/// A repository in a directory, with a cache that knows all of it.
struct Known {
    folder: tempfile::TempDir,
}

impl Known {
    async fn new() -> Self {
        let known = Self { folder: tempfile::tempdir().unwrap() };
        let source = known.folder.path().join("source");
        fs::create_dir(&source).unwrap();
        for number in 0..3 {
            fs::write(source.join("file"), format!("{number}").repeat(5000)).unwrap();
            known.back_up().await;
        }
        known
    }

    async fn open(&self) -> Repository {
        let url = self.folder.path().join("store");
        let store = Store::from_url(url.to_str().unwrap(), &StoreSettings::default()).unwrap();
        let store = store.with_cache(&CacheFolder::new(self.folder.path().join("cache")));
        let credentials = Credentials::machine_key(PASSWORD.to_owned()).unwrap();
        Repository::open_or_init(store, &credentials, Origin::detect()).await.unwrap()
    }

    async fn back_up(&self) {
        let source = stillpoint_repository::BackupSource::new(self.folder.path().join("source"));
        let cancellation = stillpoint_repository::Cancellation::new();
        let progress = std::sync::Arc::new(stillpoint_repository::NoProgress);
        let options = stillpoint_repository::BackupOptions::default();
        self.open().await.backup(&source, options, progress, &cancellation).await.unwrap();
    }

    /// The kinds of what a check finds.
    async fn problems(&self) -> Vec<ProblemKind> {
        let report = self.open().await.check(&CheckOptions::new(CheckDepth::Structure)).await.unwrap();
        report.problems.iter().map(|problem| problem.kind).collect()
    }

    /// The first object of a kind.
    fn object(&self, folder: &str) -> std::path::PathBuf {
        fs::read_dir(self.folder.path().join("store").join(folder)).unwrap().next().unwrap().unwrap().path()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_machine_remembers_hides_no_damage_from_a_check() {
    for (folder, kind) in [("snapshots", ProblemKind::Snapshot), ("index", ProblemKind::Index)] {
        let known = Known::new().await;
        assert_eq!(known.problems().await, []);
        let object = known.object(folder);
        let bytes = fs::read(&object).unwrap();
        fs::write(&object, &bytes[..bytes.len() - 10]).unwrap();
        assert!(known.problems().await.contains(&kind), "{folder} cut short");
        fs::write(&object, b"").unwrap();
        assert!(known.problems().await.contains(&kind), "{folder} empty");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_gone_is_told_and_stored_again_by_whoever_remembers_it() {
    let known = Known::new().await;
    let config = known.folder.path().join("store/config");
    let bytes = fs::read(&config).unwrap();
    fs::write(&config, b"junk").unwrap();
    assert_eq!(known.problems().await, [ProblemKind::Config]);
    fs::remove_file(&config).unwrap();
    assert_eq!(known.problems().await, [ProblemKind::Config]);
    let preview = known.open().await.repair_index(&RepairOptions::dry_run()).await.unwrap();
    assert!(preview.config_restored && !config.exists());
    let report = known.open().await.repair_index(&RepairOptions::default()).await.unwrap();
    assert!(report.config_restored && report.replaced.is_empty());
    assert_eq!(fs::read(&config).unwrap(), bytes);
    assert_eq!(known.problems().await, []);
}
