//! What a restore or a deletion would do, as documents.

use serde::{Deserialize, Serialize};
use stillpoint_core::{DeletePlan, Finding, Outlook, RestorePlan};
use utoipa::ToSchema;

use super::backup::BackupDetail;

/// What a restore would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct RestorePlanDocument {
    /// The backup as catalogued.
    pub backup: BackupDetail,
    /// What stands against it.
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
    /// What it would do outside.
    #[schema(value_type = Object)]
    pub outlook: Outlook,
}

impl RestorePlanDocument {
    /// `plan` as a document.
    pub fn new(plan: RestorePlan) -> Self {
        Self { backup: BackupDetail::new(&plan.backup), findings: plan.findings, outlook: plan.outlook }
    }
}

/// What a deletion would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct DeletePlanDocument {
    /// The backup as catalogued.
    pub backup: BackupDetail,
    /// What stands against it, such as a hold.
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
    /// What it would do outside.
    #[schema(value_type = Object)]
    pub outlook: Outlook,
}

impl DeletePlanDocument {
    /// `plan` as a document.
    pub fn new(plan: DeletePlan) -> Self {
        Self { backup: BackupDetail::new(&plan.backup), findings: plan.findings, outlook: plan.outlook }
    }
}
