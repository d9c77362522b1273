//! The contract, executable: suites, simulated clouds, crashes, and what they find.

mod backups;
mod broken_providers;
mod cancels;
mod catalog;
mod crash;
mod deadlines;
mod forget;
mod limits;
mod many;
mod memory;
mod outages;
mod plans;
mod planted;
mod reconcile;
mod restores;
mod rivals;
mod schedules;
mod sim_cloud;
mod sim_suites;
mod storms;
mod story;
mod takeovers;
mod told;
mod verify_and_copy;
mod watchdog;
