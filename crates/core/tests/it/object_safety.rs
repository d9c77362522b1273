//! Every trait of the contract can be used as `Arc<dyn …>` from any thread.

use std::fmt::Debug;
use std::sync::Arc;

use stillpoint_core::*;

fn shareable<T: ?Sized + Debug + Send + Sync + 'static>() {}

#[test]
fn the_traits_of_the_contract_are_object_safe_and_shareable() {
    shareable::<Arc<dyn Workspace>>();
    shareable::<Arc<dyn Provisioner>>();
    shareable::<Arc<dyn Provider>>();
    shareable::<Arc<dyn Snapshot>>();
    shareable::<Arc<dyn Catalog>>();
    shareable::<Arc<dyn Orchestrator>>();
    shareable::<Arc<dyn Clock>>();
    shareable::<Arc<dyn Entropy>>();
    shareable::<Error>();
}
