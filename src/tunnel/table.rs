//! The slab of a worker's sessions, keyed by index and generation.

use std::ops::Range;

use slab::Slab;

/// Names one entry. A key of an entry that is gone never names the one that took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    index: usize,
    generation: u64,
}

impl Key {
    /// The key of the entry at `index` that was the `generation`-th to be added.
    #[must_use]
    pub fn new(index: usize, generation: u64) -> Self {
        Self { index, generation }
    }

    /// Its place in the slab.
    #[must_use]
    pub fn index(self) -> usize {
        self.index
    }

    /// How many entries were added before it.
    #[must_use]
    pub fn generation(self) -> u64 {
        self.generation
    }
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

    /// The entries at some places of the slab, which may be empty; see [`Table::places`].
    pub fn part(&self, places: Range<usize>) -> impl Iterator<Item = (Key, &T)> {
        places.filter_map(|index| {
            let entry = self.entries.get(index)?;
            Some((Key { index, generation: entry.generation }, &entry.value))
        })
    }

    /// As many places as the slab has now, empty ones included.
    pub fn places(&self) -> usize {
        self.entries.capacity()
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
    fn parts_show_every_entry_once_with_its_key() {
        let mut table = Table::new(10);
        let keys: Vec<Key> = (0..7).map(|value| table.insert(value).unwrap()).collect();
        table.remove(keys[2]);
        let mut seen = Vec::new();
        for from in (0..table.places()).step_by(3) {
            let part = table.part(from..from + 3);
            seen.extend(part.map(|(key, value)| (key, *value)));
        }
        let wanted: Vec<_> = keys.into_iter().zip(0..).filter(|(_, value)| *value != 2).collect();
        assert_eq!(seen, wanted);
    }

    #[test]
    fn a_full_table_gives_the_entry_back() {
        let mut table = Table::new(1);
        table.insert(1).unwrap();
        assert_eq!(table.insert(2), Err(2));
        assert_eq!(table.len(), 1);
    }
}
