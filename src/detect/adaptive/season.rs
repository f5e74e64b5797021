//! Seasons: what is usual at this time of the day, or of the week.
//!
//! A profile holds the mean of each of its slots over the days or weeks that were seen. While time is within a slot the
//! samples of the visit are summed up; when it has left, their mean goes into the slot. So a profile never knows the day
//! that it is asked about. It is read between the centres of two slots, in a straight line, but near an [edge].
//!
//! Values are differences from an origin that the caller keeps. Eight bytes hold a visit and three a slot, and a read is two slots
//! next to each other.

use super::{
    constants::{EDGE_ERRORS, PROOF_ERROR_MAX, PROOF_MEMORY_SAMPLES, PROOF_SAMPLES},
    edge::{self, Around, Reading},
    single::single,
};
use crate::save::{Damaged, Save, Saved, fields, hold};

/// The bits of a mean that are kept.
const MEAN_BITS: u32 = 0xffff_f000;
/// Visits that there is room for.
const VISITS_MAX: u8 = 15;
/// Slots that there are numbers for.
const NUMBERS_MAX: i64 = 1 << 16;

/// The means of `SLOTS` slots of `SLOT_S` seconds each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Profile<const SLOTS: usize, const SLOT_S: i64> {
    slots: [Slot; SLOTS],
}

/// A mean of four digits, and how often it has been visited, up to 15: no gain is less than a fifteenth.
///
/// The upper 20 bits of the mean in single precision, and four of visits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Slot([u8; 3]);

/// The slot that time is in, and what was seen in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Visit {
    /// Of differences from the origin.
    sum: f32,
    /// Number of the slot, counted through from 1970, as far as there is room for whole periods: two that are mistaken for one
    /// another are four years apart, and of one time of the day or of the week.
    number: u16,
    samples: u16,
}

/// A time of the profile.
#[derive(Clone, Copy)]
struct Place {
    slot: usize,
    /// Is it nearer to the slot before (-1) or to the next (1)?
    side: isize,
    /// How far from the centre of its slot it is, in slots: 0 to 0.5.
    share: f64,
}

/// How well predictions of one kind have done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Proof {
    /// Mean error.
    error: f32,
    samples: u16,
}

fields!(Visit { sum, number, samples });
fields!(Proof { error, samples } check |proof| {
    hold(proof.samples <= PROOF_MEMORY_SAMPLES, "more errors are remembered than there is memory for")
});

impl<const SLOTS: usize, const SLOT_S: i64> Save for Profile<SLOTS, SLOT_S> {
    fn save(&self, out: &mut Vec<u8>) {
        self.slots.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            slots: Save::load(from)?,
        })
    }
}

impl Save for Slot {
    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let slot = Self(Save::load(from)?);
        hold(slot.mean().is_finite(), "the mean of a slot is infinite, or none").map(|()| slot)
    }
}

impl<const SLOTS: usize, const SLOT_S: i64> Default for Profile<SLOTS, SLOT_S> {
    fn default() -> Self {
        Self {
            slots: [Slot::default(); SLOTS],
        }
    }
}

impl<const SLOTS: usize, const SLOT_S: i64> Profile<SLOTS, SLOT_S> {
    #[expect(clippy::cast_possible_wrap, reason = "there are few slots")]
    const PERIOD_S: i64 = SLOTS as i64 * SLOT_S;
    /// Slots of as many whole periods as there are numbers for.
    #[expect(clippy::cast_possible_wrap, reason = "there are few slots")]
    const NUMBERS: i64 = NUMBERS_MAX - NUMBERS_MAX % SLOTS as i64;

    /// Reads a little of each of its cache lines, of a day, but for the one that it begins in.
    pub(super) fn touch(&self) -> u64 {
        u64::from(self.slots[SLOTS / 3].0[0]) ^ u64::from(self.slots[3 * SLOTS / 4].0[0])
    }

    /// Reads a little of what is known of the time about `visit`, where the next sample will look.
    pub(super) fn touch_at(&self, visit: Visit) -> u64 {
        // It is in this slot or in the next, and looks at those beside it.
        let slot = visit.slot::<SLOTS>();
        let [before, behind] = [-1, 2].map(|steps| self.slots[Self::beside(slot, steps)]);
        u64::from(before.0[0]) ^ u64::from(behind.0[2])
    }

    /// What is usual at `local`, by a straight line between the centres of slots; `None` while the slot that it is in has not been
    /// visited `least` times. Of the two slots about it the other counts as soon as it has been: where samples are an hour
    /// apart it never is.
    #[inline]
    pub(super) fn line(&self, local: i64, least: u8) -> Option<f64> {
        let place = Self::place(local);
        let own = self.slots[place.slot];
        (own.visits() >= least).then(|| self.along(place, own, least))
    }

