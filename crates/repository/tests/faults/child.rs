//! What a child does while one of its calls fails, and what it says about it.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use stillpoint_localfs::{ExtractOptions, Landing};
use stillpoint_repository::{
    BackupSource, Cancellation, Credentials, Error, NoProgress, Origin, Repository, RestoreOptions, Store,
    StoreSettings,
};

/// The variable in which a child finds its task: what to do, the landing, the scene and the room, a line each.
pub(crate) const TASK: &str = "STILLPOINT_FAULT_TASK";

/// What a child said at its end.
#[derive(Debug)]
pub(crate) struct Said {
    /// Whether it did its task, though perhaps with remarks.
    pub(crate) ended: bool,
    /// Its error, or the issues and warnings.
    pub(crate) remarks: String,
}

impl Said {
    pub(crate) fn of(output: &Output, label: &str) -> Self {
        let stdout = String::from_utf8_lossy(&output.stdout);
        let (_, told) = stdout.split_once("TOLD ").unwrap_or_else(|| panic!("{label}: {output:?}"));
        let (how, rest) = told.split_once('\n').unwrap_or_else(|| panic!("{label}: {output:?}"));
        let remarks = rest.split_once("END").unwrap_or_else(|| panic!("{label}: {output:?}")).0;
        Self { ended: how == "done", remarks: remarks.trim().to_owned() }
    }
}

async fn open(repository: &Path) -> Result<Repository, Error> {
    let store = Store::from_url(repository.to_str().unwrap(), &StoreSettings::default()).unwrap();
    let credentials = Credentials::machine_key("a key that is long enough for machines".to_owned()).unwrap();
    Repository::open_or_init(store, &credentials, Origin::detect()).await
}

pub(crate) async fn back_up(source: &Path, repository: &Path) -> Result<String, Error> {
    let repository = open(repository).await?;
    let source = BackupSource::new(source.to_path_buf());
    let progress = Arc::new(NoProgress);
    let done = repository.backup(&source, Default::default(), progress, &Cancellation::new()).await?;
    Ok(done.issues.items().iter().map(|issue| format!("{issue:?}\n")).collect())
}

async fn restore(repository: &Path, target: &Path, landing: Landing) -> Result<String, Error> {
    let repository = open(repository).await?;
    let newest = repository.snapshots().await?.readable.pop().unwrap().id;
    let mut options = RestoreOptions::new("op");
    // A generated tree has set-id bits, which would be a remark of every run as the administrator.
    options.extract = ExtractOptions::landing(landing);
    options.extract.privileged = rustix::process::geteuid().is_root();
    let progress = Arc::new(NoProgress);
    let done = repository.restore(&newest, target, options, progress, &Cancellation::new()).await?;
    let issues = done.issues.items().iter().map(|issue| format!("{issue:?}\n"));
    Ok(issues.chain(done.warnings.items().iter().map(|warning| format!("{warning}\n"))).collect())
}

async fn perform(task: &str, landing: &str, scene: &Path, room: &Path) -> Result<String, Error> {
    let landing = if landing == "replace" { Landing::Replace } else { Landing::EmptyTarget };
    match task {
        "restore" => restore(&scene.join("repository"), &room.join("target"), landing).await,
        "backup" => back_up(&scene.join("source"), &room.join("repository")).await,
        // The next backup into the same place, a check of all bytes, and a restore.
        _ => {
            let remarks = back_up(&scene.join("source"), &room.join("repository")).await?;
            let repository = open(&room.join("repository")).await?;
            let damaged = repository.snapshots().await?.damaged;
            let restored = restore(&room.join("repository"), &room.join("target"), landing).await?;
            let damaged: String = damaged.iter().map(|snapshot| format!("{:?}\n", snapshot.id)).collect();
            Ok(remarks + &damaged + &restored)
        }
    }
}

/// Alone it backs up and restores a scene of its own; as a child it does its parent's task.
#[test]
fn a_child_does_its_task() {
    #[expect(clippy::disallowed_methods, reason = "the parent of this test hands its task over")]
    let handed = std::env::var(TASK).ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some(handed) = handed else {
        let scene = crate::scene::Scene::new();
        scene.back_up();
        let room = scene.room("alone");
        let told = runtime.block_on(perform("restore", "empty", &room.join("../.."), &room)).unwrap();
        assert_eq!(told, "");
        stillpoint_testkit::compare::assert_same(&scene.source(), &room.join("target"));
        return;
    };
    let mut words = handed.split('\n');
    let [task, landing, scene, room] = std::array::from_fn(|_| words.next().unwrap_or_default());
    let outcome = runtime.block_on(perform(task, landing, Path::new(scene), Path::new(room)));
    let (how, remarks) = match outcome {
        Ok(remarks) => ("done", remarks),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            ("failed", format!("{error}: {cause}"))
        }
    };
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    {
        println!("TOLD {how}\n{remarks}\nEND");
    }
}
