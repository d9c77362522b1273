//! Holds the keys of a managed workspace against each other, and says which of them is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use stillpoint_core::Consistency;
use toml::Spanned;

use super::arn::Arn;
use super::azure;
use super::kind::Kind;
use super::managed::{ConfiguredComponent, ManagedConfig};
use crate::settings::config_file::Wrong;

/// The longest key and the longest value of a tag, in characters.
/// Source: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.
const TAG_KEY_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;
/// Tags of one resource that may be the administrator's; the cloud allows 50, and some are ours.
const TAGS_MAX: usize = 30;
/// Those of them that also fit on a recovery point of AWS Backup, which takes ten with a job; seven are Stillpoint's own.
/// Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/aws-backup-limits.html>.
const POINT_TAGS_MAX: usize = 3;

impl ManagedConfig {
    /// Holds the parts against each other. `at` is where the workspace begins.
    pub(in crate::settings) fn check(&self, at: &Range<usize>) -> Result<(), Wrong> {
        let here = |message: String| Err(Wrong::new(at.clone(), message));
        if self.hooks.quiesce.is_some() != self.hooks.resume.is_some() {
            return here("hooks quiesce and resume belong together; give both or none".to_owned());
        }
        if self.hooks.consistency == Some(Consistency::Fuzzy) {
            return here("hooks.consistency is application, filesystem or crash".to_owned());
        }
        self.check_owner().or_else(here)?;
        if !self.create_vault && (self.vault_kms_key.is_some() || !self.vault_tags.is_empty()) {
            return here(
                "vault_kms_key and vault_tags are for a vault that is made; set create_vault".to_owned(),
            );
        }
        if self.protect_sources && self.protect_tags.is_empty() {
            return here("protect_sources writes protect_tags on the sources; give some".to_owned());
        }
        if let Some(role) = &self.role_arn {
            self.check_role(role)?;
        }
        let all = [
            ("protect_tags", &self.protect_tags),
            ("discover_tags", &self.discover_tags),
            ("vault_tags", &self.vault_tags),
        ];
        for (name, tags) in all {
            let most =
                if name == "protect_tags" && self.provider == "aws" { POINT_TAGS_MAX } else { TAGS_MAX };
            check_tags(tags, most).or_else(|message| here(format!("{name}: {message}")))?;
        }
        let found = &self.discover_tags;
        if !found.is_empty() && found.iter().all(|(key, value)| self.protect_tags.get(key) == Some(value)) {
            let message = "protect_tags hold all of discover_tags, so what a restore makes would be taken for a part of \
                           this workspace; leave them out";
            return here(message.to_owned());
        }
        let mut ids = BTreeSet::new();
        for component in &self.components {
            let id = &component.id;
            if !ids.insert(id) {
                return here(format!("component {id} is there twice"));
            }
            component.check(self, at)?;
        }
        Ok(())
    }

    /// Whether it says whose it is in the way of its cloud, and in no other.
    fn check_owner(&self) -> Result<(), String> {
        let own = [
            ("account", self.account.is_some()),
            ("role_arn", self.role_arn.is_some()),
            ("create_vault", self.create_vault),
            ("vault_kms_key", self.vault_kms_key.is_some()),
            ("vault_tags", !self.vault_tags.is_empty()),
        ];
        let others = [
            ("subscription", self.subscription.is_some()),
            ("resource_group", self.resource_group.is_some()),
        ];
        let is_azure = self.provider == "azure";
        let (needed, strange) =
            if is_azure { (others.first(), &own[..]) } else { (own.first(), &others[..]) };
        if let Some((key, false)) = needed {
            return Err(format!("a workspace of provider {} needs the key {key}", self.provider));
        }
        if let Some((key, _)) = strange.iter().find(|(_, given)| *given) {
            return Err(format!("a workspace of provider {} has no key {key}", self.provider));
        }
        let fits = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
        match &self.resource_group {
            Some(group) if group.is_empty() || !group.chars().all(fits) => {
                Err(format!("resource_group {group:?} is not the name of a resource group"))
            }
            _ => Ok(()),
        }
    }

