//! Role definitions as Azure's command line takes them.

use serde::{Deserialize, Serialize};

/// What to create and assign where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PolicyDocuments {
    /// For whoever runs Stillpoint, on each of the resource groups.
    pub groups: RoleDefinition,
    /// For the same, on the resource groups of the vaults; nothing where no component goes through one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vaults: Option<RoleDefinition>,
    /// For the same, on the subnets [`Self::subnet_ids`]; nothing where no volume is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnets: Option<RoleDefinition>,
    /// The subnets to assign `subnets` on, where they are known: a definition can only say in which resource groups it may
    /// be assigned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnet_ids: Vec<String>,
    /// For the same, on the subscription.
    pub subscription: RoleDefinition,
}

/// A role definition, as `az role definition create --role-definition` takes it.
/// Source: <https://learn.microsoft.com/azure/role-based-access-control/role-definitions>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct RoleDefinition {
    /// Its name.
    pub name: String,
    /// True for one that is not Azure's own.
    pub is_custom: bool,
    /// What it is for.
    pub description: String,
    /// What it allows.
    pub actions: Vec<String>,
    /// What it does not allow of that; nothing.
    pub not_actions: Vec<String>,
    /// What it allows on data; nothing.
    pub data_actions: Vec<String>,
    /// What it does not allow of that; nothing.
    pub not_data_actions: Vec<String>,
    /// Where it can be assigned.
    pub assignable_scopes: Vec<String>,
}

impl RoleDefinition {
    pub(super) fn new(name: &str, actions: Vec<String>, assignable_scopes: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            is_custom: true,
            description: "What Stillpoint calls, and nothing else".to_owned(),
            actions,
            not_actions: Vec::new(),
            data_actions: Vec::new(),
            not_data_actions: Vec::new(),
            assignable_scopes,
        }
    }
}
