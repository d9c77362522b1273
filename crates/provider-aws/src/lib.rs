#![doc = include_str!("../README.md")]

mod connection;
#[cfg(feature = "managed")]
pub mod managed;
#[cfg(feature = "studio")]
pub mod studio;

pub use connection::{Connection, Exchange, WireJournal};
