//! Empty shares and volumes of Azure, made for what a restore brings back as files.

use std::collections::BTreeMap;
use std::path::Path;

use stillpoint_core::{
    ComponentId, Error, ErrorKind, JobKey, OpContext, Provider, ProvisionRequest, Provisioned, RestoreJob,
    Result, Settings, Tags,
};
use stillpoint_provider_azure::managed::{AzureProvider, RESOURCE};
use stillpoint_provider_s3sync::{expects_mount, is_mount_point};

use super::AZURE;
use super::provisioner::{PATH, of_files};
use crate::settings::{Kind, ManagedConfig};

/// What is to be made: where the target's component names a share or volume, and for each that was one itself, unless the
/// target is of another cloud.
///
/// # Errors
/// None that a stored backup can cause.
pub(super) fn jobs(
    request: &ProvisionRequest,
    target: Option<&ManagedConfig>,
    destinations: &BTreeMap<ComponentId, Settings>,
    tags: &Tags,
) -> Result<Vec<RestoreJob>> {
    let mut jobs = Vec::new();
    let here = target.is_none_or(|target| target.provider == AZURE);
    for record in request.backup.components.iter().filter(|record| of_files(record)) {
        let component = &record.component;
        let (Some(snapshot), Some(destination)) = (&record.snapshot, destinations.get(&component.id)) else {
            continue;
        };
        let was_one =
            [Kind::FileShare, Kind::NetappVolume].iter().any(|kind| kind.as_str() == component.kind);
        if !(destination.contains_key(RESOURCE) || (was_one && here)) {
            continue;
        }
        let key = JobKey::new(request.restore.id.clone(), component.id.clone(), 1);
        let to = request.restore.target.clone();
        let mut job = RestoreJob::new(key, snapshot.clone(), component.clone(), to, destination.clone());
        job.tags.clone_from(tags);
        jobs.push(job);
    }
    Ok(jobs)
}

/// Makes them, and tells each component's destination which one is its own. One that the configuration names and that is
/// there already is taken as it is: whoever named it made it, and the files' own provider fills nothing that is not empty.
///
/// # Errors
/// `Unavailable`, to call again, while one is being made; whatever else making can meet.
pub(super) async fn make(
    azure: Option<&AzureProvider>,
    cx: &OpContext,
    jobs: Vec<RestoreJob>,
    made: &mut Provisioned,
) -> Result<()> {
    for job in jobs {
        let azure = azure.ok_or_else(unreachable)?;
        let there = match azure.make_empty(cx, &job).await {
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists && job.destination.contains_key(RESOURCE) =>
            {
                azure.empty(&job)?
            }
            other => other?,
        };
        let destination = made.destinations.entry(there.component).or_default();
        destination.insert(RESOURCE.to_owned(), there.resource.into());
    }
    Ok(())
}

/// Proves that what was made is seen where its files are to go: else they would land on this host, and be called restored.
/// Where it is not, what was made is removed, as nothing was filled yet.
///
/// # Errors
/// `InvalidConfig` where nothing is mounted there; whatever removing meets.
pub(super) async fn mounted(
    azure: Option<&AzureProvider>,
    cx: &OpContext,
    jobs: Vec<RestoreJob>,
    made: Provisioned,
) -> Result<Provisioned> {
    let Some(unmounted) = jobs.iter().find_map(|job| unmounted(job, &made)) else { return Ok(made) };
    discard(azure, cx, jobs).await?;
    Err(Error::new(ErrorKind::InvalidConfig, unmounted).maybe_applied())
}

/// What is wrong with the mount of the new share or volume of `job`, where anything is.
fn unmounted(job: &RestoreJob, made: &Provisioned) -> Option<String> {
    let to = made.destinations.get(&job.component.id).filter(|to| expects_mount(to))?;
    let path = Path::new(to.get(PATH)?.as_str()?);
    (!is_mount_point(path).unwrap_or(false)).then(|| nothing_at(path, &job.component.id))
}

/// What is wrong where nothing can mount the new share or volume of `job` but a hook: an automounter would stand at its mount
/// or just above.
pub(super) fn never_mounted(job: &RestoreJob) -> Option<String> {
    let path = Path::new(job.destination.get(PATH).filter(|_| expects_mount(&job.destination))?.as_str()?);
    let may_be = [Some(path), path.parent()].into_iter().flatten();
    let mut may_be = may_be.filter(|at| is_mount_point(at).unwrap_or(false));
    may_be.next().is_none().then(|| nothing_at(path, &job.component.id))
}

fn nothing_at(path: &Path, component: &ComponentId) -> String {
    format!(
        "nothing is mounted at {path:?}, so the files of component {component} would land on this host and not in the new share \
         or volume: mount it by a provision hook or an automount, or say mounted = false in the settings of the target's \
         component"
    )
}

/// Removes those that this restore made.
///
/// # Errors
/// Whatever removing meets; one that somebody else made is left alone.
pub(super) async fn discard(
    azure: Option<&AzureProvider>,
    cx: &OpContext,
    jobs: Vec<RestoreJob>,
) -> Result<()> {
    for job in jobs {
        let azure = azure.ok_or_else(unreachable)?;
        match azure.discard(cx, &azure.empty(&job)?).await {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                tracing::debug!(error = error.to_string(), "what this restore did not make stays");
            }
            other => other?,
        }
    }
    Ok(())
}

fn unreachable() -> Error {
    Error::new(ErrorKind::Unexpected, "a restore into Azure was begun without its provider")
}
