//! A managed workspace: storage in a cloud account, and commands that hold it still and make new ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use stillpoint_core::{ComponentId, Consistency, RoleGrant, Settings, WorkspaceId};
use toml::Spanned;

use super::kind::Kind;
use super::value::{Account, Region, Subscription};

/// One `[[workspace]]` with `provider = "aws"` or `"azure"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManagedConfig {
    /// Its id.
    pub(crate) id: WorkspaceId,
    /// The cloud.
    pub(crate) provider: String,
    /// The account that owns it, on AWS.
    pub(super) account: Option<Account>,
    /// The subscription that owns it, on Azure.
    pub(super) subscription: Option<Subscription>,
    /// The resource group that it is found in and restored into, on Azure.
    pub(crate) resource_group: Option<String>,
    /// The region it stands in.
    pub(crate) region: Region,
    /// The environment it belongs to.
    pub(crate) environment: Option<String>,
    /// The software version it runs, and that its restores run.
    pub(crate) software_version: Option<String>,
    /// The backup vault.
    pub(crate) vault: Option<String>,
    /// Whether the vault is made where it is not there.
    #[serde(default)]
    pub(crate) create_vault: bool,
    /// The key that encrypts a vault that is made.
    pub(crate) vault_kms_key: Option<String>,
    /// Written on a vault that is made.
    #[serde(default)]
    pub(crate) vault_tags: BTreeMap<String, String>,
    /// The role that the cloud's backup service works under.
    pub(crate) role_arn: Option<Spanned<String>>,
    /// Written on every restored resource, every recovery point and every copy of one, at its birth.
    #[serde(default)]
    pub(crate) protect_tags: BTreeMap<String, String>,
    /// Whether the sources carry these tags, too, while a backup of them is under way.
    #[serde(default)]
    pub(crate) protect_sources: bool,
    /// Who may do what in it: recorded with each backup, never applied.
    #[serde(default)]
    pub(crate) roles: Vec<RoleGrant>,
    /// What else is needed to recreate it: recorded with each backup and given to the hooks.
    #[serde(default)]
    pub(crate) settings: Settings,
    /// Where and how restores make new resources, for all components.
    #[serde(default)]
    pub(crate) destination: Settings,
    /// Its storage.
    #[serde(default)]
    pub(crate) components: Vec<ConfiguredComponent>,
    /// What carries all these tags belongs to it, too.
    #[serde(default)]
    pub(crate) discover_tags: BTreeMap<String, String>,
    /// Commands.
    #[serde(default)]
    pub(crate) hooks: HookLines,
}

/// One component of a managed workspace.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfiguredComponent {
    /// Names it inside the workspace.
    pub(crate) id: ComponentId,
    /// What it is.
    pub(crate) kind: Kind,
    /// The cloud's name of it. One that only says how restores make it has none yet.
    pub(crate) resource: Option<Spanned<String>>,
    /// Where this host sees its files.
    pub(crate) mount: Option<PathBuf>,
    /// What its provider is to know, at a backup and at a restore.
    #[serde(default)]
    pub(crate) settings: Settings,
}

/// The commands of `[workspace.hooks]`, each a line for `/bin/sh`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HookLines {
    /// Stops or flushes what writes.
    pub(crate) quiesce: Option<String>,
    /// Lets it go again.
    pub(crate) resume: Option<String>,
    /// Makes a new workspace.
    pub(crate) provision: Option<String>,
    /// Starts it.
    pub(crate) activate: Option<String>,
    /// Moves what a restore put into a folder to the root of its file system.
    pub(crate) reroot: Option<String>,
    /// Removes what `provision` made for a restore that failed.
    pub(crate) discard: Option<String>,
    /// What consistency `quiesce` gives: `application` unless it says `filesystem` or `crash`.
    pub(crate) consistency: Option<Consistency>,
}

impl ManagedConfig {
    /// The account or subscription that owns it.
    pub(crate) fn owner(&self) -> &str {
        let subscription = self.subscription.as_ref().map(Subscription::as_str);
        self.account.as_ref().map(Account::as_str).or(subscription).unwrap_or_default()
    }

