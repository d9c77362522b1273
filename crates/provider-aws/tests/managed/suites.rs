//! The provider suite on EBS volumes and on EFS file systems. What a provider says that it can do is one answer for both, so
//! each kind leaves out the one check of what only the other can: a file system is captured only when its job ends, and a
//! volume comes back as a whole.

use stillpoint_conformance::provider_checks_in_turn;

use crate::fake::{AwsHarness, Sources};

type Ended = Result<(), Box<dyn std::error::Error>>;

#[tokio::test]
async fn volumes_keep_the_contract_of_providers() -> Ended {
    let Some(harness) = AwsHarness::new(Sources::Volumes) else { return Ok(()) };
    let again = || harness.again();
    provider_checks_in_turn! { harness, again, ["a_single_path_is_restored_as_the_capability_says"] };
    Ok(())
}

#[tokio::test]
async fn file_systems_keep_the_contract_of_providers() -> Ended {
    let Some(harness) = AwsHarness::new(Sources::FileSystems) else { return Ok(()) };
    let again = || harness.again();
    provider_checks_in_turn! { harness, again, ["a_job_says_when_its_content_was_captured"] };
    Ok(())
}