    /// The same, and where slots are far apart what an [edge] between them has to say. `error` is what predictions are from values
    /// on average; edges may come `slack_s` seconds sooner or later than else.
    #[inline]
    pub(super) fn read(&self, local: i64, least: u8, error: f64, slack_s: f64) -> Option<Reading> {
        let place = Self::place(local);
        let own = self.slots[place.slot];
        if own.visits() < least {
            return None;
        }
        // What is not known is 0 here, and is looked at more closely if that seems to be an edge.
        let [next, before] = [1, -1].map(|steps| self.slots[Self::beside(place.slot, steps)]);
        let apart = |other: Slot| (other.mean() - own.mean()).abs();
        if f64::from(apart(next).max(apart(before))) > EDGE_ERRORS * error
            && let Some(reading) = self.near_edge(place, least, error, slack_s)
        {
            return Some(reading);
        }
        Some(Reading::of(self.along(place, own, least)))
    }

    /// What is usual at a `place` in the slot `own`, by a straight line.
    #[inline]
    fn along(&self, place: Place, own: Slot, least: u8) -> f64 {
        let mean = f64::from(own.mean());
        let other = self.slots[Self::beside(place.slot, place.side)];
        if other.visits() < least {
            mean
        } else {
            mean + place.share * (f64::from(other.mean()) - mean)
        }
    }

    /// What is usual at a `place` near an edge.
    #[cold]
    fn near_edge(&self, place: Place, least: u8, error: f64, slack_s: f64) -> Option<Reading> {
        let mean = |steps: isize| {
            let slot = self.slots[Self::beside(place.slot, steps * place.side)];
            (slot.visits() >= least).then(|| f64::from(slot.mean()))
        };
        edge::near(&Around {
            slots: [mean(-2), mean(-1), mean(0), mean(1), mean(2), mean(3)],
            share: place.share,
            slot_s: SLOT_S,
            error,
            slack_s,
        })
    }

    /// Where `local` is.
    #[inline]
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a remainder is not negative, and small"
    )]
    fn place(local: i64) -> Place {
        let within = local.rem_euclid(Self::PERIOD_S);
        // From the centre of its slot, in slots.
        let way = (within % SLOT_S) as f64 / SLOT_S as f64 - 0.5;
        Place {
            slot: (within / SLOT_S) as usize,
            side: if way < 0.0 { -1 } else { 1 },
            share: way.abs(),
        }
    }

    /// The place of the slot that is `steps` from `slot`, three at most.
    #[inline]
    fn beside(slot: usize, steps: isize) -> usize {
        let place = slot.wrapping_add_signed(steps);
        if place < SLOTS {
            place
        } else if steps < 0 {
            place.wrapping_add(SLOTS)
        } else {
            place - SLOTS
        }
    }

    /// Takes in a sample at `local`, with its difference from the origin: the visit that it belongs to, and the slot that it has
    /// ended.
    #[expect(clippy::cast_possible_truncation, reason = "a remainder is not negative, and small")]
    pub(super) fn learn(&mut self, visit: &mut Visit, local: i64, apart: f64, gain_least: f64) {
        let number = local.div_euclid(SLOT_S).rem_euclid(Self::NUMBERS) as u16;
        if number != visit.number || visit.samples == 0 {
            self.end(*visit, gain_least);
            *visit = Visit {
                number,
                ..Visit::default()
            };
        }
        visit.sum = single(f64::from(visit.sum) + apart);
        visit.samples = visit.samples.saturating_add(1);
    }

    /// Mean of the slots that have been visited; 0 while none has.
    pub(super) fn mean(&self) -> f64 {
        let visited = || self.slots.iter().filter(|slot| slot.visits() > 0);
        let sum: f64 = visited().map(|slot| f64::from(slot.mean())).sum();
        sum / visited().map(|_| 1.0).sum::<f64>().max(1.0)
    }

    /// Moves all by `shift`.
    pub(super) fn shift(&mut self, shift: f64) {
        for slot in &mut self.slots {
            *slot = Slot::new(single(f64::from(slot.mean()) + shift), slot.visits());
        }
    }

    fn end(&mut self, visit: Visit, gain_least: f64) {
        if visit.samples == 0 {
            return;
        }
        let slot = &mut self.slots[visit.slot::<SLOTS>()];
        let visits = (slot.visits() + 1).min(VISITS_MAX);
        let gain = (1.0 / f64::from(visits)).max(gain_least);
        let mean = f64::from(slot.mean());
        let seen = f64::from(visit.sum) / f64::from(visit.samples);
        *slot = Slot::new(single(mean + gain * (seen - mean)), visits);
    }
}

