//! What earlier runs stored at a timestamp, in the way of what belongs there now.

use std::collections::BTreeMap;

use stillpoint_core::Result;

use crate::error::from_repository;
use crate::mirror::MirrorSource;

/// Removes the leftovers without which there is no room for an object: a local directory can hold no file where others
/// lie below it, nor any below a file.
///
/// # Errors
/// The store's failure to remove what is left of folders.
pub(super) async fn make_way(
    source: &MirrorSource,
    leftovers: &mut BTreeMap<String, u64>,
    key: &str,
) -> Result<()> {
    let below = format!("{key}/");
    let after = leftovers.range(below.clone()..).map(|(key, _)| key);
    let mut gone: Vec<String> = after.take_while(|key| key.starts_with(&below)).cloned().collect();
    let is_folder_now = !gone.is_empty();
    let above = key.match_indices('/').filter_map(|(end, _)| key.get(..end));
    gone.extend(above.filter(|above| leftovers.contains_key(*above)).map(str::to_owned));
    gone.retain(|key| source.store().accepts_key(key));
    if gone.is_empty() {
        return Ok(());
    }
    if let Err(error) = source.store().delete_objects(&gone).await {
        // A bucket holds both. A local directory refuses what comes next, and says why.
        tracing::warn!(key, %error, "leftovers of an earlier run stay");
        return Ok(());
    }
    for key in &gone {
        leftovers.remove(key);
    }
    if is_folder_now {
        source.store().remove_empty_folders(key).await.map_err(from_repository)?;
    }
    Ok(())
}
