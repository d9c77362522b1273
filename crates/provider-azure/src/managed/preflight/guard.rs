//! What would keep a source from being guarded.

use stillpoint_core::{BackupId, Component, ErrorKind, Finding, OpContext, OperationId, Result, Tags};

use super::super::AzureProvider;
use super::super::guard::Guarded;
use super::super::resource_id::ResourceId;
use super::rights::{granted, locked};
use super::{judged, warning};

impl AzureProvider {
    pub(in super::super) async fn check_guard(
        &self,
        cx: &OpContext,
        component: &Component,
        tags: &Tags,
    ) -> Result<Vec<Finding>> {
        // Whatever is wrong with these, the preflight of the backup says.
        let (Ok(source), Ok(needed)) = (self.guarded_source(component), Guarded::actions(component)) else {
            return Ok(Vec::new());
        };
        let mut findings = judged("tags", guard_room(&source, tags).await)?;
        cx.check()?;
        findings.extend(judged("permissions", self.guard_rights(source.id(), &needed).await)?);
        findings.extend(judged("locks", self.guard_locks(source.id()).await)?);
        Ok(findings)
    }

    async fn guard_rights(&self, id: &ResourceId, needed: &[&str]) -> Result<Vec<Finding>> {
        let granted = granted(self.connection(), &id.subscription, &id.group).await?;
        let denied = needed.iter().filter(|action| !granted.iter().any(|role| role.allows(action)));
        let denied: Vec<&str> = denied.copied().collect();
        if denied.is_empty() {
            return Ok(Vec::new());
        }
        let message = format!(
            "the caller may not {} in resource group {}, so {id} is not guarded; assign what `policy` prints",
            denied.join(", "),
            id.group
        );
        Ok(vec![warning("permissions", message)])
    }

    async fn guard_locks(&self, id: &ResourceId) -> Result<Vec<Finding>> {
        let locks = locked(self.connection(), &id.subscription, &id.group).await?;
        let read_only = locks.into_iter().find(|lock| lock.is_read_only());
        let told = |lock: &str| {
            warning("locks", format!("the lock {lock} lets no tags be written on {id}; lift it"))
        };
        Ok(read_only.map(|lock| told(lock.id())).into_iter().collect())
    }
}

async fn guard_room(source: &Guarded<'_>, tags: &Tags) -> Result<Vec<Finding>> {
    // Any operation's guard takes as much room.
    let anybody = OperationId::new(BackupId::of(&"guard".parse()?).as_str())?;
    let told = |message: String| vec![warning("tags", format!("the source cannot be guarded: {message}"))];
    let left_out = match source.fitting(tags.clone()) {
        Ok((_, left_out)) => left_out,
        Err(error) => return Ok(told(error.to_string())),
    };
    match source.would_fit(&anybody, tags).await {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(told(error.to_string())),
        fits => fits.map(|()| left_out.map(|message| warning("tags", message)).into_iter().collect()),
    }
}
