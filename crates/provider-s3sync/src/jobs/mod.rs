//! Jobs that run inside this process: started once for each key, watched, stopped, remembered for a while.
//!
//! Nothing here knows what a job does; each layout of the stored files brings its own work.

mod meter;
mod registry;
mod remark;
mod report;

pub(crate) use meter::Meter;
pub(crate) use registry::{Jobs, Reporter};
pub(crate) use remark::{lacks, remark};
pub(crate) use report::{Issues, Noted};
