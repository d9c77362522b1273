//! Reading packs and every blob in them.

use futures::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::packs::{Compared, SizedPack, compare};
use super::report::is_damage;
use super::{CheckDepth, CheckOptions, CheckProgress, CheckReport, ProblemKind, VerifiedDepth};
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::pack::verify_pack;
use crate::repository::Repository;

/// Memory for packs being read, in MiB; a larger pack is read alone.
const MEMORY_MIB: u32 = 96;
const AT_ONCE: usize = 8;
const MIB: u64 = 1 << 20;

/// Reads the packs that the depth selects. What a prune copied meanwhile out of packs that it deleted is read where it is.
pub(super) async fn read(
    repository: &Repository,
    compared: Compared,
    options: &CheckOptions,
    mut progress: CheckProgress,
    report: &mut CheckReport,
) -> Result<()> {
    let mut known = compared.named();
    let mut due = compared.sound;
    // Each turn but the first is owed to another prune.
    loop {
        let gone = read_all(repository, due, options, &mut progress, report).await?;
        if gone.is_empty() {
            break;
        }
        let now = compare(repository).await?;
        let named = now.named();
        for (id, error) in gone.into_iter().filter(|(id, _)| named.contains(id)) {
            report.add(ProblemKind::Pack, FileKind::Pack.key(&id), error);
        }
        due = now.sound;
        due.retain(|pack| !known.contains(&pack.id));
        known.extend(named);
    }
    report.packs_read = progress.packs_read;
    report.bytes_read = progress.bytes_read;
    report.depth = match options.depth {
        CheckDepth::Structure => VerifiedDepth::Sized,
        CheckDepth::ReadPart { parts: 2.., .. } => VerifiedDepth::PartlyRead,
        CheckDepth::ReadPart { .. } | CheckDepth::ReadAll => VerifiedDepth::Read,
    };
    Ok(())
}

/// Reads those of some packs that the depth selects. Answers with those that are not there.
async fn read_all(
    repository: &Repository,
    mut packs: Vec<SizedPack>,
    options: &CheckOptions,
    progress: &mut CheckProgress,
    report: &mut CheckReport,
) -> Result<Vec<(Id, Error)>> {
    packs.retain(|pack| options.depth.selects(&pack.id));
    progress.packs_to_read += u64::try_from(packs.len()).unwrap_or(u64::MAX);
    progress.bytes_to_read += packs.iter().map(|pack| pack.size).sum::<u64>();
    let memory = pack_memory();
    let mut reads = stream::iter(packs.into_iter().map(|pack| read_pack(repository, pack, &memory)))
        .buffer_unordered(AT_ONCE);
    let mut gone = Vec::new();
    while let Some((id, size, outcome)) = reads.next().await {
        match outcome {
            Err(error) if *error.kind() == ErrorKind::NotFound => gone.push((id, error)),
            Err(error) if is_damage(&error) => report.add(ProblemKind::Pack, FileKind::Pack.key(&id), error),
            outcome => outcome?,
        }
        progress.packs_read += 1;
        progress.bytes_read += size;
        options.report(*progress);
    }
    Ok(gone)
}

async fn read_pack(repository: &Repository, pack: SizedPack, memory: &Semaphore) -> (Id, u64, Result<()>) {
    let SizedPack { id, size, entries } = pack;
    let verify = move |repository: &Repository, bytes: &[u8]| {
        verify_pack(repository.key(), bytes, &entries)
            .map_err(|fault| Error::corrupt(FileKind::Pack.key(&id), fault))
    };
    (id, size, open_pack(repository, id, size, memory, verify).await)
}

/// The memory that packs which are read whole have to share.
pub(crate) fn pack_memory() -> Semaphore {
    Semaphore::new(usize::try_from(MEMORY_MIB).unwrap_or(usize::MAX))
}

/// Reads a whole pack and, where it is what its name says, looks at it.
pub(crate) async fn open_pack<T: Send + 'static>(
    repository: &Repository,
    id: Id,
    size: u64,
    memory: &Semaphore,
    look: impl FnOnce(&Repository, &[u8]) -> Result<T> + Send + 'static,
) -> Result<T> {
    let share = u32::try_from(size / MIB + 1).unwrap_or(MEMORY_MIB).min(MEMORY_MIB);
    let _share = memory.acquire_many(share).await.map_err(Error::cancelled)?;
    let object = FileKind::Pack.key(&id);
    let bytes = repository.store().get(&object, size).await?;
    let look = move |repository: &Repository| {
        if Id::of(&bytes) != id {
            return Err(Error::corrupt(object, "its bytes do not match its name"));
        }
        look(repository, &bytes)
    };
    repository.blocking(look).await
}
