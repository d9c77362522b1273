//! The provisioner of directories: a restore's new workspace is a path.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::fs::Access;
use serde_json::Value;
use stillpoint_core::{
    Error, ErrorKind, Extent, Finding, Landing, OpContext, ProvisionRequest, Provisioned, Provisioner,
    RestoredResource, Result, Settings, Severity, SnapshotRef,
};

use crate::error::{blocking, from_io};
use crate::extent;
use crate::target::{self, Occupancy, UNCHANGED_SINCE};

/// Settings that are handed through to the provider.
const HANDED_THROUGH: [&str; 3] = ["privileged", "special_files", UNCHANGED_SINCE];

/// Names the directory that a restore fills.
///
/// The restore's settings hold `path`: the new directory of a backup with one component, or the folder in which
/// each component gets a folder of its own, named by its id. Set `privileged` or `special_files` to `true` to also
/// restore set-id bits and privileged attributes, or device nodes and sockets. [`UNCHANGED_SINCE`] keeps what somebody changed
/// from a restore that replaces.
///
/// It makes nothing itself: the provider makes each directory and marks it. Attaching takes the mark off, and the
/// directory is its user's.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DirectoryProvisioner;

#[async_trait]
impl Provisioner for DirectoryProvisioner {
    fn is_of_one_host(&self) -> bool {
        true
    }

