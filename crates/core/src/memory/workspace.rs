//! A workspace and a provisioner in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::context::OpContext;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{QuiesceId, WorkspaceId};
use crate::provider::{Finding, RestoredResource};
use crate::provisioner::{ProvisionRequest, Provisioned, Provisioner};
use crate::workspace::{Component, Consistency, Definition, HoldInfo, QuiesceOptions, Workspace};

/// A workspace whose hold can be observed.
#[derive(Debug)]
pub struct MemoryWorkspace {
    definition: Definition,
    components: Vec<Component>,
    holder: Mutex<Option<HoldInfo>>,
}

impl MemoryWorkspace {
    /// A workspace with these components.
    pub fn new(definition: Definition, components: Vec<Component>) -> Self {
        Self { definition, components, holder: Mutex::new(None) }
    }

    /// Who holds it still now.
    pub fn held_by(&self) -> Option<QuiesceId> {
        self.lock().as_ref().map(|hold| hold.id.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<HoldInfo>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Workspace for MemoryWorkspace {
    fn id(&self) -> &WorkspaceId {
        &self.definition.id
    }

    fn is_of_one_host(&self) -> bool {
        self.definition.host.is_some()
    }

    async fn definition(&self, _cx: &OpContext) -> Result<Definition> {
        Ok(self.definition.clone())
    }

    async fn inventory(&self, _cx: &OpContext) -> Result<Vec<Component>> {
        Ok(self.components.clone())
    }

    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency> {
        let mut holder = self.lock();
        match &*holder {
            Some(other) if other.id != *id => {
                Err(Error::new(ErrorKind::Busy, format!("{} holds the workspace still", other.id)))
            }
            Some(_) => Ok(Consistency::Application),
            None => {
                *holder = Some(
                    HoldInfo::new(id.clone(), cx.clock().now(), options.budget)
                        .taken_by(cx.operation().cloned()),
                );
                Ok(Consistency::Application)
            }
        }
    }

    async fn resume(&self, _cx: &OpContext, id: &QuiesceId) -> Result<()> {
        self.lock().take_if(|hold| hold.id == *id);
        Ok(())
    }

    async fn hold(&self, _cx: &OpContext) -> Result<Option<HoldInfo>> {
        Ok(self.lock().clone())
    }
}

/// A provisioner whose new workspaces are places in a [`MemoryProvider`](super::MemoryProvider): component `c` of
/// target `t` goes to resource `t/c`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MemoryProvisioner;

#[async_trait]
impl Provisioner for MemoryProvisioner {
    async fn preflight(&self, _cx: &OpContext, _request: &ProvisionRequest) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn provision(&self, _cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned> {
        let target = &request.restore.target;
        let mut made = Provisioned::new(target.clone());
        made.software_version.clone_from(&request.restore.software_version);
        for component in &request.backup.components {
            let id = component.component.id.clone();
            let place = format!("{target}/{id}");
            made = made.with_destination(id, [("resource".to_owned(), place.into())].into());
        }
        Ok(made)
    }

    async fn attach(
        &self,
        _cx: &OpContext,
        _made: &Provisioned,
        _resources: &[RestoredResource],
    ) -> Result<()> {
        Ok(())
    }

    async fn activate(&self, _cx: &OpContext, _made: &Provisioned) -> Result<()> {
        Ok(())
    }

    async fn discard(&self, _cx: &OpContext, _made: &Provisioned) -> Result<()> {
        Ok(())
    }
}
