//! Which entries of a tree are captured, and an account of those that are not.

mod account;
mod rules;

pub use account::{RuleReport, Selection};
pub use rules::{RuleOrigin, Rules};
