//! The provider suite on managed disks. All checks share one fake, which begins anew for each.

use crate::fake::AzureHarness;

/// Runs the suite's checks one after another, each in a fake that `$again` began anew, but those that are left out.
macro_rules! checks {
    (($harness:ident, $again:ident, $left_out:expr) $($check:ident)+) => {
        let left_out: &[&str] = $left_out;
        for name in left_out {
            assert!([$(stringify!($check)),+].contains(name), "no check is called {name}");
        }
        $(
            if !left_out.contains(&stringify!($check)) {
                $again();
                let ended = stillpoint_conformance::provider::$check(&$harness).await;
                ended.map_err(|error| format!("{}: {error:?}", stringify!($check)))?;
            }
        )+
    };
}

pub(crate) use checks;

#[tokio::test]
async fn disks_keep_the_contract_of_providers() -> Result<(), Box<dyn std::error::Error>> {
    let Some(harness) = AzureHarness::new() else { return Ok(()) };
    let again = || harness.again();
    stillpoint_conformance::provider_checks! { (checks) (harness, again, &[]) };
    Ok(())
}
