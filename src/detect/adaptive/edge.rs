//! Edges: where a season goes from one level to another at once, as offices do at eight.
//!
//! A line from the centre of one slot to that of the next is right for a slope. Of an edge it is as wrong as the edge is high, for
//! an hour, at a time that is well known. Slots say where an edge is: those about it are flat, and one that it goes through has a
//! mean in between. Away from it what is usual is the level there, and near it all from the one level to the other, as people
//! come a little sooner or later. So a day without its edge is told of some twenty minutes late, or an hour where the edge is
//! within a slot of one.
//!
//! Where slots differ much and it is neither edge nor slope, as at a peak of one slot, all between the two counts.
//!
//! Knows six means and where between them it is asked. What is less than some errors of a prediction high is none.

use super::constants::{EDGE_ERRORS, EDGE_S, FLAT_ERRORS, FLAT_PARTS, LEVEL_PARTS, NEAR_PART};

/// What is usual at some time: a value, and near an edge all from one level to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reading {
    value: f64,
    low: f64,
    high: f64,
}

/// Where a profile is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    /// The means of the third to be the slot that time is in, of the two on its far side before it, and of the three on the side
    /// that is nearer: in the order of time or against it. `None` where a slot is not known.
    pub(super) slots: [Option<f64>; 6],
    /// How far from the centre of its slot it is (slots, 0 to 0.5).
    pub(super) share: f64,
    /// Length of a slot (seconds).
    pub(super) slot_s: i64,
    /// What predictions are from values on average.
    pub(super) error: f64,
    /// How much earlier and later things may have been besides (seconds).
    pub(super) slack_s: f64,
}

/// What is usual near an edge; `None` where there is none, or nothing that is known.
pub(super) fn near(around: &Around) -> Option<Reading> {
    let [first, before, own, other, next, last] = around.slots;
    let (before, own, other, next) = (before?, own?, other?, next?);
    let (height, to_border) = (other - own, 0.5 - around.share);
    if let Some(reading) = around.at_border([before, own, other, next], to_border) {
        return Some(reading);
    }
    if let Some(first) = first {
        if let Some(reading) = around.at_border([other, own, before, first], 0.5 + around.share) {
            return Some(reading);
        }
        if around.is_within([first, before, own, other, next]) {
            return Some(Reading::between(own, &[before, other]));
        }
    }
    if last.is_some_and(|last| around.is_within([before, own, other, next, last])) {
        let is_near = around.is_near(to_border + (next - other) / (next - own));
        return Some(Reading::between(own, &[before, next][..if is_near { 2 } else { 1 }]));
    }
    // It is no edge, and no slope either: on one side it does not go on.
    let is_slope = (own - before) * height > 0.0 && (next - other) * height > 0.0;
    (around.is_high(height) && !is_slope).then(|| Reading::between(own + around.share * height, &[own, other]))
}

impl Around {
    /// What is usual `to_border` slots from where two slots meet, if that is an edge: the first is all before it, and the second after.
    /// `own` is the one that time is in, `other` the one beyond the border.
    fn at_border(&self, [before, own, other, next]: [f64; 4], to_border: f64) -> Option<Reading> {
        let height = other - own;
        let is_edge = self.is_high(height) && self.is_flat(own - before, height) && self.is_flat(next - other, height);
        let beyond = if self.is_near(to_border) { 3 } else { 1 };
        is_edge.then(|| Reading::between(own, &[before, other, next][..beyond]))
    }

    /// Is there an edge in the middle of five slots, so that it lies between those about it, and they and their neighbours are of
    /// two levels?
    fn is_within(&self, [first, from, middle, to, last]: [f64; 5]) -> bool {
        let height = to - from;
        self.is_high(height)
            && (from - first).abs() + (last - to).abs() <= height.abs() / LEVEL_PARTS
            && !self.is_flat(middle - from, height)
            && !self.is_flat(to - middle, height)
            && (middle - from) * (to - middle) > 0.0
    }

    fn is_high(&self, height: f64) -> bool {
        height.abs() > EDGE_ERRORS * self.error
    }

    /// Is `rise` none, beside an edge of `height`?
    fn is_flat(&self, rise: f64, height: f64) -> bool {
        rise.abs() <= (FLAT_ERRORS * self.error).max(height.abs() / FLAT_PARTS)
    }

    /// Is an edge that is so many slots away near?
    #[expect(clippy::cast_precision_loss, reason = "slots are short")]
    fn is_near(&self, slots: f64) -> bool {
        slots * self.slot_s as f64 <= EDGE_S + self.slack_s
    }
}

impl Reading {
    /// `value` and nothing else.
    pub(super) fn of(value: f64) -> Self {
        Self {
            value,
            low: value,
            high: value,
        }
    }

    /// `value`, and all up to each of the `others`.
    fn between(value: f64, others: &[f64]) -> Self {
        Self {
            value,
            low: others.iter().copied().fold(value, f64::min),
            high: others.iter().copied().fold(value, f64::max),
        }
    }

    /// The same, `by` higher.
    pub(super) fn shifted(self, by: f64) -> Self {
        Self {
            value: self.value + by,
            low: self.low + by,
            high: self.high + by,
        }
    }

    /// The most usual.
    pub(super) fn value(self) -> f64 {
        self.value
    }

    /// The usual that is nearest to `value`.
    #[inline]
    pub(super) fn nearest(self, value: f64) -> f64 {
        if self.is_wide() {
            value.max(self.low).min(self.high)
        } else {
            self.value
        }
    }

