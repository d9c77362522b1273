//! Examples of embedding Stillpoint. Each is a program or a test that the project's own tests run.
//!
//! | example | shows |
//! |---|---|
//! | `embed.rs` | a host in about thirty lines: back a directory up, restore it |
//! | `resume_after_crash.rs` | a host that is killed in the middle and goes on |
//! | [`copy_vault`] | a provider of one's own, complete, under the conformance suite |
//! | [`nightly`] | host code against the [`Orchestrator`](stillpoint_core::Orchestrator) trait, tested with mocks |

pub mod copy_vault;
pub mod nightly;
