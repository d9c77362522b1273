#![doc = include_str!("../README.md")]

pub mod access;
mod act;
mod background;
pub mod demo;
pub mod document;
mod listen;
mod metrics;
mod page;
mod plane;
mod problem;
mod rest;
mod routes;
mod serve;
mod streams;
pub mod text;
mod view;

pub use act::{RestoreRoute, Routed, SameProvisioner};
pub use background::keep_going;
pub use listen::{Bound, Listen};
pub use plane::{CALLS_PER_SECOND_DEFAULT, ControlPlane};
pub use problem::ProblemDocument;
pub use serve::serve;
pub use view::HoldNotes;