    /// What the season has added on the way from `recent`, when `then` was usual, to `value`.
    ///
    /// An edge may be gone along at any pace: from what was usual on to what is no step counts, and what is late at its end, by less than a
    /// part of it, has not stepped either.
    #[inline]
    pub(super) fn since(self, then: Self, recent: f64, value: f64) -> f64 {
        if !(self.is_wide() || then.is_wide()) {
            return self.value - then.value;
        }
        let nearest = self.nearest(value);
        let left = ((then.high - then.low) - (self.high - self.low)).max(0.0);
        if (value - nearest).abs() <= NEAR_PART * left {
            (value - recent).max(self.low - then.high).min(self.high - then.low)
        } else {
            nearest - then.nearest(recent)
        }
    }

    /// Is it more than one value?
    #[inline]
    pub(super) fn is_wide(self) -> bool {
        self.low < self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is usual `share` slots from the centre of the third slot, of an hour, towards the next: lowest and highest.
    #[track_caller]
    fn usual(slots: [f64; 6], share: f64) -> Option<(f64, f64)> {
        let reading = near(&Around {
            slots: slots.map(Some),
            share,
            slot_s: 3600,
            error: 4.0,
            slack_s: 0.0,
        })?;
        assert!((reading.low..=reading.high).contains(&reading.value), "{reading:?}");
        assert_eq!(reading.is_wide(), reading.low < reading.high);
        Some((reading.low, reading.high))
    }

    #[test]
    fn an_edge_between_two_slots_is_all_of_it_near_the_border() {
        let slots = [50.0, 50.0, 50.0, 200.0, 200.0, 200.0];
        assert_eq!(usual(slots, 0.5), Some((50.0, 200.0)));
        assert_eq!(usual(slots, 0.2), Some((50.0, 200.0)));
        assert_eq!(usual(slots, 0.1), Some((50.0, 50.0)));
        // A little before or after it.
        let slots = [50.0, 50.0, 57.0, 194.0, 200.0, 200.0];
        assert_eq!(usual(slots, 0.2), Some((50.0, 200.0)));
        assert_eq!(usual(slots, 0.1), Some((50.0, 57.0)));
        let slots = [50.0, 57.0, 194.0, 200.0, 200.0, 200.0];
        assert_eq!(usual(slots, 0.1), Some((194.0, 200.0)), "an hour later");
    }

    #[test]
    fn an_edge_within_a_slot_is_where_its_mean_says() {
        // At a third of the slot.
        let slots = [50.0, 50.0, 150.0, 200.0, 200.0, 200.0];
        assert_eq!(usual(slots, 0.0), Some((50.0, 200.0)));
        assert_eq!(usual(slots, 0.5), Some((50.0, 200.0)));
        // 20 to 50 minutes before, and then not.
        let slots = [50.0, 50.0, 50.0, 150.0, 200.0, 200.0];
        assert_eq!(usual(slots, 0.5), Some((50.0, 200.0)));
        assert_eq!(usual(slots, 0.4), Some((50.0, 50.0)));
        assert_eq!(usual(slots, 0.0), Some((50.0, 50.0)));
    }

    #[test]
    fn a_slope_is_none_and_neither_is_noise() {
        assert_eq!(usual([10.0, 60.0, 110.0, 160.0, 210.0, 260.0], 0.3), None);
        assert_eq!(usual([50.0, 50.0, 50.0, 74.0, 74.0, 74.0], 0.3), None);
        assert_eq!(
            usual([0.0, 10.0, 30.0, 70.0, 150.0, 310.0], 0.5),
            None,
            "however it grows"
        );
    }

    #[test]
    fn a_peak_is_all_between_two_slots() {
        assert_eq!(usual([50.0, 50.0, 50.0, 200.0, 50.0, 50.0], 0.4), Some((50.0, 200.0)));
        assert_eq!(usual([50.0, 50.0, 200.0, 50.0, 50.0, 50.0], 0.4), Some((50.0, 200.0)));
    }

    #[test]
    fn slots_that_are_not_known_have_no_edge() {
        let slots = [None, None, Some(50.0), Some(200.0), Some(200.0), Some(200.0)];
        let around = Around {
            slots,
            share: 0.4,
            slot_s: 3600,
            error: 4.0,
            slack_s: 0.0,
        };
        assert_eq!(near(&around), None);
    }

    #[test]
    fn an_edge_is_gone_along_at_any_pace() {
        let (low, high) = (Reading::of(50.0), Reading::of(200.0));
        let edge = Reading::between(125.0, &[50.0, 200.0]);
        let step =
            |now: Reading, then: Reading, recent: f64, value: f64| value - recent - now.since(then, recent, value);
        for (now, then, recent, value, expected) in [
            (high, low, 50.0, 203.0, 3.0),
            // It has begun before it was expected to, and goes on.
            (edge, low, 70.0, 80.0, 0.0),
            (edge, low, 70.0, 55.0, -15.0),
            (edge, edge, 80.0, 190.0, 0.0),
            (edge, edge, 80.0, 215.0, 15.0),
            // It is late, and has not come.
            (high, edge, 168.0, 170.0, 0.0),
            (high, edge, 168.0, 162.0, -6.0),
            (high, edge, 50.0, 50.0, -150.0),
        ] {
            let found = step(now, then, recent, value);
            assert!(
                (found - expected).abs() < 1e-9,
                "{recent} to {value}: {found}, not {expected}"
            );
        }
    }
}
