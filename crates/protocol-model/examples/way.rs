//! The shortest way to what is broken by a fault of the lease protocol, state by state:
//!
//! ```text
//! cargo run --release -p stillpoint-protocol-model --example way -- LostIsFailed
//! ```

use std::io::Write;

use stillpoint_protocol_model::lease::{Fault, Protocol};
use stillpoint_protocol_model::way;

fn main() -> std::io::Result<()> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let mut protocol = Protocol::new(1, 1, 1);
    if let Some(fault) = Fault::ALL.into_iter().find(|fault| format!("{fault:?}") == name) {
        protocol = protocol.with_fault(fault);
    }
    for state in way(&protocol, 20_000_000) {
        writeln!(std::io::stdout(), "{state:?}\n")?;
    }
    Ok(())
}
