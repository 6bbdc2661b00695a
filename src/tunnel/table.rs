//! The slab of a worker's sessions, keyed by index and generation.

use slab::Slab;

/// Names one entry. A key of an entry that is gone never names the one that took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    index: usize,
    generation: u64,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u64,
    value: T,
}

/// A bounded slab with generation-checked keys.
#[derive(Debug)]
pub struct Table<T> {
    entries: Slab<Entry<T>>,
    entries_max: usize,
    next_generation: u64,
}

impl<T> Table<T> {
    /// An empty table of at most `entries_max`.
    pub fn new(entries_max: usize) -> Self {
        Self { entries: Slab::new(), entries_max, next_generation: 0 }
    }

    /// Adds an entry, or gives it back when the table is full.
    pub fn insert(&mut self, value: T) -> Result<Key, T> {
        if self.entries.len() >= self.entries_max {
            return Err(value);
        }
        let generation = self.next_generation;
        self.next_generation += 1;
        let index = self.entries.insert(Entry { generation, value });
        Ok(Key { index, generation })
    }

    /// The entry `key` names, if it still exists.
    pub fn get(&self, key: Key) -> Option<&T> {
        self.entries
            .get(key.index)
            .filter(|entry| entry.generation == key.generation)
            .map(|entry| &entry.value)
    }

    /// Takes out the entry `key` names, if it still exists.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let value = self.entries.remove(key.index).value;
        if self.entries.is_empty() {
            // A burst of sessions must not hold its memory for ever.
            self.entries.shrink_to_fit();
        }
        Some(value)
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(_, entry)| &entry.value)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_does_not_reach_the_entry_that_reused_its_slot() {
        let mut table = Table::new(4);
        let first = table.insert("first").unwrap();
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert("second").unwrap();
        assert_eq!(first.index, second.index);
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&"second"));
    }

    #[test]
    fn a_full_table_gives_the_entry_back() {
        let mut table = Table::new(1);
        table.insert(1).unwrap();
        assert_eq!(table.insert(2), Err(2));
        assert_eq!(table.len(), 1);
    }
}
