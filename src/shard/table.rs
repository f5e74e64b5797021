//! Series by name, awake or dormant.
//!
//! The hash of a name travels with its line, so finding a series costs a probe of the table and a comparison of the name.
//! Series stay in their slots while they live; slots are used again.

use hashbrown::HashTable;

use super::series::Series;

/// What a series takes here, and its name (bytes).
pub(super) fn series_bytes(name: &str) -> usize {
    // Seven of eight buckets may be in use, with a byte each; a name has two counts of references.
    let bucket = (size_of::<(u64, u32)>() + 1) * 8 / 7;
    size_of::<Option<Series>>() + bucket + name.len() + 2 * size_of::<usize>()
}

/// What is kept by name.
pub(super) trait Named {
    fn hash(&self) -> u64;
    fn name(&self) -> &str;
}

/// Series by name, and by slot.
#[derive(Debug)]
pub(super) struct Table<S> {
    /// Slots by hash of the name. The whole hash is kept here, so that a series is touched only when it is the one.
    by_hash: HashTable<(u64, u32)>,
    slots: Vec<Option<S>>,
    free: Vec<u32>,
}

impl<S> Default for Table<S> {
    fn default() -> Self {
        Self {
            by_hash: HashTable::default(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<S: Named> Table<S> {
    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Slots in use or used before: the bound for [`Self::get`].
    pub(super) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The slot of the series called `name`, whose hash is `hash`.
    pub(super) fn find(&self, hash: u64, name: &[u8]) -> Option<usize> {
        let same = |&(other, slot): &(u64, u32)| other == hash && self.is_called(slot as usize, name);
        self.by_hash.find(hash, same).map(|&(_, slot)| slot as usize)
    }

    /// A slot whose series has this hash, and nearly certainly the name that was hashed. Touches no series.
    pub(super) fn guess(&self, hash: u64) -> Option<usize> {
        self.by_hash
            .find(hash, |&(other, _)| other == hash)
            .map(|&(_, slot)| slot as usize)
    }

    /// Is the series in `slot` called `name`?
    pub(super) fn is_called(&self, slot: usize, name: &[u8]) -> bool {
        self.get(slot).is_some_and(|series| series.name().as_bytes() == name)
    }

    /// Puts in a series that is not there yet.
    pub(super) fn insert(&mut self, series: S) -> usize {
        let hash = series.hash();
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(series);
            slot
        } else {
            let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 series");
            self.slots.push(Some(series));
            slot
        };
        self.by_hash.insert_unique(hash, (hash, slot), |&(other, _)| other);
        slot as usize
    }

    pub(super) fn get(&self, slot: usize) -> Option<&S> {
        self.slots.get(slot)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut S> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Takes the series out of `slot`.
    pub(super) fn remove(&mut self, slot: usize) -> Option<S> {
        let series = self.slots.get_mut(slot)?.take()?;
        let number = u32::try_from(slot).expect("fewer than 2^32 series");
        if let Ok(entry) = self.by_hash.find_entry(series.hash(), |&(_, other)| other == number) {
            entry.remove();
        }
        self.free.push(number);
        Some(series)
    }
}
