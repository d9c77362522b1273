//! What a mortal process holds: the catalog, the provider, the workspace and the provisioner behind its fuse.

use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::layer::{Call, CatalogLayer, ProviderLayer};
use stillpoint_core::*;

use super::fuse::Fuse;

/// A catalog behind a fuse. Each write is a boundary.
#[derive(Debug)]
pub struct FusedCatalog {
    inner: Arc<dyn Catalog>,
    fuse: Arc<Fuse>,
}

/// A provider behind a fuse. Each mutating call is a boundary.
#[derive(Debug)]
pub struct FusedProvider {
    inner: Arc<dyn Provider>,
    fuse: Arc<Fuse>,
}

/// A workspace behind a fuse. Quiesce and resume are boundaries.
#[derive(Debug)]
pub struct FusedWorkspace {
    inner: Arc<dyn Workspace>,
    fuse: Arc<Fuse>,
}

/// A provisioner behind a fuse. Each call but the preflight is a boundary.
#[derive(Debug)]
pub struct FusedProvisioner {
    inner: Arc<dyn Provisioner>,
    fuse: Arc<Fuse>,
}

macro_rules! fused {
    ($name:ident, $inner:ty) => {
        impl $name {
            /// Puts `inner` behind `fuse`.
            pub fn new(inner: Arc<$inner>, fuse: Arc<Fuse>) -> Self {
                Self { inner, fuse }
            }
        }
    };
}

fused!(FusedCatalog, dyn Catalog);
fused!(FusedProvider, dyn Provider);
fused!(FusedWorkspace, dyn Workspace);
fused!(FusedProvisioner, dyn Provisioner);

impl CatalogLayer for FusedCatalog {
    fn inner(&self) -> &dyn Catalog {
        &*self.inner
    }
    async fn around<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        call: Call,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T> {
        // A lease that was renewed or not makes no difference to anybody but its dead holder.
        if call.changes && call.verb != "renew_lease" {
            self.fuse.cross(attempt()).await
        } else {
            self.fuse.read(attempt()).await
        }
    }
}

impl ProviderLayer for FusedProvider {
    fn inner(&self) -> &dyn Provider {
        &*self.inner
    }
    async fn around<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        _cx: &OpContext,
        call: Call,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T> {
        if call.changes { self.fuse.cross(attempt()).await } else { self.fuse.read(attempt()).await }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Workspace for FusedWorkspace {
    fn id(&self) -> &WorkspaceId {
        self.inner.id()
    }
    fn is_of_one_host(&self) -> bool {
        self.inner.is_of_one_host()
    }

    async fn definition(&self, cx: &OpContext) -> Result<Definition> {
        self.fuse.read(self.inner.definition(cx)).await
    }
    async fn inventory(&self, cx: &OpContext) -> Result<Vec<Component>> {
        self.fuse.read(self.inner.inventory(cx)).await
    }
    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency> {
        self.fuse.cross(self.inner.quiesce(cx, id, options)).await
    }
    async fn resume(&self, cx: &OpContext, id: &QuiesceId) -> Result<()> {
        self.fuse.cross(self.inner.resume(cx, id)).await
    }
    async fn hold(&self, cx: &OpContext) -> Result<Option<HoldInfo>> {
        self.fuse.read(self.inner.hold(cx)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Provisioner for FusedProvisioner {
    fn is_of_one_host(&self) -> bool {
        self.inner.is_of_one_host()
    }

    async fn preflight(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Finding>> {
        self.fuse.read(self.inner.preflight(cx, request)).await
    }
    async fn extents(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Extent>> {
        self.fuse.read(self.inner.extents(cx, request)).await
    }
    async fn provision(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned> {
        self.fuse.cross(self.inner.provision(cx, request)).await
    }
    async fn attach(&self, cx: &OpContext, made: &Provisioned, resources: &[RestoredResource]) -> Result<()> {
        self.fuse.cross(self.inner.attach(cx, made, resources)).await
    }
    async fn activate(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        self.fuse.cross(self.inner.activate(cx, made)).await
    }
    async fn discard(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        self.fuse.cross(self.inner.discard(cx, made)).await
    }
}
