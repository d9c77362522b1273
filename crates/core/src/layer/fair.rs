//! A bounded number of places, given in turns to those who wait, so that nobody's crowd keeps another one out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// How many may wait at one time.
const WAITING_MAX: usize = 10_000;

/// Places for a number of calls or operations at a time. Each waits under a name; the names take turns, and under
/// one name first come is first served.
#[derive(Clone, Debug)]
pub(crate) struct FairQueue(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Places taken beyond the number there are.
    excess: usize,
    lines: BTreeMap<String, VecDeque<oneshot::Sender<Place>>>,
    turns: VecDeque<String>,
    waiting: usize,
}

/// A place that was taken; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<FairQueue>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.release();
        }
    }
}

impl FairQueue {
    /// `places` at a time, and at least one.
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: places.max(1),
            excess: 0,
            lines: BTreeMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place. Whoever no longer waits loses its turn and nothing else.
    ///
    /// # Errors
    /// `Busy` where too many wait already.
    pub(crate) async fn enter(&self, name: &str) -> Result<Place> {
        let turn = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Place(Some(self.clone())));
            }
            if state.waiting >= WAITING_MAX {
                let message = format!("{WAITING_MAX} wait for a place already; try again later");
                return Err(Error::new(ErrorKind::Busy, message));
            }
            state.line_up(name)
        };
        turn.await.map_err(|closed| {
            Error::new(ErrorKind::Unexpected, "the queue for a place is gone").with_source(closed)
        })
    }

    /// Takes a place at once, if need be one more than there are: for what is under way already.
    pub(crate) fn enter_at_once(&self) -> Place {
        let mut state = self.lock();
        if state.free > 0 {
            state.free -= 1;
        } else {
            state.excess += 1;
        }
        Place(Some(self.clone()))
    }

    fn release(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                if state.excess > 0 {
                    state.excess -= 1;
                    return;
                }
                match state.next() {
                    Some(next) => next,
                    None => {
                        state.free += 1;
                        return;
                    }
                }
            };
            match next.send(Place(Some(self.clone()))) {
                Ok(()) => return,
                // It no longer waits: the place goes to the next one.
                Err(mut place) => place.0 = None,
            }
        }
    }
}

impl State {
    fn line_up(&mut self, name: &str) -> oneshot::Receiver<Place> {
        let (sender, receiver) = oneshot::channel();
        let line = self.lines.entry(name.to_owned()).or_default();
        if line.is_empty() {
            self.turns.push_back(name.to_owned());
        }
        line.push_back(sender);
        self.waiting += 1;
        receiver
    }

    /// The first one of the name whose turn it is; the name goes to the end of the turns.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        let name = self.turns.pop_front()?;
        let line = self.lines.get_mut(&name)?;
        let next = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&name);
        } else {
            self.turns.push_back(name);
        }
        self.waiting -= usize::from(next.is_some());
        next
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Enters under each name in order, holds each place for a second, and answers the order of entry.
    async fn order(queue: &FairQueue, names: &[&str]) -> Vec<String> {
        let entered = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for name in names {
            let (queue, name, entered) = (queue.clone(), (*name).to_owned(), Arc::clone(&entered));
            tasks.push(tokio::spawn(async move {
                let _place = queue.enter(&name).await.unwrap();
                entered.lock().unwrap().push(name);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        let entered = entered.lock().unwrap();
        entered.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn names_take_turns_however_many_wait_under_one_of_them() {
        let queue = FairQueue::new(1);
        let order = order(&queue, &["a", "a", "a", "a", "b", "c", "b"]).await;
        assert_eq!(order, ["a", "a", "b", "c", "a", "b", "a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_enter_than_there_are_places_and_all_do_in_the_end() {
        let queue = FairQueue::new(3);
        let begun = tokio::time::Instant::now();
        assert_eq!(order(&queue, &["a"; 10]).await.len(), 10);
        assert_eq!(begun.elapsed().as_secs(), 4, "ten of them, three at a time, for a second each");
        assert_eq!(queue.lock().free, 3, "every place came back");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_waiting_takes_no_place_with_it() {
        let queue = FairQueue::new(1);
        let first = queue.enter("a").await.unwrap();
        let (impatient, patient) = (queue.clone(), queue.clone());
        let impatient = tokio::spawn(async move { impatient.enter("b").await.map(drop) });
        tokio::task::yield_now().await;
        let patient = tokio::spawn(async move { patient.enter("c").await.map(drop) });
        tokio::task::yield_now().await;
        impatient.abort();
        drop(first);
        patient.await.unwrap().unwrap();
        assert!(impatient.await.unwrap_err().is_cancelled());
        assert_eq!(queue.lock().free, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_already_counts_but_never_waits() {
        let queue = FairQueue::new(1);
        let first = queue.enter("a").await.unwrap();
        let second = queue.enter_at_once();
        drop(first);
        let third = tokio::time::timeout(Duration::from_secs(1), queue.enter("b")).await;
        assert!(third.is_err(), "one place is still taken");
        drop(second);
        queue.enter("b").await.unwrap();
    }
}
