//! The suites on the in-memory implementations of core.

mod provider {
    use stillpoint_conformance::memory::MemoryHarness;
    stillpoint_conformance::provider_suite! { #[tokio::test] MemoryHarness::new() }
}

mod workspace {
    use stillpoint_conformance::memory::MemoryWorkspaceHarness;
    stillpoint_conformance::workspace_suite! { #[tokio::test] MemoryWorkspaceHarness::new() }
}

mod provisioner {
    use stillpoint_conformance::memory::MemoryProvisionerHarness;
    stillpoint_conformance::provisioner_suite! { #[tokio::test] MemoryProvisionerHarness::default() }
}
