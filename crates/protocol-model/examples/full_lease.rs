//! The lease protocol with as many deaths, sleeps past the lease and lost answers as one likes; with one of each, twenty
//! million states, some four gigabytes of memory and a few minutes:
//!
//! ```text
//! cargo run --release -p stillpoint-protocol-model --example full_lease -- 1 1 1
//! ```

use std::io::Write;

use stillpoint_protocol_model::ends;
use stillpoint_protocol_model::lease::Protocol;

fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse().unwrap_or(1)).chain([1; 3]);
    let mut number = || numbers.next().unwrap_or(1);
    let (deaths, sleeps, losses) = (number(), number(), number());
    let found = ends(&Protocol::new(deaths, sleeps, losses), 100_000_000);
    writeln!(std::io::stdout(), "{deaths} deaths, {sleeps} sleeps, {losses} losses: {found:?}")
}
