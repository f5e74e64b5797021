//! Dormant series: what was learnt of those that have fallen silent.
//!
//! A series is given up with its window after [`Settings::expire_after_s`]; what its detectors have learnt without the window
//! is kept up to [`Settings::forget_after_s`], as bytes, and the series goes on with it when it comes back: a season of weeks
//! is not to be learnt anew after a holiday. What a detector knows only with the window begins anew.
//!
//! * A dormant series is in no list or count of series, and nothing of it is open.
//! * It counts for `max_series`, behind those that are awake: for a new one the one that has been silent for longest goes. The
//!   same where memory is short.
//! * What has only begun to learn leaves nothing, so names that live for hours, as of containers, do not pile up.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Analysis, Heirs, NEW_SERIES_BYTES, Origin, Reading, Series, Settings, Shard, Watched,
    saved::put_learnt,
    table::{Named, Table},
};
use crate::{
    detect::{Engine, Subject},
    line::Timestamp,
    window::Window,
};

/// What is left of a series.
#[derive(Debug)]
pub(super) struct Dormant {
    pub(super) hash: u64,
    pub(super) name: Arc<str>,
    /// When its last line arrived, by the clock of the relay.
    pub(super) received: Timestamp,
    pub(super) reading: Reading,
    /// Under which settings it was learnt.
    pub(super) origin: Arc<Origin>,
    /// States of detectors, saved.
    pub(super) learnt: Box<[u8]>,
}

/// The dormant series of a shard.
#[derive(Debug, Default)]
pub(super) struct Dormitory {
    table: Table<Dormant>,
    /// Slots and when their series was heard last, about the oldest first; of those that have woken up as well.
    order: VecDeque<(u32, Timestamp)>,
}

