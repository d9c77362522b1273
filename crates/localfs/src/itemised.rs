//! A list that stays small however many things go wrong.

/// The first items of a list, and a count of those left out.
///
/// Reports itemise per path, and a tree may hold millions of paths; this keeps the report within a fixed size while
/// the total stays exact.
#[derive(Clone, Debug)]
pub struct Itemised<T> {
    items: Vec<T>,
    omitted: u64,
}

/// The most items one list keeps.
const ITEMS_MAX: usize = 10_000;

impl<T> Default for Itemised<T> {
    fn default() -> Self {
        Self { items: Vec::new(), omitted: 0 }
    }
}

impl<T> Itemised<T> {
    /// Adds an item, or counts it if the list is full.
    pub fn push(&mut self, item: T) {
        if self.items.len() < ITEMS_MAX {
            self.items.push(item);
        } else {
            self.omitted += 1;
        }
    }

    /// The items kept, at most 10 000, in the order they were added.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The items kept, given away.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// How many further items there were.
    pub const fn omitted(&self) -> u64 {
        self.omitted
    }

    /// How many items there were altogether.
    pub fn total(&self) -> u64 {
        self.omitted + self.items.len() as u64
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_list_counts_what_it_leaves_out() {
        let mut list = Itemised::default();
        for number in 0..ITEMS_MAX + 3 {
            list.push(number);
        }
        assert_eq!((list.items().len(), list.omitted(), list.total()), (ITEMS_MAX, 3, ITEMS_MAX as u64 + 3));
    }
}
