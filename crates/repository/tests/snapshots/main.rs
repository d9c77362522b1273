//! Directories backed up, restored, listed and compared through a whole repository.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in shared set-up")]
#![expect(clippy::print_stdout, reason = "the counts belong in the log of the run")]

mod backup;
mod browse;
mod cut_off;
mod doubted;
mod exact;
mod hostile;
mod interrupted;
mod lost;
mod progress;
mod regressions;
mod remembered;
mod remote;
mod renamed;
mod restic;
mod restore;
mod support;
mod torn;
