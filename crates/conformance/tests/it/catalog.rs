//! The catalog suite on the in-memory catalog of core.

use stillpoint_conformance::catalog::MemoryHarness;

stillpoint_conformance::catalog_suite! { #[tokio::test(flavor = "multi_thread", worker_threads = 2)] MemoryHarness::new() }
