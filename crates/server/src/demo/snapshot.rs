//! Invented snapshots, with folders and files to look through.

use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    Depth, Entry, EntryPage, Error, ErrorKind, OpContext, Result, Snapshot, SnapshotInfo, Timestamp,
    Verification,
};

use super::history::Dice;

/// Folders with what is in each: names that end in a slash are folders.
const TREE: [(&str, &[&str]); 7] = [
    ("", &["experiments/", "notebooks/", "models/", ".config/", "README.md", "requirements.txt", "latest"]),
    ("experiments", &["run-116/", "run-117/", "run-118/", "sweep.yaml"]),
    ("experiments/run-116", &["config.yaml", "metrics.parquet", "stdout.log"]),
    ("experiments/run-117", &["config.yaml", "metrics.parquet", "stdout.log"]),
    ("experiments/run-118", &["config.yaml", "metrics.parquet", "stdout.log", "events.out.tfevents"]),
    (
        "notebooks",
        &["01 explore.ipynb", "02 features.ipynb", "03 baseline <b>bold</b>.ipynb", "größe.ipynb", "tmp/"],
    ),
    (
        "models",
        &["baseline.safetensors", "candidate-a.safetensors", "candidate-b.safetensors", "tokenizer.json"],
    ),
];

#[derive(Debug)]
pub(super) struct DemoSnapshot {
    info: SnapshotInfo,
    lists: bool,
}

impl DemoSnapshot {
    pub(super) fn new(info: SnapshotInfo, lists: bool) -> Self {
        Self { info, lists }
    }

    fn entry(&self, folder: &str, name: &str) -> Entry {
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let mut dice = Dice::of(&path);
        let age = Duration::from_secs(dice.roll(3600, 40 * 86_400));
        let changed = Timestamp::from_millis(
            self.info.created_at.as_millis() - i64::try_from(age.as_millis()).unwrap_or(0),
        );
        let mut entry = match name.strip_suffix('/') {
            Some(_) => Entry::new(path.trim_end_matches('/'), "dir", 0),
            None if name == "latest" => Entry::new(path, "symlink", 0),
            None if name.ends_with("safetensors") => Entry::new(path, "file", dice.roll(400 << 20, 9 << 30)),
            None => Entry::new(path, "file", dice.roll(900, 6 << 20)),
        };
        entry.mode = if entry.kind == "dir" { 0o40_755 } else { 0o100_644 };
        entry.modified_at = Some(changed);
        entry.link_target = (entry.kind == "symlink").then(|| "experiments/run-118".to_owned());
        entry
    }
}

#[async_trait]
impl Snapshot for DemoSnapshot {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        Ok(self.info.clone())
    }

    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        Ok(Verification::new(depth.min(Depth::Decrypted), Vec::new()))
    }

    async fn entries(&self, _cx: &OpContext, path: &str, _after: Option<&str>) -> Result<EntryPage> {
        if !self.lists {
            return Err(Error::new(ErrorKind::Unsupported, "a volume's snapshot does not list its files"));
        }
        let empty = ["notebooks/tmp", ".config"].contains(&path);
        let found = TREE.iter().find(|(folder, _)| *folder == path).map(|(_, names)| *names);
        let names = found.or(empty.then_some(&[][..]));
        let names =
            names.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no folder {path:?}")))?;
        Ok(EntryPage::new(names.iter().map(|name| self.entry(path, name)).collect(), None))
    }
}