    async fn preflight(&self, _cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Finding>> {
        let destinations = Destinations::of(request)?;
        blocking(move || {
            let mut findings = destinations.look()?;
            findings.extend(destinations.room()?);
            Ok(findings)
        })
        .await
    }

    async fn extents(&self, _cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Extent>> {
        // Beside what stands there nothing is touched.
        if request.restore.landing == Landing::Side {
            return Ok(Vec::new());
        }
        let mut extents = Vec::new();
        for place in Destinations::of(request)?.places {
            extents.push(extent::of(&place.path).await?);
        }
        Ok(extents)
    }

    async fn provision(&self, _cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned> {
        let destinations = Destinations::of(request)?;
        let mut made = Provisioned::new(request.restore.target.clone());
        made.software_version.clone_from(&request.restore.software_version);
        for place in &destinations.places {
            made = made.with_destination(place.component.clone(), place.settings(&request.restore.settings)?);
        }
        let blocker = blocking(move || {
            Ok(destinations.look()?.into_iter().find(|finding| finding.severity == Severity::Blocker))
        });
        match blocker.await? {
            None => Ok(made),
            Some(found) => {
                let kind =
                    if found.check == TAKEN { ErrorKind::AlreadyExists } else { ErrorKind::InvalidInput };
                Err(Error::new(kind, found.message).with("check", found.check))
            }
        }
    }

    async fn attach(
        &self,
        _cx: &OpContext,
        _made: &Provisioned,
        resources: &[RestoredResource],
    ) -> Result<()> {
        let paths: Vec<PathBuf> =
            resources.iter().map(|resource| PathBuf::from(&resource.resource)).collect();
        blocking(move || paths.iter().try_for_each(|path| target::hand_over(path))).await
    }

    async fn activate(&self, _cx: &OpContext, _made: &Provisioned) -> Result<()> {
        Ok(())
    }

    async fn discard(&self, _cx: &OpContext, _made: &Provisioned) -> Result<()> {
        Ok(())
    }
}

/// The check that finds somebody's files at the target.
const TAKEN: &str = "target-empty";

/// Where the components of a restore go.
#[derive(Debug)]
pub(crate) struct Destinations {
    landing: Landing,
    root: PathBuf,
    operation: String,
    pub(crate) places: Vec<ComponentPlace>,
}

#[derive(Debug)]
pub(crate) struct ComponentPlace {
    pub(crate) component: stillpoint_core::ComponentId,
    path: PathBuf,
    restore: String,
    /// The content that comes back; 0 where a part was asked for, whose size nothing tells.
    bytes: u64,
}

impl ComponentPlace {
    pub(crate) fn settings(&self, given: &Settings) -> Result<Settings> {
        let path = self.path.to_str().ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("the target path {:?} is not UTF-8", self.path))
        })?;
        let mut settings: Settings = [("path".to_owned(), Value::from(path))].into();
        for name in HANDED_THROUGH {
            settings.extend(given.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        Ok(settings)
    }
}

impl Destinations {
    pub(crate) fn of(request: &ProvisionRequest) -> Result<Self> {
        let restore = &request.restore;
        let root = target::path_in(&restore.settings)?;
        let snapshot = |snapshot: &SnapshotRef| target::restore_id(&snapshot.id, &restore.include);
        let components = request.backup.components.iter();
        let mut places: Vec<ComponentPlace> = components
            .filter_map(|component| {
                let id = snapshot(component.snapshot.as_ref()?);
                let path = root.join(folder_name(component.component.id.as_str()));
                let whole =
                    restore.include.is_empty().then(|| component.counts.get("bytes_scanned").copied());
                let (component, bytes) = (component.component.id.clone(), whole.flatten().unwrap_or(0));
                Some(ComponentPlace { component, path, restore: id, bytes })
            })
            .collect();
        if let [only] = places.as_mut_slice() {
            only.path.clone_from(&root);
        }
        Ok(Self { landing: restore.landing, operation: restore.id.as_str().to_owned(), root, places })
    }

    fn look(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for place in &self.places {
            findings.extend(self.look_at(place)?);
        }
        Ok(findings)
    }

    /// Counts what is new alone: what stands already may be what the restore would write, or makes room when it goes.
    fn room(&self) -> Result<Option<Finding>> {
        let mut needed: u64 = 0;
        for place in &self.places {
            let stands = target::look(&place.path, &place.restore, &self.operation)?;
            if self.landing == Landing::Side || matches!(stands, Occupancy::Missing | Occupancy::Empty) {
                needed = needed.saturating_add(place.bytes);
            }
        }
        target::room(&self.root, needed)
    }

    fn look_at(&self, place: &ComponentPlace) -> Result<Option<Finding>> {
        let path = &place.path;
        let blocker = |check: &str, message| Ok(Some(Finding::new(check, Severity::Blocker, message)));
        match (target::look(path, &place.restore, &self.operation)?, self.landing) {
            (Occupancy::NotADirectory, _) => {
                blocker(TAKEN, format!("{path:?} is there and is not a directory"))
            }
            (Occupancy::Taken, Landing::Empty) => blocker(
                TAKEN,
                format!("the target {path:?} is not empty; choose another or a landing beside it"),
            ),
            (Occupancy::Held(id), landing) if landing != Landing::Side => blocker(
                TAKEN,
                format!("the target {path:?} holds the unfinished restore {id}; choose another"),
            ),
            (Occupancy::Missing, _) => parent_finding(path),
            _ => match writable(path)? {
                true => Ok(None),
                false => blocker("target-writable", format!("the target {path:?} cannot be written")),
            },
        }
    }
}

/// Whether the missing directory `path` can be made.
fn parent_finding(path: &Path) -> Result<Option<Finding>> {
    let nearest = path.ancestors().skip(1).find(|ancestor| ancestor.symlink_metadata().is_ok());
    let Some(nearest) = nearest else { return Ok(None) };
    let finding = |severity, check: &str, message| Ok(Some(Finding::new(check, severity, message)));
    if !nearest.is_dir() {
        let message = format!("{path:?} cannot be made: {nearest:?} is not a directory");
        return finding(Severity::Blocker, "target-parent", message);
    }
    if !writable(nearest)? {
        let message = format!("{path:?} cannot be made: {nearest:?} cannot be written");
        return finding(Severity::Blocker, "target-writable", message);
    }
    if Some(nearest) == path.parent() {
        return Ok(None);
    }
    finding(
        Severity::Info,
        "target-parent",
        format!("directories below {nearest:?} will be made for {path:?}"),
    )
}

fn writable(path: &Path) -> Result<bool> {
    use rustix::io::Errno;
    match rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Ok(true),
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(false),
        Err(error) => Err(from_io(error.into(), "look at", path)),
    }
}

/// A component's id as the name of one folder.
fn folder_name(component: &str) -> String {
    let name = component.replace('%', "%25").replace('/', "%2F");
    if matches!(name.as_str(), "." | "..") { name.replace('.', "%2E") } else { name }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use stillpoint_core::{
        BackupId, BackupRecord, Component, ComponentRecord, ComponentState, Definition, OperationId,
        RestoreRequest, Timestamp,
    };

    use super::*;

    fn request(path: &Path, components: &[&str]) -> ProvisionRequest {
        let operation = OperationId::new("op").unwrap();
        let definition = Definition::new("w".parse().unwrap());
        let id = BackupId::of(&operation);
        let mut backup = BackupRecord::new(id.clone(), operation, definition, Timestamp::from_millis(0));
        for name in components {
            let component =
                Component::new(name.parse().unwrap(), "directory", "s3sync".parse().unwrap(), "/x");
            let mut record = ComponentRecord::new(component, ComponentState::Completed);
            record.snapshot = Some(SnapshotRef::new("s3sync".parse().unwrap(), "abc".parse().unwrap()));
            backup.components.push(record);
        }
        let settings = [("path".to_owned(), path.to_str().unwrap().into())].into();
        let restore =
            RestoreRequest::new("r".parse().unwrap(), id, "new".parse().unwrap(), "directory", settings);
        ProvisionRequest::new(restore, backup)
    }

    async fn checks(request: &ProvisionRequest) -> Vec<(String, Severity)> {
        let found = DirectoryProvisioner.preflight(&OpContext::background(), request).await.unwrap();
        found.into_iter().map(|finding| (finding.check, finding.severity)).collect()
    }

    #[tokio::test]
    async fn files_of_others_block_a_restore_and_a_landing_beside_them_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut request = request(dir.path(), &["files"]);
        assert_eq!(checks(&request).await, []);
        fs::write(dir.path().join("precious"), "x").unwrap();
        assert_eq!(checks(&request).await, [("target-empty".into(), Severity::Blocker)]);
        let refused = DirectoryProvisioner.provision(&OpContext::background(), &request).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        for landing in [Landing::Side, Landing::Merge, Landing::Replace] {
            request.restore.landing = landing;
            assert_eq!(checks(&request).await, [], "{landing:?}");
        }
    }

