#![doc = include_str!("../README.md")]

pub mod access;
mod act;
pub mod document;
mod page;
mod plane;
mod problem;
mod rest;
mod serve;
mod view;

pub use plane::ControlPlane;
pub use problem::ProblemDocument;
pub use serve::serve;
