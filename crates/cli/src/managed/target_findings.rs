//! What stands against the place that a restore asks for: another account or region than the backup's.

use std::collections::BTreeSet;

use stillpoint_core::{BackupRecord, ComponentId, Finding, ProvisionRequest, Severity};

use super::provisioner::of_files;
use crate::settings::{Kind, ManagedConfig};

/// The setting of a restore that names the new workspace's environment.
pub(crate) const ENVIRONMENT: &str = "environment";

/// What stands against a target of the configuration: restores stay in the backup's account and region, but those of files,
/// which come back in any cloud.
pub(super) fn place_findings(target: &ManagedConfig, backup: &BackupRecord) -> Vec<Finding> {
    if backup.components.iter().all(|record| record.snapshot.is_none() || of_files(record)) {
        return Vec::new();
    }
    let definition = &backup.definition;
    let pairs = [
        ("account", "target-account", definition.account.as_deref(), target.owner()),
        ("region", "target-region", definition.region.as_deref(), target.region.as_str()),
    ];
    let different =
        pairs.into_iter().filter(|(_, _, source, target)| source.is_some_and(|source| source != *target));
    different.map(|(what, check, source, there)| {
        let message = format!(
            "workspace {} is in {what} {there} and the backup is of {what} {}; a backup is restored where it was made, \
             and gets elsewhere by a copy; what is kept as files can be restored there by itself (--component)",
            target.id,
            source.unwrap_or_default()
        );
        Finding::new(check, Severity::Blocker, message)
    }).collect()
}

/// The settings of a destination that name something of one region, for a component of this kind.
fn of_a_region(kind: &str) -> &'static [&'static str] {
    match kind {
        kind if kind == Kind::Efs.as_str() => &["subnets", "security_groups"],
        kind if kind == Kind::Ebs.as_str() => &["availability_zone"],
        _ => &[],
    }
}

/// What a copy in another region would take over from its source although it is not there: the source's network. A warning
/// where the restore is `hooked`, since a provision hook may answer settings of its own.
pub(super) fn region_findings(
    source: Option<&ManagedConfig>,
    target: Option<&ManagedConfig>,
    request: &ProvisionRequest,
    hooked: bool,
) -> Vec<Finding> {
    let backup = &request.backup;
    let region = backup.definition.region.as_deref();
    let (Some(source), Some(region)) = (source, region) else { return Vec::new() };
    if region == source.region.as_str() {
        return Vec::new();
    }
    let names = |config: &ManagedConfig, id: &ComponentId, setting: &str| {
        let of_component = config.component(id).is_some_and(|own| own.settings.contains_key(setting));
        of_component || config.destination.contains_key(setting)
    };
    let mut taken_over: BTreeSet<&str> = BTreeSet::new();
    for record in backup.components.iter().filter(|record| record.snapshot.is_some() && !of_files(record)) {
        let component = &record.component;
        taken_over.extend(of_a_region(&component.kind).iter().copied().filter(|setting| {
            names(source, &component.id, setting)
                && !target.is_some_and(|target| names(target, &component.id, setting))
        }));
    }
    if taken_over.is_empty() {
        return Vec::new();
    }
    let (named, new) = (Vec::from_iter(taken_over).join(", "), &request.restore.target);
    let message = format!(
        "the backup lies in region {region}, and {named} of workspace {} are of {}: configure workspace {new} with \
         region = \"{region}\" and {named} of that region in its destination",
        source.id, source.region
    );
    let severity = if hooked { Severity::Warning } else { Severity::Blocker };
    vec![Finding::new("target-network", severity, message)]
}

/// What stands against an environment that was asked for: it must be of the backup's account and region, as far as the
/// configuration knows it.
pub(super) fn environment_findings(
    configured: &[ManagedConfig],
    request: &ProvisionRequest,
    target: Option<&ManagedConfig>,
) -> Vec<Finding> {
    const CHECK: &str = "target-environment";
    let asked = request.restore.settings.get(ENVIRONMENT).and_then(|name| name.as_str());
    let Some(asked) = asked else { return Vec::new() };
    if let Some(other) = target.and_then(|target| target.environment.as_deref()).filter(|own| *own != asked) {
        let message = format!(
            "workspace {} is of environment {other}, and environment {asked} was asked for",
            request.restore.target
        );
        return vec![Finding::new(CHECK, Severity::Blocker, message)];
    }
    let mut there =
        configured.iter().filter(|config| config.environment.as_deref() == Some(asked)).peekable();
    if there.peek().is_none() && request.backup.definition.environment.as_deref() != Some(asked) {
        let message = format!(
            "no configured workspace is of environment {asked}, so nothing proves that it is in the backup's account and \
             region; configure one, or restore with --skip-check {CHECK}"
        );
        return vec![Finding::new(CHECK, Severity::Blocker, message)];
    }
    let elsewhere = there.find(|config| !place_findings(config, &request.backup).is_empty());
    let message = |config: &ManagedConfig| {
        format!(
            "environment {asked} is in account {} and region {}, where workspace {} is; a backup is restored where it was \
             made, and gets elsewhere by a copy",
            config.owner(),
            config.region,
            config.id
        )
    };
    elsewhere.map(|config| Finding::new(CHECK, Severity::Blocker, message(config))).into_iter().collect()
}
