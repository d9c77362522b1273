//! The file data plane as this program uses it: how a repository becomes a provider, a directory a workspace, and an
//! engine's error one of the contract.

use std::path::Path;
use std::sync::Arc;

use stillpoint_core::{ProviderId, Provisioner, Result, Workspace, WorkspaceResolver};
pub(crate) use stillpoint_provider_s3sync::from_repository as error;
use stillpoint_provider_s3sync::{
    DirectoryProvisioner, DirectoryWorkspace, MirrorSource, RepositorySource, S3SyncProvider, pattern_of,
};

use crate::args::Layout;

/// The name under which restores into a directory find their provisioner.
pub(crate) const PROVISIONER: &str = "directory";

/// The name of the provider of mirrored timestamps: a backup in the one layout is not one in the other.
const MIRROR: &str = "mirror";
/// The name of the provider of repositories.
const REPOSITORY: &str = "s3sync";

/// The name of the provider of a layout.
pub(crate) fn provider_id(layout: Layout) -> Result<ProviderId> {
    ProviderId::new(match layout {
        Layout::Repository => REPOSITORY,
        Layout::Mirror => MIRROR,
    })
}

/// Whether the provider of this name keeps files, in one layout or the other.
pub(crate) fn keeps_files(provider: &ProviderId) -> bool {
    [REPOSITORY, MIRROR].contains(&provider.as_str())
}

/// The provider on mirrored timestamps.
pub(crate) fn mirror(source: MirrorSource) -> Result<Arc<S3SyncProvider>> {
    Ok(Arc::new(S3SyncProvider::mirrored(source).with_id(provider_id(Layout::Mirror)?)))
}

/// The provider on a repository.
pub(crate) fn provider(source: RepositorySource) -> Arc<S3SyncProvider> {
    Arc::new(S3SyncProvider::new(source))
}

/// The provisioner of restores into a directory.
pub(crate) fn provisioner() -> Arc<dyn Provisioner> {
    Arc::new(DirectoryProvisioner::default())
}

/// Makes the workspace of an operation on `host` from what the catalog remembers of it.
pub(crate) fn resolver(host: String) -> WorkspaceResolver {
    Arc::new(move |_id, record| {
        let workspace = DirectoryWorkspace::from_record(record?).ok()?.on_host(&host);
        Some(Arc::new(workspace) as Arc<dyn Workspace>)
    })
}

/// A gitignore pattern that means exactly `path` below `root`, whether anything is there yet or not; `None` where it does
/// not lie there.
pub(crate) fn pattern_below(root: &Path, path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    // Links are followed as far as there is something; what is made later is made beneath.
    let (there, real) = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)))?;
    let real = real.join(path.strip_prefix(there).ok()?);
    let relative = real.strip_prefix(root).ok()?.to_str()?.to_owned();
    if relative.is_empty() {
        return None;
    }
    // What lies there may be a file as well as a directory.
    Some(pattern_of(&relative).trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_inside_the_source_becomes_an_anchored_pattern() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let inside = root.join("a b").join("data");
        std::fs::create_dir_all(&inside).unwrap();
        assert_eq!(pattern_below(&root, &inside).as_deref(), Some("/a\\ b/data"));
        assert_eq!(pattern_below(&root, &inside.join("later/key")).as_deref(), Some("/a\\ b/data/later/key"));
        assert_eq!(pattern_below(&inside, &root), None);
        assert_eq!(pattern_below(&root, &root), None);
    }
}