impl Slot {
    fn new(mean: f32, visits: u8) -> Self {
        // Rounded to the nearest, which leaves the largest where it is rather than infinite.
        let bits = mean.to_bits();
        let rounded = (bits.saturating_add(1 << 11)) & MEAN_BITS;
        let kept = if f32::from_bits(rounded).is_finite() {
            rounded
        } else {
            bits & MEAN_BITS
        };
        let [a, b, c, _] = (kept | u32::from(visits) << 8).to_be_bytes();
        Self([a, b, c])
    }

    fn mean(self) -> f32 {
        let Self([a, b, c]) = self;
        f32::from_bits(u32::from_be_bytes([a, b, c, 0]) & MEAN_BITS)
    }

    fn visits(self) -> u8 {
        self.0[2] & VISITS_MAX
    }
}

impl Visit {
    /// Forgets what was seen in it.
    pub(super) fn forget(&mut self) {
        self.samples = 0;
    }

    /// Moves what was seen in it by `shift`.
    pub(super) fn shift(&mut self, shift: f64) {
        self.sum = single(f64::from(self.sum) + f64::from(self.samples) * shift);
    }

    /// Number of the part of the period that it is in, of so many `slots` each.
    pub(super) fn part(self, slots: u16) -> u16 {
        self.number / slots
    }

    /// Place of its slot in a profile of `SLOTS`.
    fn slot<const SLOTS: usize>(self) -> usize {
        usize::from(self.number) % SLOTS
    }
}

impl Proof {
    /// Takes in the error of one prediction.
    pub(super) fn learn(&mut self, error: f64) {
        self.samples = (self.samples + 1).min(PROOF_MEMORY_SAMPLES);
        self.error = self.with(self.error, error);
    }

    /// What a `mean` error is with another one, of another prediction for the same samples.
    pub(super) fn with(self, mean: f32, error: f64) -> f32 {
        let mut error = single(error.abs());
        if mean > 0.0 {
            error = error.min(PROOF_ERROR_MAX * mean);
        }
        mean + (error - mean) / f32::from(self.samples)
    }

    /// Mean error.
    pub(super) fn error(self) -> f32 {
        self.error
    }

    /// Has there been a prediction?
    pub(super) fn is_tried(self) -> bool {
        self.samples > 0
    }

