//! Breadth-first search over all states of a model.

use std::collections::HashSet;
use std::collections::VecDeque;
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

    #[test]
    fn every_state_is_visited_once_and_the_nearest_violation_is_named() {
        assert_eq!(search(&Counters { forbidden: false }, 1000), Found::Nothing { states: 100 });
        assert_eq!(
            search(&Counters { forbidden: true }, 1000),
            Found::Violation { what: "both are seven", depth: 14 }
        );
        assert_eq!(search(&Counters { forbidden: false }, 50), Found::TooManyStates);
    }
}
