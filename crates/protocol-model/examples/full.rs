//! The whole search, for a release: two rounds of pruning, during which one prune dies. Forty million states, some four
//! gigabytes of memory and a few minutes:
//!
//! ```text
//! cargo run --release -p stillpoint-protocol-model --example full
//! ```

use std::io::Write;

use stillpoint_protocol_model::gc::Protocol;
use stillpoint_protocol_model::search;

fn main() -> std::io::Result<()> {
    let found = search(&Protocol::new(2, 1), 100_000_000);
    writeln!(std::io::stdout(), "{found:?}")
}
