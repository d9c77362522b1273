//! `stillpoint serve --demo`: an invented catalog to look at.

use std::sync::Arc;

use stillpoint_core::Catalog;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_server::access::MemoryAccess;
use stillpoint_server::demo::{DemoOptions, demo};

use super::stand;
use crate::exit::Outcome;
use crate::output::Output;
use crate::settings::Serving;

/// Serves invented workspaces from memory until it is told to stop. Nothing is read or kept.
pub(super) async fn run(output: &Output, serving: &Serving) -> Outcome {
    let catalog: Arc<dyn Catalog> = Arc::new(MemoryCatalog::new());
    let access = Arc::new(MemoryAccess::default());
    let made = demo(Arc::clone(&catalog), access, DemoOptions::default()).await?;
    for (role, secret) in &made.tokens {
        output.note(format_args!("to look at it as {role}: {}", secret.expose()));
    }
    let plane = made.plane.with_calls_per_second(serving.calls_per_second);
    stand(output, serving, serving.listen.clone().bind().await?, plane, made.orchestrator.as_ref()).await
}
