//! The sweep over series that have fallen silent: who listens for it is told, and what has been silent for too long is
//! given up.

use super::{Analysis, Event, Reporter, Shard, Telling, judges_of};
use crate::{detect::duration, line::Timestamp};

impl Shard {
    /// Gives up series that have been silent for too long. Looks at `budget` slots and goes on from there next time.
    pub fn sweep(&mut self, now: Timestamp, budget: usize, events: &mut Vec<Event>) {
        let slots = self.table.slot_count();
        for _ in 0..budget.min(slots) {
            self.sweep_slot = if self.sweep_slot + 1 < slots {
                self.sweep_slot + 1
            } else {
                0
            };
            self.hear_silence(self.sweep_slot, now, events);
            if self.is_to_be_given_up(self.sweep_slot, now) {
                self.give_up(self.sweep_slot, events);
            }
        }
        self.forget_dormant(now);
        self.make_room_of_dormant();
        self.follow_expected(now, events);
    }

    /// Has the series in `slot` been silent for too long to be kept?
    pub(super) fn is_to_be_given_up(&self, slot: usize, now: Timestamp) -> bool {
        let silent_since = now - self.settings.expire_after_s;
        let series = self.table.get(slot);
        series.is_some_and(|series| series.received < silent_since)
    }

    /// Gives up the series in `slot`, which has fallen silent, but for what was learnt of it.
    pub(super) fn give_up(&mut self, slot: usize, events: &mut Vec<Event>) {
        self.close_silent(slot, events);
        if let Some(series) = self.table.remove(slot) {
            self.shared.give_room();
            self.census.end(&series.name);
            self.fall_asleep(slot, series);
            self.forget_former(slot);
        }
    }

    /// Closes what is open of the series in `slot`, which has fallen silent, at the time at which that was too long.
    fn close_silent(&self, slot: usize, events: &mut Vec<Event>) {
        let Some(series) = self.table.get(slot) else { return };
        let expire_after_s = self.settings.expire_after_s;
        let lasted = duration(expire_after_s);
        let reason = format!("the series has fallen silent, and is given up after {lasted}");
        let mut closings = self.closings(&series.name, &series.analysis, slot, &reason);
        for event in &mut closings {
            event.verdict.timestamp = event.verdict.timestamp.saturating_add(expire_after_s);
        }
        events.extend(closings);
    }

    /// Lines up to `now` have not been looked at: nothing is silent because of these.
    pub fn has_missed_lines(&mut self, now: Timestamp) {
        self.ears.begin(now, &self.shared.heard);
    }

    /// Tells of all that is silent at the time of the newest line, when there are no more. The series stay, to be looked at.
    pub fn end(&mut self, events: &mut Vec<Event>) {
        let slots = 0..self.table.slot_count();
        let received = slots.clone().filter_map(|slot| Some(self.table.get(slot)?.received));
        let Some(now) = received.max().max(self.ears.heard_last(&self.shared.heard)) else {
            return;
        };
        for slot in slots {
            self.hear_silence(slot, now, events);
            if self.is_to_be_given_up(slot, now) {
                self.close_silent(slot, events);
            }
        }
        self.follow_expected(now, events);
    }

    /// Tells of the silence of the series in `slot`, if there is one.
    pub(super) fn hear_silence(&mut self, slot: usize, now: Timestamp, events: &mut Vec<Event>) {
        let Some(series) = self.table.get_mut(slot) else {
            return;
        };
        self.ears.look(series);
        let of = self.shared.series_count();
        let Some(until) = self.ears.silent_until(series, now, of, &self.shared.heard) else {
            return;
        };
        if let Analysis::Watched(watched) = &mut series.analysis
            && watched.hears_silence
        {
            let (court, detectors) = judges_of(slot, &mut self.former, &mut self.court, &self.settings);
            let mut reporter = Reporter {
                series: &series.name,
                detectors,
                floors: &mut self.floors,
                every_sample: false,
                events,
            };
            watched.hear_silence(until, self.ears.listening(), court, |judge, engine, sample, seen| {
                reporter.hear(judge, engine, sample, seen);
            });
        }
    }

    fn follow_expected(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        let mut tell = Telling {
            court: &mut self.court,
            settings: &self.settings,
            events,
        };
        let of = self.shared.series_count();
        self.ears.follow(now, of, &self.shared.heard, &mut tell);
    }

    /// Slots to sweep, so that callers can spread a sweep over time.
    pub fn slot_count(&self) -> usize {
        self.table.slot_count()
    }

    /// A line of the series in `slot` has come, with this time.
    pub(super) fn hear_line(&mut self, slot: usize, timestamp: Timestamp, events: &mut Vec<Event>) {
        if !self.ears.goes_by_samples() {
            return;
        }
        let series = self.table.get(slot).expect("just found or begun");
        let mut tell = Telling {
            court: &mut self.court,
            settings: &self.settings,
            events,
        };
        let of = self.shared.series_count();
        self.ears
            .hear_line(&series.name, timestamp, of, &self.shared.heard, &mut tell);
    }
}
