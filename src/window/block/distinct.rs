//! Blocks of few distinct numbers.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a dictionary has at most 64 entries"
)]

use super::bits::{unzigzag, width};

/// Most entries of a dictionary.
const ENTRIES_MAX: usize = 64;
/// Slots of the hash table that finds the distinct keys.
const SLOTS: usize = 256;
/// The distinct keys of a block and how often each comes, if they are few.
#[derive(Debug)]
pub(super) struct Distinct {
    /// Number of the entry in this slot, from 1; 0 for none.
    slots: [u8; SLOTS],
    /// Key, count, and in the end the symbol.
    pub(super) entries: Vec<(i64, u16, i64)>,
}

impl Default for Distinct {
    fn default() -> Self {
        Self {
            slots: [0; SLOTS],
            entries: Vec::new(),
        }
    }
}

impl Distinct {
    fn slot(&self, key: i64) -> usize {
        let mut slot = (key.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize;
        while self.slots[slot] != 0 && self.entries[usize::from(self.slots[slot]) - 1].0 != key {
            slot = (slot + 1) % SLOTS;
        }
        slot
    }

    /// False when there are too many.
    pub(super) fn count(&mut self, keys: &[i64]) -> bool {
        self.slots.fill(0);
        self.entries.clear();
        let most = ENTRIES_MAX.min(keys.len() / 6);
        for &key in keys {
            let slot = self.slot(key);
            if self.slots[slot] == 0 {
                if self.entries.len() == most {
                    return false;
                }
                self.entries.push((key, 0, 0));
                self.slots[slot] = self.entries.len() as u8;
            }
            self.entries[usize::from(self.slots[slot]) - 1].1 += 1;
        }
        true
    }

    /// Bytes an entry takes.
    pub(super) fn width(&self) -> usize {
        self.entries
            .iter()
            .map(|entry| width(entry.0))
            .max()
            .unwrap_or(0)
            .max(1)
    }

    /// Puts the entries into order, and the symbols of all keys into `symbols`.
    pub(super) fn number(&mut self, ranked: bool, keys: &[i64], symbols: &mut Vec<i64>) {
        if ranked {
            self.entries
                .sort_unstable_by_key(|&(key, count, _)| (u16::MAX - count, key));
        } else {
            self.entries.sort_unstable();
        }
        self.slots.fill(0);
        for i in 0..self.entries.len() {
            let slot = self.slot(self.entries[i].0);
            self.slots[slot] = i as u8 + 1;
            self.entries[i].2 = if ranked { unzigzag(i as u64) } else { i as i64 };
        }
        symbols.clear();
        symbols.extend(
            keys.iter()
                .map(|&key| self.entries[usize::from(self.slots[self.slot(key)]) - 1].2),
        );
    }
}
