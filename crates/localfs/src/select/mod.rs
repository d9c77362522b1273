//! Which entries of a tree are captured, and an account of those that are not.

mod account;
mod environments;
mod presets;
mod rules;

pub use account::{RuleReport, Selection};
pub use presets::Preset;
pub use rules::{RuleOrigin, Rules};
