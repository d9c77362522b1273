//! Which packs are not what their names say.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, stream};

use crate::check::data::{open_pack, pack_memory};
use crate::error::{ErrorKind, Result};
use crate::id::Id;
use crate::repository::Repository;

/// Packs read at once, as far as there is memory for them.
const AT_ONCE: usize = 8;

/// Reads every byte of `packs` and answers those whose bytes do not match their names.
pub(super) async fn unsound(repository: &Repository, packs: &HashMap<Id, u64>) -> Result<HashSet<Id>> {
    let memory = pack_memory();
    let mut reads = stream::iter(packs.iter().map(|(pack, size)| {
        let read = open_pack(repository, *pack, *size, &memory, |_, _| Ok(()));
        async move { (*pack, read.await) }
    }))
    .buffer_unordered(AT_ONCE);
    let mut unsound = HashSet::new();
    while let Some((pack, read)) = reads.next().await {
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                tracing::warn!(%pack, %error, "a pack is damaged");
                unsound.insert(pack);
            }
            read => read?,
        }
    }
    Ok(unsound)
}