    /// Whether each component names its resource. Where one does not, the workspace can only be restored into.
    pub(crate) fn can_be_captured(&self) -> bool {
        self.components.iter().all(|component| component.resource().is_some())
    }

    /// The component of this id.
    pub(crate) fn component(&self, id: &ComponentId) -> Option<&ConfiguredComponent> {
        self.components.iter().find(|component| component.id == *id)
    }

    /// Whether a cloud's own backup protects any of it.
    pub(crate) fn uses_the_cloud(&self) -> bool {
        !self.discover_tags.is_empty() || self.components.iter().any(|component| component.kind != Kind::Nfs)
    }

    /// Whether files of it are read through a mount.
    pub(crate) fn uses_files(&self) -> bool {
        self.components.iter().any(|component| component.by_files() && component.mount.is_some())
    }
}

impl ConfiguredComponent {
    /// The cloud's name of it.
    pub(crate) fn resource(&self) -> Option<&str> {
        self.resource.as_ref().map(|resource| resource.get_ref().as_str())
    }

    /// Whether the data plane of files protects it, where anything does: what no cloud's own backup reaches, and those shares
    /// and volumes of Azure whose files this host sees. Azure makes nothing of a share's snapshot.
    pub(crate) fn by_files(&self) -> bool {
        self.kind == Kind::Nfs || (self.kind.is_filled() && self.mount.is_some())
    }

    /// Whether it is a volume that joins a subnet which only the cloud knows.
    pub(crate) fn hides_its_subnet(&self) -> bool {
        self.kind == Kind::NetappVolume && self.resource.is_some() && !self.settings.contains_key("subnet")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use serde_json::json;
    use stillpoint_core::ErrorKind;

    use crate::settings::ConfigFile;

    const WHOLE: &str = r#"[[workspace]]
id = "ml-prod"
provider = "aws"
account = "123456789012"
region = "us-west-2"
environment = "prod-env"
software_version = "2.0.47"
vault = "ml-backups"
role_arn = "arn:aws:iam::123456789012:role/AWSBackupRole"
protect_tags = { "do-not-collect" = "true" }
protect_sources = true
roles = [{ principal = "ada", role = "MLAdmin" }]
components = [
  { id = "db", kind = "ebs", resource = "arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1", settings = { availability_zone = "us-west-2a" } },
  { id = "projects", kind = "efs", resource = "arn:aws:elasticfilesystem:us-west-2:123456789012:file-system/fs-0b2", mount = "/mnt/projects" },
  { id = "datasets", kind = "nfs", resource = "nfs.example.com:/export" },
]
discover_tags = { "ml-workspace" = "ml-prod" }
destination = { subnets = ["subnet-1"] }
[workspace.settings]
instance_groups = 3
[workspace.hooks]
quiesce = "stop it"
resume = "start it"
"#;

    pub(in super::super) fn read(text: &str) -> stillpoint_core::Result<ConfigFile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        ConfigFile::read(&path)
    }

    #[test]
    fn a_managed_workspace_is_understood_to_its_last_key() {
        let config = read(WHOLE).unwrap();
        let managed = config.managed("ml-prod").unwrap();
        assert_eq!(managed.owner(), "123456789012");
        assert_eq!(managed.protect_tags["do-not-collect"], "true");
        assert!(managed.protect_sources);
        assert_eq!(managed.components.len(), 3);
        assert_eq!(managed.components[0].settings["availability_zone"], json!("us-west-2a"));
        assert_eq!(managed.components[1].mount.as_deref(), Some("/mnt/projects".as_ref()));
        assert_eq!(managed.settings["instance_groups"], json!(3));
        assert_eq!(managed.destination["subnets"], json!(["subnet-1"]));
        assert_eq!(managed.hooks.quiesce.as_deref(), Some("stop it"));
        assert_eq!(managed.roles[0].principal, "ada");
        assert!(managed.uses_the_cloud() && !managed.uses_files());
        assert!(managed.can_be_captured());
        let target =
            WHOLE.replacen(", resource = \"arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1\"", "", 1);
        let target = read(&target).unwrap();
        assert!(!target.managed("ml-prod").unwrap().can_be_captured(), "one component has no resource");
    }

