//! How many processors this process may use.

use std::num::NonZeroUsize;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use stillpoint_core::{Error, ErrorKind, Result};

/// Keeps this thread, and every thread that it starts from now on, to `most` of the processors that it may use.
///
/// # Errors
/// The system's refusal.
pub(crate) fn limit(most: NonZeroUsize) -> Result<()> {
    let refused = |error: rustix::io::Errno| {
        Error::new(ErrorKind::PermissionDenied, "the number of processors cannot be limited")
            .with_source(error)
    };
    let allowed = sched_getaffinity(None).map_err(refused)?;
    let mut kept = CpuSet::new();
    // From the last one down: what else runs on a machine is mostly placed from the first one up.
    let last_first = (0..CpuSet::MAX_CPU).rev().filter(|cpu| allowed.is_set(*cpu));
    last_first.take(most.get()).for_each(|cpu| kept.set(cpu));
    sched_setaffinity(None, &kept).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_that_follow_share_the_limit() {
        let counted = std::thread::spawn(|| {
            limit(NonZeroUsize::MIN).unwrap();
            std::thread::spawn(|| std::thread::available_parallelism().unwrap().get()).join().unwrap()
        });
        assert_eq!(counted.join().unwrap(), 1);
        let counted = std::thread::spawn(|| {
            let before = std::thread::available_parallelism().unwrap();
            limit(NonZeroUsize::MAX).unwrap();
            std::thread::available_parallelism().unwrap() == before
        });
        assert!(counted.join().unwrap(), "a limit above what there is changes nothing");
    }
}
