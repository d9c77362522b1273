#![doc = include_str!("../README.md")]

mod connection;
pub mod managed;

pub use connection::{Connection, Environment};