    /// Has it done so well that its error is below `bound`?
    pub(super) fn is_below(self, bound: f32) -> bool {
        self.samples > PROOF_SAMPLES && self.error < bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Day = Profile<48, 1800>;

    /// A profile of `days` days, at one sample in ten minutes, of a value that is the hour of the day.
    fn of_hours(days: i64, gain: f64) -> Day {
        let (mut profile, mut visit) = (Day::default(), Visit::default());
        for local in (0..=days * 86_400).step_by(600) {
            let hour = f64::from(i32::try_from(local % 86_400).unwrap()) / 3600.0;
            profile.learn(&mut visit, local, hour - 100.0, gain);
        }
        profile
    }

    #[test]
    fn between_the_centres_it_is_a_straight_line() {
        let profile = of_hours(3, 0.15);
        // The slot from 6:00 holds 6:00, 6:10 and 6:20, hence 6:10 on average.
        let expected = |hour: f64| hour - 5.0 / 60.0 - 100.0;
        for (local, hour) in [
            (22_500, 6.25),
            (23_400, 6.5),
            (24_300, 6.75),
            (86_400 * 9 + 23_400, 6.5),
        ] {
            let found = profile.line(local, 1).unwrap();
            assert!((found - expected(hour)).abs() < 0.02, "{found} at {hour}");
        }
    }

    #[test]
    fn its_mean_is_that_of_the_slots_that_are_known() {
        assert!(Day::default().mean().abs() < 1e-12);
        let (mut profile, mut visit) = (Day::default(), Visit::default());
        for (local, value) in [(900, 1.0), (1000, 3.0), (2700, 8.0), (4500, 1000.0)] {
            profile.learn(&mut visit, local, value, 0.15);
        }
        assert!(
            (profile.mean() - 5.0).abs() < 0.01,
            "the slot that time is in does not count"
        );
    }

    #[test]
    fn an_edge_is_no_straight_line() {
        let (mut profile, mut visit) = (Day::default(), Visit::default());
        for local in (0..3 * 86_400).step_by(600) {
            let value = if (8 * 3600..20 * 3600).contains(&(local % 86_400)) {
                200.0
            } else {
                50.0
            };
            profile.learn(&mut visit, local, value, 0.15);
        }
        let at = |hour: i64, minute: i64| profile.read(hour * 3600 + minute * 60, 1, 3.0, 0.0).unwrap();
        for minute in [-14, 0, 14] {
            assert_eq!([at(8, minute), at(20, minute)].map(Reading::is_wide), [true, true]);
        }
        let apart = (at(7, 30).value() - 50.0).abs() + (at(8, 30).value() - 200.0).abs();
        assert!(apart < 0.1 && !at(7, 30).is_wide() && !at(12, 0).is_wide());
        // Where predictions are wrong by much there is none.
        let line = profile.line(8 * 3600, 1).unwrap();
        assert_eq!(profile.read(8 * 3600, 1, 30.0, 0.0), Some(Reading::of(line)));
        assert!((line - 125.0).abs() < 0.1);
    }

    #[test]
    fn a_day_is_known_once_it_is_over() {
        let (mut profile, mut visit) = (Day::default(), Visit::default());
        profile.learn(&mut visit, 900, 5.0, 0.15);
        assert_eq!(profile.line(900, 1), None);
        profile.learn(&mut visit, 2700, 7.0, 0.15);
        assert_eq!(profile.line(900, 1), Some(5.0));
        assert_eq!(profile.line(1799, 1), Some(5.0), "the slot after it is not known yet");
        assert_eq!(profile.line(1800, 1), None, "nor by its neighbour");
        assert_eq!(profile.line(900, 2), None);
        // The same slot a day later: the first weighs as much as the second.
        profile.learn(&mut visit, 86_400 + 900, 9.0, 0.15);
        profile.learn(&mut visit, 86_400 + 2700, 9.0, 0.15);
        assert_eq!(profile.line(900, 2), Some(7.0));
    }

    #[test]
    fn a_new_day_weighs_no_less_than_its_least() {
        let (mut profile, mut visit) = (Day::default(), Visit::default());
        for day in 0..40 {
            let value = if day < 30 { 0.0 } else { 1.0 };
            profile.learn(&mut visit, day * 86_400 + 900, value, 0.15);
        }
        let expected = 1.0 - 0.85_f64.powi(9);
        assert!((profile.line(900, 1).unwrap() - expected).abs() < 1e-3);
    }

    #[test]
    fn a_slot_keeps_four_digits_and_its_visits() {
        for mean in [0.0, 1.0, -93.917, 1e-30, 3.3e38, f32::MAX, f32::MIN] {
            for visits in [0, 1, 15] {
                let slot = Slot::new(mean, visits);
                assert_eq!(slot.visits(), visits);
                assert!(
                    (slot.mean() - mean).abs() <= mean.abs() / 4000.0,
                    "{mean}: {}",
                    slot.mean()
                );
            }
        }
        assert_eq!(size_of::<Profile<168, 3600>>(), 504);
    }

    #[test]
    fn an_origin_can_move() {
        let mut profile = of_hours(2, 0.15);
        let before = profile.line(30_000, 1).unwrap();
        profile.shift(100.0);
        assert!((profile.line(30_000, 1).unwrap() - before - 100.0).abs() < 0.02);

        let (mut profile, mut visit) = (Day::default(), Visit::default());
        profile.learn(&mut visit, 900, 5.0, 0.15);
        visit.shift(100.0);
        profile.learn(&mut visit, 1000, 107.0, 0.15);
        profile.learn(&mut visit, 2700, 0.0, 0.15);
        assert_eq!(profile.line(900, 1), Some(106.0));
    }

    #[test]
    fn the_count_of_slots_begins_anew_with_a_period() {
        for begin in [i64::MIN, -65_520 * 1800, 0, 65_519 * 1800, 65_520 * 1800, 1_700_000_000] {
            let (mut profile, mut visit) = (Day::default(), Visit::default());
            for step in 0..3 {
                profile.learn(&mut visit, begin + 1800 * step, 1.0, 0.15);
            }
            let known = [0, 1, 2].map(|step| profile.line(begin + 1800 * step, 1));
            assert_eq!(known, [Some(1.0), Some(1.0), None], "from {begin}");
        }
    }

    #[test]
    fn a_proof_takes_samples_and_forgives_a_giant() {
        let mut proof = Proof::default();
        for _ in 0..100 {
            proof.learn(1.0);
        }
        assert!(!proof.is_below(1.1));
        proof.learn(1.0);
        assert!(proof.is_below(1.1) && !proof.is_below(1.0));
        proof.learn(1e30);
        assert!(proof.is_below(1.1), "{}", proof.error());
    }
}