    #[test]
    fn a_mistake_is_refused_with_workspace_key_and_line() {
        for (right, wrong, line, words) in [
            ("vault = ", "vualt = ", 8, &["vualt"][..]),
            ("\"123456789012\"\n", "\"1234\"\n", 4, &["1234", "twelve"]),
            ("\"123456789012\"\n", "123456789012\n", 4, &["string"]),
            ("\"us-west-2\"\n", "\"US West\"\n", 5, &["US West"]),
            ("iam::123456789012:role", "iam::999999999999:role", 9, &["role_arn", "999999999999"]),
            ("role/AWSBackupRole", "user/ada", 9, &["role_arn", "user/ada"]),
            ("us-west-2:123456789012:volume", "us-east-1:123456789012:volume", 14, &["db", "us-east-1"]),
            (
                "us-west-2:123456789012:file-system",
                "us-west-2:999999999999:file-system",
                15,
                &["projects", "999999999999"],
            ),
            ("volume/vol-0a1", "instance/i-0a1", 14, &["db", "volume/vol-"]),
            ("kind = \"nfs\"", "kind = \"smb\"", 16, &["smb", "nfs"]),
            ("mount = \"/mnt", "mount = \"mnt", 1, &["projects", "absolute"]),
            ("mount = ", "mnt = ", 15, &["mnt"]),
            ("id = \"projects\"", "id = \"db\"", 1, &["db", "twice"]),
            ("resume = \"start it\"\n", "", 1, &["quiesce", "resume"]),
            ("quiesce = ", "stop = ", 23, &["stop", "quiesce"]),
            ("\"do-not-collect\"", "\"aws:keep\"", 1, &["protect_tags", "aws:keep"]),
            (
                "\"do-not-collect\"",
                "a = \"\", b = \"\", c = \"\", d",
                1,
                &["protect_tags", "4 tags", "the 3"],
            ),
            (
                "protect_tags = { \"do-not-collect\" = \"true\" }\n",
                "",
                1,
                &["protect_sources", "protect_tags"],
            ),
            ("vault = ", "vault_kms_key = \"k\"\nvault = ", 1, &["vault_kms_key", "create_vault"]),
            (
                "{ \"ml-workspace\" = \"ml-prod\" }",
                "{ \"do-not-collect\" = \"true\" }",
                1,
                &["protect_tags", "discover_tags"],
            ),
        ] {
            is_refused((WHOLE, "ml-prod"), right, wrong, line, words);
        }
    }

    /// Proves that the configuration of a workspace is refused once `right` is `wrong`, by its line and in these words.
    #[track_caller]
    pub(in super::super) fn is_refused(
        (whole, workspace): (&str, &str),
        right: &str,
        wrong: &str,
        line: usize,
        words: &[&str],
    ) {
        assert!(whole.contains(right), "{right}");
        let error = read(&whole.replacen(right, wrong, 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        let text = error.to_string();
        assert!(text.contains(&format!("{workspace:?}")), "{text}");
        assert!(text.starts_with(&format!("line {line} ")), "line {line}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    }

    #[test]
    fn the_example_is_understood() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/managed/stillpoint.toml");
        let config = ConfigFile::read(&example).unwrap();
        assert!(config.managed("ml-prod").unwrap().hooks.provision.is_some());
        assert!(config.managed("ml-stage").is_some());
    }

    #[test]
    fn a_workspace_that_is_only_a_target_needs_no_storage() {
        let target = read(
            "[[workspace]]\nid = \"new\"\nprovider = \"aws\"\naccount = \"123456789012\"\nregion = \"us-west-2\"\n\
             components = [{ id = \"db\", kind = \"ebs\", settings = { availability_zone = \"us-west-2b\" } }]",
        );
        let target = target.unwrap();
        assert!(target.managed("new").unwrap().components[0].resource().is_none());
    }
}