impl Named for Dormant {
    fn hash(&self) -> u64 {
        self.hash
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Dormant {
    /// What these engines have learnt of a series that is given up, by settings of this origin; `None`: nothing that is of use
    /// without the window.
    pub(super) fn of(series: Series, engines: &[Engine], origin: &Arc<Origin>) -> Option<Self> {
        let Series {
            hash,
            name,
            received,
            analysis: Analysis::Watched(watched),
        } = series
        else {
            return None;
        };
        let Watched { judges, counter, .. } = *watched;
        let mut learnt = Vec::new();
        for mut judge in judges {
            if engines[judge.detector].outlive_window(&mut judge.state) {
                put_learnt(judge.detector, false, |out| judge.state.save(out), &mut learnt);
            }
        }
        (!learnt.is_empty()).then(|| Self {
            hash,
            name,
            received,
            reading: if counter.is_some() {
                Reading::Rate
            } else {
                Reading::Value
            },
            origin: Arc::clone(origin),
            learnt: learnt.into(),
        })
    }

    /// Memory of it (bytes).
    fn bytes(&self) -> usize {
        size_of::<Option<Self>>() + self.name.len() + self.learnt.len()
    }
}

impl Dormitory {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Places in the order, of those that have woken up as well.
    #[cfg(test)]
    pub(super) fn order_len(&self) -> usize {
        self.order.len()
    }

    /// Slots in use or used before: the bound for [`Self::get`].
    pub(super) fn slot_count(&self) -> usize {
        self.table.slot_count()
    }

    pub(super) fn get(&self, slot: usize) -> Option<&Dormant> {
        self.table.get(slot)
    }

    fn find(&self, hash: u64, name: &str) -> Option<&Dormant> {
        self.get(self.table.find(hash, name.as_bytes())?)
    }

    /// Puts in a series, in place of what was known of that name.
    fn put(&mut self, dormant: Dormant) {
        self.take(dormant.hash, &dormant.name);
        let received = dormant.received;
        let slot = u32::try_from(self.table.insert(dormant)).expect("fewer than 2^32 series");
        self.order.push_back((slot, received));
        // Those that fall silent and wake up again leave their places behind.
        if self.order.len() > 2 * self.table.len() + 64 {
            let table = &self.table;
            self.order
                .retain(|&(slot, received)| is_of(table.get(slot as usize), received));
        }
    }

    fn take(&mut self, hash: u64, name: &str) -> Option<Dormant> {
        let slot = self.table.find(hash, name.as_bytes())?;
        self.table.remove(slot)
    }

    /// Takes out the one that has been silent for longest, or about that; `before`: if it was heard last before that time.
    fn take_oldest(&mut self, before: Timestamp) -> Option<Dormant> {
        while let Some(&(slot, received)) = self.order.front().filter(|(_, received)| *received < before) {
            self.order.pop_front();
            if is_of(self.table.get(slot as usize), received) {
                return self.table.remove(slot as usize);
            }
        }
        None
    }
}

/// Is this the series that was heard last at this time?
fn is_of(dormant: Option<&Dormant>, received: Timestamp) -> bool {
    dormant.is_some_and(|dormant| dormant.received == received)
}

impl Settings {
    /// When a series must have been heard of to be known `now`.
    fn known_since(&self, now: Timestamp) -> Timestamp {
        now - self.forget_after_s
    }
}

impl Shard {
    /// When the last line of a dormant series arrived; `None`: there is none of this name.
    pub fn dormant_since(&self, hash: u64, name: &str) -> Option<Timestamp> {
        Some(self.dormitory.find(hash, name)?.received)
    }

    /// Dormant series of this shard.
    pub fn dormant_count(&self) -> usize {
        self.dormitory.len()
    }

    /// Keeps what was learnt of the series that was in `slot`, and is given up.
    pub(super) fn fall_asleep(&mut self, slot: usize, series: Series) {
        let (engines, origin) = self.former(slot).map_or((&self.court.engines, &self.origin), |former| {
            (&former.court.engines, &former.origin)
        });
        if let Some(dormant) = Dormant::of(series, engines, origin) {
            self.keep_dormant(dormant);
        }
    }

    /// Keeps a dormant series, if there is to be any; others may have to go for it.
    pub(super) fn keep_dormant(&mut self, dormant: Dormant) {
        if self.settings.forget_after_s > self.settings.expire_after_s {
            let before = self.dormitory.len();
            self.dormitory.put(dormant);
            self.shared.count_dormant(before, self.dormitory.len());
            self.make_room_of_dormant();
        }
    }

    /// The analysis of a series that has come back `now`, with what was learnt of it; `None`: nothing that is of use.
    pub(super) fn wake_up(&mut self, hash: u64, name: &str, now: Timestamp) -> Option<Analysis> {
        let dormant = self.dormitory.take(hash, name)?;
        self.shared
            .count_dormant(self.dormitory.len() + 1, self.dormitory.len());
        let plan = self.plan(name)?.clone();
        if dormant.received < self.settings.known_since(now) || dormant.reading != plan.reading {
            return None;
        }
        let heirs = self.heirs_of(&dormant);
        let window = Window::new(self.settings.span_s);
        let mut judges = Vec::new();
        for saved in heirs.learnt(&dormant.learnt).ok()? {
            if let Some(&asked) = plan.asked.iter().find(|asked| asked.detector == saved.heir.place) {
                // One that its detector does not take back begins anew.
                judges.extend(self.load_judge(&saved, asked, Subject::new(name), &window, now).ok());
            }
        }
        let (watched, _) = self.revive(&plan, Subject::new(name), now, window, judges).ok()?;
        let read_by = self.shared.elsewhere.find(name);
        Some(Analysis::Watched(Box::new(Watched { read_by, ..watched })))
    }

    /// What the places in what was learnt of a dormant series stand for now.
    pub(super) fn heirs_of(&self, dormant: &Dormant) -> Arc<Heirs> {
        if Arc::ptr_eq(&dormant.origin, &self.origin) {
            Arc::clone(&self.own_heirs)
        } else {
            Arc::new(dormant.origin.heirs(&self.settings))
        }
    }

    /// Forgets what has been silent for too long.
    pub(super) fn forget_dormant(&mut self, now: Timestamp) {
        let known_since = self.settings.known_since(now);
        while self.forget_oldest(known_since).is_some() {}
    }

    /// Lets dormant series go while there are more series than there may be.
    pub(super) fn make_room_of_dormant(&mut self) {
        let is_over = |shard: &Self| {
            let Self { shared, settings, .. } = shard;
            shared.series_count() + shared.dormant_count() > settings.max_series
        };
        while is_over(self) && self.forget_oldest(Timestamp::MAX).is_some() {}
    }

    /// Lets dormant series go for the memory of a new one. Gives whether that is enough.
    pub(super) fn give_memory_of_dormant(&mut self) -> bool {
        let mut bytes = 0;
        while bytes < NEW_SERIES_BYTES
            && let Some(forgotten) = self.forget_oldest(Timestamp::MAX)
        {
            bytes += forgotten;
        }
        bytes >= NEW_SERIES_BYTES
    }

    /// Forgets the series that has been silent for longest, if that is since before `before`. Gives the memory that it took.
    fn forget_oldest(&mut self, before: Timestamp) -> Option<usize> {
        let forgotten = self.dormitory.take_oldest(before)?;
        self.shared
            .count_dormant(self.dormitory.len() + 1, self.dormitory.len());
        Some(forgotten.bytes())
    }
}
