//! Breadth-first search over all states of a model.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// Something with states, steps between them, and a property that must hold in each.
pub trait Model {
    /// One state, small and cheap to copy.
    type State: Copy + Eq + Hash;

    /// Where it begins.
    fn start(&self) -> Self::State;

    /// Adds every state one step away to `next`.
    fn steps(&self, state: &Self::State, next: &mut Vec<Self::State>);

    /// What is wrong with a state, if anything is.
    fn violation(&self, state: &Self::State) -> Option<&'static str>;
}

/// A model that comes to an end.
pub trait Ending: Model {
    /// Whether everything is done. Steps may go on from there.
    fn has_ended(&self, state: &Self::State) -> bool;
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// All states were visited, this many, and the property holds in each.
    Nothing {
        /// Different states.
        states: usize,
    },
    /// A state in which the property does not hold, after the fewest possible steps.
    Violation {
        /// What is wrong with it.
        what: &'static str,
        /// Steps that lead there.
        depth: usize,
    },
    /// A state from which no steps lead to an end.
    Endless {
        /// Different states.
        states: usize,
        /// How many of them lead to no end.
        endless: usize,
    },
    /// The search was given up at its bound.
    TooManyStates,
}

/// Visits all states of `model`, nearest first, up to `limit` of them.
///
/// States are told apart by 64 bits of their hash: of ten million states, two share one with a chance of 3 in a
/// million.
pub fn search<M: Model>(model: &M, limit: usize) -> Found {
    let hasher = BuildHasherDefault::<Mix>::default();
    let mut seen: HashSet<u64, BuildHasherDefault<Fingerprint>> = HashSet::default();
    let mut waiting = VecDeque::from([(model.start(), 0)]);
    seen.insert(hasher.hash_one(model.start()));
    let mut next = Vec::new();
    while let Some((state, depth)) = waiting.pop_front() {
        if let Some(what) = model.violation(&state) {
            return Found::Violation { what, depth };
        }
        model.steps(&state, &mut next);
        for state in next.drain(..) {
            if seen.insert(hasher.hash_one(state)) {
                waiting.push_back((state, depth + 1));
            }
        }
        if seen.len() > limit {
            return Found::TooManyStates;
        }
    }
    Found::Nothing { states: seen.len() }
}

/// A shortest way to a state in which the property does not hold, from the start; empty where none is found.
pub fn way<M: Model>(model: &M, limit: usize) -> Vec<M::State> {
    let mut seen = HashSet::from([model.start()]);
    // Each state with the place of the one before it.
    let mut found = vec![(model.start(), 0)];
    let (mut at, mut next) = (0, Vec::new());
    while let Some((state, _)) = found.get(at).copied() {
        if model.violation(&state).is_some() {
            let mut way = vec![state];
            while at != 0 {
                at = found[at].1;
                way.push(found[at].0);
            }
            way.reverse();
            return way;
        }
        model.steps(&state, &mut next);
        found.extend(next.drain(..).filter(|state| seen.insert(*state)).map(|state| (state, at)));
        at += 1;
        if found.len() > limit {
            break;
        }
    }
    Vec::new()
}

/// Visits all states of `model` as [`search`] does, and looks whether an end can be reached from each of them.
///
/// Where it can, every run ends in which no step stays possible again and again without ever being taken (strong
/// fairness), because the states are finitely many.
pub fn ends<M: Ending>(model: &M, limit: usize) -> Found {
    let hasher = BuildHasherDefault::<Mix>::default();
    let mut numbers: HashMap<u64, u32, BuildHasherDefault<Fingerprint>> = HashMap::default();
    let mut waiting = VecDeque::from([(model.start(), 0)]);
    numbers.insert(hasher.hash_one(model.start()), 0);
    // Steps as pairs of states, in the order of the first.
    let (mut steps, mut from, mut ended) = (Vec::new(), 0, Vec::new());
    let limit = limit.min(u32::MAX as usize - 1);
    let mut next = Vec::new();
    while let Some((state, depth)) = waiting.pop_front() {
        if let Some(what) = model.violation(&state) {
            return Found::Violation { what, depth };
        }
        ended.push(model.has_ended(&state));
        model.steps(&state, &mut next);
        for state in next.drain(..) {
            let new = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let number = *numbers.entry(hasher.hash_one(state)).or_insert(new);
            if number == new {
                waiting.push_back((state, depth + 1));
            }
            steps.push((from, number));
        }
        from += 1;
        if numbers.len() > limit {
            return Found::TooManyStates;
        }
    }
    let states = numbers.len();
    drop(numbers);
    match states - leading_to(&mut ended, steps) {
        0 => Found::Nothing { states },
        endless => Found::Endless { states, endless },
    }
}

