//! A last-in-first-out pool of jobs that may create further jobs.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The jobs still to do, shared by the workers of [`run_jobs`].
///
/// The newest job is taken first, so a tree is walked depth first and the number of waiting jobs stays near the number
/// of entries in the directories on the current paths, not in the whole tree.
#[derive(Debug)]
pub struct JobStack<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J> {
    waiting: Vec<J>,
    running: usize,
    stopped: bool,
}

impl<J> JobStack<J> {
    /// Adds a job; after [`stop`](Self::stop) it is dropped instead.
    pub fn push(&self, job: J) {
        self.push_all(std::iter::once(job));
    }

    /// Adds jobs; the last of them is taken first.
    pub fn push_all(&self, jobs: impl IntoIterator<Item = J>) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        state.waiting.extend(jobs);
        self.changed.notify_all();
    }

    /// Drops every waiting job and lets the workers end after the job in hand.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    fn take(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop() {
                state.running += 1;
                return Some(job);
            }
            if state.running == 0 || state.stopped {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finished(&self) {
        let mut state = self.lock();
        state.running -= 1;
        if state.running == 0 && state.waiting.is_empty() {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `first` and every job it leads to on `workers` threads, and returns when none is left.
///
/// A panic in a job stops the others and is passed on.
pub fn run_jobs<J: Send>(workers: usize, first: J, run: impl Fn(J, &JobStack<J>) + Sync) {
    let stack = JobStack {
        state: Mutex::new(State { waiting: vec![first], running: 0, stopped: false }),
        changed: Condvar::new(),
    };
    let work = || {
        while let Some(job) = stack.take() {
            let running = Running(&stack);
            run(job, &stack);
            drop(running);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers.max(1) {
            scope.spawn(work);
        }
        work();
    });
}

/// Marks a job finished even when it panics, so that no worker waits for ever.
struct Running<'a, J>(&'a JobStack<J>);

impl<J> Drop for Running<'_, J> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
        self.0.finished();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn every_job_runs_once_with_any_number_of_workers() {
        for workers in [1, 2, 7] {
            let runs = AtomicU32::new(0);
            run_jobs(workers, 6_u32, |depth, stack| {
                runs.fetch_add(1, Ordering::Relaxed);
                if depth > 0 {
                    stack.push_all([depth - 1, depth - 1]);
                }
            });
            assert_eq!(runs.into_inner(), 127);
        }
    }

    #[test]
    fn stopping_drops_what_waits() {
        let runs = AtomicU32::new(0);
        run_jobs(1, true, |first, stack| {
            runs.fetch_add(1, Ordering::Relaxed);
            if first {
                stack.push_all([false; 100]);
                stack.stop();
            }
        });
        assert_eq!(runs.into_inner(), 1);
    }

    #[test]
    fn a_panic_in_a_job_ends_the_pool_and_is_passed_on() {
        let outcome = std::panic::catch_unwind(|| {
            run_jobs(3, 0_u32, |number, stack| match number {
                0 => stack.push_all(1..200),
                150 => panic!("planned"),
                _ => {}
            });
        });
        assert!(outcome.is_err());
    }
}