    #[tokio::test]
    async fn what_may_have_no_room_is_warned_of_but_a_part_of_it_or_files_that_stand_are_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("new")).unwrap();
        let mut large = request(&dir.path().join("new"), &["files", "data"]);
        for component in &mut large.backup.components {
            component.counts.insert("bytes_scanned".to_owned(), u64::MAX / 3);
        }
        assert_eq!(checks(&large).await, [("target-room".into(), Severity::Warning)]);
        large.restore.landing = Landing::Side;
        assert_eq!(checks(&large).await, [("target-room".into(), Severity::Warning)]);
        let made = DirectoryProvisioner.provision(&OpContext::background(), &large).await;
        assert!(made.is_ok(), "it may be sparse: {made:?}");
        large.restore.include.push("some/path".into());
        assert_eq!(checks(&large).await, []);
        large.restore.include.clear();
        large.restore.landing = Landing::Replace;
        for name in ["files", "data"] {
            fs::create_dir_all(dir.path().join("new").join(name)).unwrap();
            fs::write(dir.path().join("new").join(name).join("stands"), "x").unwrap();
        }
        assert_eq!(checks(&large).await, []);
    }

    #[tokio::test]
    async fn an_interrupted_run_of_the_same_restore_goes_on_and_of_another_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut request = request(dir.path(), &["files"]);
        let marker = target::restore_id(&"abc".parse().unwrap(), &[]);
        fs::write(dir.path().join("partial"), "x").unwrap();
        fs::create_dir(dir.path().join(format!(".stillpoint-restore-{marker}"))).unwrap();
        assert_eq!(checks(&request).await, []);
        request.restore.include.push("some/path".into());
        assert_eq!(checks(&request).await, [("target-empty".into(), Severity::Blocker)]);
    }

    #[tokio::test]
    async fn missing_parents_are_said_and_a_file_in_the_way_blocks() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(checks(&request(&dir.path().join("new"), &["files"])).await, []);
        let deep = request(&dir.path().join("a/b/new"), &["files"]);
        assert_eq!(checks(&deep).await, [("target-parent".into(), Severity::Info)]);
        fs::write(dir.path().join("a"), "x").unwrap();
        assert_eq!(checks(&deep).await[0].1, Severity::Blocker);
        let file = request(&dir.path().join("a"), &["files"]);
        assert_eq!(checks(&file).await, [("target-empty".into(), Severity::Blocker)]);
    }

    #[tokio::test]
    async fn several_components_get_folders_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let cx = OpContext::background();
        let one = DirectoryProvisioner.provision(&cx, &request(dir.path(), &["files"])).await.unwrap();
        let path = |made: &Provisioned, id: &str| {
            made.destinations[&id.parse().unwrap()]["path"].as_str().map(PathBuf::from).unwrap()
        };
        assert_eq!(path(&one, "files"), dir.path());
        let two = DirectoryProvisioner.provision(&cx, &request(dir.path(), &["a/b", ".."])).await.unwrap();
        assert_eq!(path(&two, "a/b"), dir.path().join("a%2Fb"));
        assert_eq!(path(&two, ".."), dir.path().join("%2E%2E"));
    }
}