/// How many states lead to one that is marked.
fn leading_to(marked: &mut [bool], mut steps: Vec<(u32, u32)>) -> usize {
    steps.sort_unstable_by_key(|(_, to)| *to);
    let mut waiting: Vec<_> = (0..marked.len()).filter(|state| marked[*state]).collect();
    let mut leading = 0;
    while let Some(state) = waiting.pop() {
        leading += 1;
        let first = steps.partition_point(|(_, to)| (*to as usize) < state);
        for (before, _) in steps[first..].iter().take_while(|(_, to)| *to as usize == state) {
            let before = *before as usize;
            if !std::mem::replace(&mut marked[before], true) {
                waiting.push(before);
            }
        }
    }
    leading
}

/// Multiplies and rotates eight bytes at a time; fast, and far from any state that was made to collide.
#[derive(Debug, Default)]
struct Mix {
    state: u64,
    pending: u64,
    bytes: u32,
}

impl Mix {
    fn mix(state: u64, word: u64) -> u64 {
        let mixed = u128::from(state ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        let [low, high] = [mixed, mixed >> 64].map(|half| half & u128::from(u64::MAX));
        u64::try_from(low ^ high).unwrap_or_default().rotate_left(29)
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        Self::mix(Self::mix(self.state, self.pending), u64::from(self.bytes))
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.pending = self.pending << 8 | u64::from(byte);
        self.bytes += 1;
        if self.bytes.is_multiple_of(8) {
            self.state = Self::mix(self.state, self.pending);
            self.pending = 0;
        }
    }

    // A discriminant, which is small.
    fn write_isize(&mut self, number: isize) {
        self.write_u8(u8::try_from(number).unwrap_or(u8::MAX));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u8(u8::try_from(number).unwrap_or(u8::MAX));
    }
}

/// Takes a number that is a hash already as it is.
#[derive(Debug, Default)]
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two counters up to 9 that must not both be 7.
    struct Counters {
        forbidden: bool,
    }

    impl Model for Counters {
        type State = (u8, u8);

        fn start(&self) -> (u8, u8) {
            (0, 0)
        }

        fn steps(&self, &(a, b): &(u8, u8), next: &mut Vec<(u8, u8)>) {
            next.extend([((a + 1).min(9), b), (a, (b + 1).min(9))]);
        }

        fn violation(&self, state: &(u8, u8)) -> Option<&'static str> {
            (self.forbidden && *state == (7, 7)).then_some("both are seven")
        }
    }

    impl Ending for Counters {
        fn has_ended(&self, state: &(u8, u8)) -> bool {
            *state == (9, 9) || (self.forbidden && state.0 == 3)
        }
    }

    #[test]
    fn states_from_which_no_end_can_be_reached_are_counted() {
        assert_eq!(ends(&Counters { forbidden: false }, 1000), Found::Nothing { states: 100 });
        let violation = Found::Violation { what: "both are seven", depth: 14 };
        assert_eq!(ends(&Counters { forbidden: true }, 1000), violation);
        assert_eq!(ends(&Counters { forbidden: false }, 50), Found::TooManyStates);
        assert_eq!(ends(&Corner, 1000), Found::Endless { states: 100, endless: 90 });
    }

    /// The same counters, which end only while the first one is still zero.
    struct Corner;

    impl Model for Corner {
        type State = (u8, u8);

        fn start(&self) -> (u8, u8) {
            (0, 0)
        }

        fn steps(&self, state: &(u8, u8), next: &mut Vec<(u8, u8)>) {
            Counters { forbidden: false }.steps(state, next);
        }

        fn violation(&self, _state: &(u8, u8)) -> Option<&'static str> {
            None
        }
    }

    impl Ending for Corner {
        fn has_ended(&self, state: &(u8, u8)) -> bool {
            *state == (0, 9)
        }
    }

    #[test]
    fn every_state_is_visited_once_and_the_nearest_violation_is_named() {
        assert_eq!(search(&Counters { forbidden: false }, 1000), Found::Nothing { states: 100 });
        assert_eq!(
            search(&Counters { forbidden: true }, 1000),
            Found::Violation { what: "both are seven", depth: 14 }
        );
        assert_eq!(search(&Counters { forbidden: false }, 50), Found::TooManyStates);
        let way = way(&Counters { forbidden: true }, 1000);
        assert_eq!((way.len(), way.first(), way.last()), (15, Some(&(0, 0)), Some(&(7, 7))));
    }
}
