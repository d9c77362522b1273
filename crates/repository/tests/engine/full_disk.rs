//! A file system that runs full.

use std::path::Path;
use std::process::Command;

use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{BlobKind, BlobWriter, ErrorKind, Id, Repository, WriterOptions};

use crate::support::{create, local, noise, open, save, some_files};

/// A small file system in memory; needs the right to mount.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

async fn fill(repository: &Repository, blobs: u64) -> stillpoint_repository::Result<()> {
    let writer =
        BlobWriter::new(repository, WriterOptions::default().with_pack_sizes(4 << 20, 1 << 20)).await?;
    for seed in 0..blobs {
        let blob = noise(seed, 1 << 20);
        writer.add(BlobKind::Data, Id::of(&blob), blob).await?;
    }
    writer.finish().await.map(drop)
}

#[expect(clippy::print_stderr, reason = "a skip is said out loud")]
#[tokio::test]
async fn a_full_disk_is_called_so_and_harms_nothing() {
    let Some(disk) = SmallDisk::mount("16m") else {
        eprintln!("SKIPPED: this process may not mount a small file system");
        return;
    };
    let dir = disk.path().join("repo");
    let repository = create(local(&dir)).await;
    let id = save(&repository, &some_files()).await;
    let failed = fill(&repository, 32).await.unwrap_err();
    assert_eq!(failed.kind(), &ErrorKind::NoSpace, "{failed:?}");
    assert!(failed.to_string().contains("no space is left"), "{failed}");
    assert_eq!(std::fs::read_dir(dir.join("stillpoint/tmp")).unwrap().count(), 0);

    let repository = open(local(&dir)).await;
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll).without_lock()).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    repository.load_snapshot(&id).await.unwrap();
    // Once there is room again the same run succeeds.
    let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(disk.path()).status().unwrap();
    assert!(grown.success());
    fill(&repository, 32).await.unwrap();
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}
