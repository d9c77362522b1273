//! The directory that a restore fills: what stands there, whose it is, and how it goes again.

mod mark;
mod occupancy;
mod place;
mod remove;
mod room;
mod settle;

pub(crate) use mark::clear as hand_over;
pub(crate) use occupancy::{Occupancy, look};
pub(crate) use place::{Place, restore_id};
pub(crate) use remove::discard;
pub(crate) use room::look as room;
pub use settle::UNCHANGED_SINCE;
pub(crate) use settle::{extract_options, foresee, settle};

use std::path::PathBuf;

use stillpoint_core::{Error, ErrorKind, Result, Settings};

/// The path that settings name, made absolute.
pub(crate) fn path_in(settings: &Settings) -> Result<PathBuf> {
    let path = settings.get("path").and_then(serde_json::Value::as_str).filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "the restore's settings name no path for the new directory")
    })?;
    std::path::absolute(path).map_err(|error| crate::error::from_io(error, "resolve", path.as_ref()))
}
