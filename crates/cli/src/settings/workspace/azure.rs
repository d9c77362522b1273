//! Azure's names of resources, as far as the configuration is held to them.
//!
//! Format: `/subscriptions/ID/resourceGroups/NAME/providers/NAMESPACE/TYPE/NAME…`, each part in any case, from
//! <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>.

use super::kind::Kind;
use super::managed::ManagedConfig;

/// What a resource id must be for a component of `kind`: the types of its parts, from the outermost.
fn types(kind: Kind) -> Option<&'static [&'static str]> {
    match kind {
        Kind::Disk => Some(&["Microsoft.Compute", "disks"]),
        Kind::FileShare => Some(&["Microsoft.Storage", "storageAccounts", "fileServices", "shares"]),
        Kind::NetappVolume => Some(&["Microsoft.NetApp", "netAppAccounts", "capacityPools", "volumes"]),
        Kind::BlobContainer => Some(&["Microsoft.Storage", "storageAccounts", "blobServices", "containers"]),
        Kind::Ebs | Kind::Efs | Kind::Nfs => None,
    }
}

/// Why `text` is not the resource of a component of `kind` in `workspace`; nothing where it is.
pub(super) fn wrong_resource(text: &str, kind: Kind, workspace: &ManagedConfig) -> Option<String> {
    let types = types(kind)?;
    let form = || {
        let (provider, rest) = types.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
        let names: String = rest.iter().map(|kind| format!("/{kind}/NAME")).collect();
        format!(
            "{text:?} is not the id of a {} (/subscriptions/ID/resourceGroups/NAME/providers/{provider}{names})",
            kind.as_str()
        )
    };
    let parts: Vec<&str> = text.strip_prefix('/').unwrap_or_default().split('/').collect();
    let ["subscriptions", subscription, groups, _group, "providers", provider, rest @ ..] = parts.as_slice()
    else {
        return Some(form());
    };
    let found = std::iter::once(provider).chain(rest.iter().step_by(2));
    let same = found.map(|part| part.to_lowercase()).eq(types.iter().map(|part| part.to_lowercase()));
    if !groups.eq_ignore_ascii_case("resourceGroups") || !same || rest.len() % 2 != 0 || parts.contains(&"") {
        return Some(form());
    }
    let own = workspace.subscription.as_ref().map(|own| own.as_str());
    (!own.is_some_and(|own| own.eq_ignore_ascii_case(subscription))).then(|| {
        format!("{text:?} is in subscription {subscription}, the workspace is in {}", own.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use crate::settings::ConfigFile;
    use crate::settings::workspace::managed::tests::{is_refused, read};

    const WHOLE: &str = r#"[[workspace]]
id = "ml-azure"
provider = "azure"
subscription = "22222222-2222-4222-8222-222222222222"
resource_group = "ml"
region = "westeurope"
components = [
  { id = "db", kind = "disk", resource = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/ml/providers/Microsoft.Compute/disks/db" },
  { id = "projects", kind = "file-share", resource = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/ml/providers/Microsoft.Storage/storageAccounts/files/fileServices/default/shares/projects" },
]
"#;

    #[test]
    fn the_example_is_understood() {
        let example =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/managed/azure.toml");
        let config = ConfigFile::read(&example).unwrap();
        for (id, components) in [("ml-azure", 3), ("ml-azure-2", 1), ("ml-vaulted", 3)] {
            assert_eq!(config.managed(id).unwrap().components.len(), components, "{id}");
        }
    }

    #[test]
    fn a_workspace_on_azure_is_understood_and_its_mistakes_are_named() {
        let config = read(WHOLE).unwrap();
        let managed = config.managed("ml-azure").unwrap();
        assert_eq!(managed.owner(), "22222222-2222-4222-8222-222222222222");
        assert_eq!(managed.resource_group.as_deref(), Some("ml"));
        for (right, wrong, line, words) in [
            ("subscription = \"22222222-2222-4222-8222-222222222222\"\n", "", 1, &["subscription"][..]),
            ("subscription = \"2", "subscription = \"x", 4, &["x2222222", "subscription"]),
            ("resource_group = \"ml\"", "account = \"123456789012\"", 1, &["account"]),
            ("resource_group = \"ml\"", "role_arn = \"arn:aws:iam::1:role/R\"", 1, &["role_arn"]),
            ("resource_group = \"ml\"", "resource_group = \"a/b\"", 1, &["resource_group", "a/b"]),
            ("/disks/db", "/snapshots/db", 8, &["db", "disk"]),
            ("/subscriptions/2", "/subscriptions/3", 8, &["db", "32222222"]),
            ("/fileServices/default", "", 9, &["projects", "file-share"]),
            ("kind = \"disk\"", "kind = \"ebs\"", 1, &["db", "ebs", "azure"]),
            (
                "\"disk\", resource = \"/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/ml/providers/Microsoft.Compute/disks/db\"",
                "\"blob-container\", resource = \"/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/ml/providers/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/c\"",
                8,
                &["db", "only a vault", "key vault"],
            ),
        ] {
            is_refused((WHOLE, "ml-azure"), right, wrong, line, words);
        }
    }
}
