//! The contract and the orchestrator of core, driven from outside.

mod accounts;
mod catalog_lost;
mod clocks;
mod decide;
mod delete;
mod forecast;
mod guards;
mod hosts;
mod jobs;
mod noted_holds;
mod object_safety;
mod orchestrator;
mod progress;
mod requests;
mod restores;
mod rests;
mod retention;
mod schedule;
mod stuck_holds;
