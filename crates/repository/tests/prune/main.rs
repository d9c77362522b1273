//! Prunes: what they free, what they must never free, and what other programs think of the result.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

mod asleep;
mod at_once;
mod interrupted;
mod meanwhile;
mod mortal;
mod oracles;
mod repair;
mod retention;
mod support;
mod two_runs;