    fn check_role(&self, role: &Spanned<String>) -> Result<(), Wrong> {
        let wrong = |message: String| Err(Wrong::new(role.span(), format!("role_arn: {message}")));
        let text = role.get_ref();
        match Arn::parse(text) {
            Some(arn) if arn.service == "iam" && arn.resource.starts_with("role/") => {
                if arn.account == self.owner() {
                    return Ok(());
                }
                wrong(format!(
                    "{text:?} is a role of account {}, the workspace is in {}",
                    arn.account,
                    self.owner()
                ))
            }
            _ => wrong(format!("{text:?} is not the ARN of a role (arn:aws:iam::ACCOUNT:role/NAME)")),
        }
    }
}

impl ConfiguredComponent {
    fn check(&self, workspace: &ManagedConfig, at: &Range<usize>) -> Result<(), Wrong> {
        let id = &self.id;
        if let Some(mount) = &self.mount {
            if matches!(self.kind, Kind::Ebs | Kind::Disk) {
                return Err(Wrong::new(at.clone(), format!("component {id}: a volume has no mount")));
            }
            if !mount.is_absolute() || mount.to_str().is_none() {
                let message =
                    format!("component {id}: mount {} is not an absolute path in UTF-8", mount.display());
                return Err(Wrong::new(at.clone(), message));
            }
        }
        if let Some(cloud) = self.kind.cloud().filter(|cloud| *cloud != workspace.provider) {
            let message = format!(
                "component {id}: {} is a kind of {cloud}, and the workspace is of provider {}",
                self.kind.as_str(),
                workspace.provider
            );
            return Err(Wrong::new(at.clone(), message));
        }
        if let Some(resource) = &self.resource
            && let Some(message) = azure::wrong_resource(resource.get_ref(), self.kind, workspace)
        {
            return Err(Wrong::new(resource.span(), format!("component {id}: resource: {message}")));
        }
        let own = self.settings.get("vault").and_then(|vault| vault.as_str());
        let vault = own.or(workspace.vault.as_deref()).filter(|vault| !vault.is_empty());
        if let (Some(resource), Kind::BlobContainer, None) = (&self.resource, self.kind, vault) {
            let message =
                format!("component {id}: only a vault protects a blob-container; name one by the key vault");
            return Err(Wrong::new(resource.span(), message));
        }
        let (Some(resource), Some((service, beginning))) = (&self.resource, self.kind.in_arn()) else {
            return Ok(());
        };
        let text = resource.get_ref();
        let wrong = |message: String| {
            Err(Wrong::new(resource.span(), format!("component {id}: resource: {message}")))
        };
        let Some(arn) = Arn::parse(text).filter(|arn| arn.service == service) else {
            return wrong(format!(
                "{text:?} is not the ARN of {} (arn:aws:{service}:REGION:ACCOUNT:{beginning}…)",
                self.kind.as_str()
            ));
        };
        if !arn.resource.strip_prefix(beginning).is_some_and(|rest| !rest.is_empty() && !rest.contains('/')) {
            return wrong(format!("{text:?} names no {beginning}…"));
        }
        if arn.account != workspace.owner() {
            return wrong(format!(
                "{text:?} is in account {}, the workspace is in {}",
                arn.account,
                workspace.owner()
            ));
        }
        if arn.region != workspace.region.as_str() {
            return wrong(format!(
                "{text:?} is in region {}, the workspace is in {}",
                arn.region, workspace.region
            ));
        }
        Ok(())
    }
}

fn check_tags(tags: &BTreeMap<String, String>, most: usize) -> Result<(), String> {
    if tags.len() > most {
        return Err(format!("{} tags are more than the {most} that fit beside Stillpoint's own", tags.len()));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > TAG_KEY_MAX || value.chars().count() > TAG_VALUE_MAX {
            return Err(format!(
                "tag {key:?} does not fit; a key has 1 to {TAG_KEY_MAX} characters, a value up to {TAG_VALUE_MAX}"
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(format!("tag {key:?} cannot be set; keys that begin with aws: are Amazon's"));
        }
    }
    Ok(())
}
