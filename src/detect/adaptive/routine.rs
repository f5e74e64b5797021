//! Routine: what comes at the same time of the day, day after day.
//!
//! A backup, a rotation of logs, people who come at eight: by its shape it is trouble, and it is no news. Where a half hour of the day has
//! had trouble on three days in a row, more of it there is routine, unless it leads elsewhere or 1.7 times as far from what was expected.
//! It is as long as that comes on most days; five of them are remembered over a weekend, and no week.
//!
//! Only series that have had trouble know of it: O(1), 112 bytes.

use super::{
    constants::{
        DAY_SLOT_S, DAY_SLOTS, QUIET_OUTDONE, ROUTINE_BORDER_S, ROUTINE_DAY, ROUTINE_FAR_KEPT, ROUTINE_LEAST,
        ROUTINE_MOST,
    },
    single::single,
};
use crate::save::{Damaged, Save, Saved, fields, hold};

/// The bits of a distance that are kept: its sign, its order, and three.
const FAR_BITS: u32 = 0xfff0_0000;
/// Half of the last of these.
const FAR_HALF: u32 = 0x0008_0000;

/// The times of the day at which a series has had trouble.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Routine {
    /// With what its days count.
    slots: [Trouble; DAY_SLOTS],
    /// Of the slot before the one that time is in, of that, and of the next, as trouble near a border is of both sides: [`UNSEEN`], or what
    /// it has seen today, [`CALM`] or [`TROUBLED`].
    today: [Trouble; 3],
    /// The slot that time is in, counted through from 1970.
    number: i64,
}

/// How far from what was expected trouble was, and a small number beside it.
///
/// The upper 12 bits of a number in single precision, and four.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Trouble(u16);

const UNSEEN: u8 = 0;
const CALM: u8 = 1;
const TROUBLED: u8 = 2;

fields!(Routine { slots, today, number } check |routine| {
    hold(routine.slots.iter().all(|slot| slot.count() <= ROUTINE_MOST), "trouble has come on more days than are counted")?;
    hold(routine.today.iter().all(|today| today.count() <= TROUBLED), "what a time of the day has seen is nothing known")
});

impl Routine {
    /// That of a series without trouble so far, at `local`.
    pub(super) fn new(local: i64) -> Self {
        Self {
            slots: [Trouble::default(); DAY_SLOTS],
            today: [UNSEEN, CALM, UNSEEN].map(|seen| Trouble::new(0.0, seen)),
            number: local.div_euclid(DAY_SLOT_S),
        }
    }

    /// Is trouble at `local`, `far` from what was expected, what comes at this time?
    pub(super) fn knows(&self, local: i64, far: f64) -> bool {
        let known = self.slots[slot(local.div_euclid(DAY_SLOT_S))];
        known.count() >= ROUTINE_LEAST && far / known.far() >= 0.0 && far.abs() < QUIET_OUTDONE * known.far().abs()
    }

    /// Takes in a sample at `local`, and how `far` from what was expected it is if that is trouble. Only the first of a slot and those
    /// with trouble need to be shown. Is there anything to be remembered?
    pub(super) fn learn(&mut self, local: i64, far: Option<f64>) -> bool {
        let number = local.div_euclid(DAY_SLOT_S);
        if number != self.number {
            self.follow(number);
        }
        if let Some(far) = far {
            let within = local.rem_euclid(DAY_SLOT_S);
            let is_of = [within < ROUTINE_BORDER_S, true, within >= DAY_SLOT_S - ROUTINE_BORDER_S];
            for (today, _) in self.today.iter_mut().zip(is_of).filter(|(_, is_of)| *is_of) {
                if today.count() < TROUBLED || far.abs() > today.far().abs() {
                    *today = Trouble::new(far, TROUBLED);
                }
            }
        }
        let is_troubled = |today: &Trouble| today.count() == TROUBLED;
        self.today.iter().any(is_troubled) || self.slots.iter().any(|days| days.count() > 0)
    }

    /// Time is in another slot: the day ends in those that it has left behind.
    fn follow(&mut self, number: i64) {
        let [before, own, next] = self.today;
        let last = std::mem::replace(&mut self.number, number);
        if number == last + 1 {
            self.end(last - 1, before);
            self.today = [own, next, Trouble::default()];
        } else {
            for (steps, today) in [(-1, before), (0, own), (1, next)] {
                self.end(last + steps, today);
            }
            self.today = Default::default();
        }
        let own = &mut self.today[1];
        if own.count() == UNSEEN {
            *own = Trouble::new(0.0, CALM);
        }
    }

    fn end(&mut self, number: i64, today: Trouble) {
        let days = &mut self.slots[slot(number)];
        *days = match today.count() {
            UNSEEN => *days,
            CALM => days.without(),
            _ => days.with(today.far()),
        };
    }
}

impl Trouble {
    fn new(far: f64, count: u8) -> Self {
        // Rounded to the nearest, which leaves the largest where it is rather than infinite.
        let bits = single(far).to_bits();
        let rounded = bits.saturating_add(FAR_HALF) & FAR_BITS;
        let kept = if f32::from_bits(rounded).is_finite() {
            rounded
        } else {
            bits & FAR_BITS
        };
        let [high, low, ..] = kept.to_be_bytes();
        Self(u16::from_be_bytes([high, low | count]))
    }

    fn far(self) -> f64 {
        f32::from_bits(u32::from(self.0) << 16 & FAR_BITS).into()
    }

    fn count(self) -> u8 {
        let [_, low] = self.0.to_be_bytes();
        low & 0xf
    }

    /// With a day more, on which it was so `far`.
    fn with(self, far: f64) -> Self {
        if self.count() == 0 || far / self.far() < 0.0 {
            return Self::new(far, ROUTINE_DAY);
        }
        let kept = ROUTINE_FAR_KEPT * self.far();
        let farther = if far.abs() > kept.abs() { far } else { kept };
        Self::new(farther, (self.count() + ROUTINE_DAY).min(ROUTINE_MOST))
    }

    /// With a day more without trouble.
    fn without(self) -> Self {
        match self.count() {
            0 | 1 => Self::default(),
            count => Self::new(self.far(), count - 1),
        }
    }
}

/// Place of a slot in the day.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a remainder is not negative, and small"
)]
fn slot(number: i64) -> usize {
    number.rem_euclid(DAY_SLOTS as i64) as usize
}

impl Save for Trouble {
    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let trouble = Self(u16::load(from)?);
        hold(trouble.far().is_finite(), "trouble is infinitely far").map(|()| trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 86_400;

    /// A routine, and whether each of some days knew of its trouble: how far it was, if there was any, `late` seconds after two.
    fn after(days: &[Option<(f64, i64)>]) -> (Routine, Vec<bool>) {
        let mut routine = Routine::new(0);
        let mut known = Vec::new();
        for (day, trouble) in (0..).zip(days) {
            let at = trouble.map(|(far, late)| (far, day * DAY_S + 7200 + late));
            for local in (day * DAY_S..(day + 1) * DAY_S).step_by(60) {
                let far = at.filter(|(_, at)| *at == local).map(|(far, _)| far);
                known.extend(far.map(|far| routine.knows(local, far)));
                routine.learn(local, far);
            }
        }
        (routine, known)
    }

    #[test]
    fn the_fourth_day_is_routine() {
        assert_eq!(after(&[Some((-13.0, 0)); 5]).1, [false, false, false, true, true]);
    }

    #[test]
    fn a_border_between_slots_makes_no_difference() {
        let days = |late: i64| {
            let late = |day| if day % 2 == 0 { -late } else { late };
            (0..8).map(|day| Some((2.0, late(day)))).collect::<Vec<_>>()
        };
        assert_eq!(after(&days(120)).1[3..], [true; 5]);
        assert!(!after(&days(1200)).1.contains(&true), "twenty minutes are another time");
    }

    #[test]
    fn it_outlives_a_weekend_and_no_week() {
        let weeks = |days: i64| {
            (0..days)
                .map(|day| (day % 7 < 5).then_some((2.0, 0)))
                .collect::<Vec<_>>()
        };
        assert_eq!(after(&weeks(14)).1[3..], [true; 7]);
        let mut days = weeks(5);
        days.extend([None; 5]);
        days.push(Some((2.0, 0)));
        assert_eq!(after(&days).1.last(), Some(&false));
        days.truncate(5);
        days.extend([None; 10]);
        let (mut routine, _) = after(&days);
        assert!(!routine.learn(15 * DAY_S + 7200, None), "nothing is left of it");
    }

    #[test]
    fn it_stays_while_it_comes_on_most_days() {
        let days: Vec<_> = (0..30)
            .map(|day| (day < 4 || day % 3 > 0).then_some((2.0, 0)))
            .collect();
        let known = after(&days).1;
        assert!(known.len() > 20 && !known[3..].contains(&false), "{known:?}");
        let days: Vec<_> = (0..30).map(|day| (day % 3 == 0).then_some((2.0, 0))).collect();
        assert!(!after(&days).1.contains(&true), "one in three is none");
    }

    #[test]
    fn what_leads_further_or_elsewhere_is_no_routine() {
        let last = |far| {
            let mut days = [Some((-200.0, 0)); 6];
            days[5] = Some((far, 0));
            *after(&days).1.last().unwrap()
        };
        assert!(last(-1.0) && last(-300.0) && !last(-390.0) && !last(200.0));
        // What has come once from the other side has to come thrice.
        let mut days = [Some((-200.0, 0)); 9];
        days[5] = Some((200.0, 0));
        assert_eq!(after(&days).1[4..], [true, false, false, false, false]);
        for far in [f64::from(f32::MAX), -1e30, 1e-40] {
            assert!(after(&[Some((far, 0)); 4]).1[3] == (far.abs() > 1e-30), "{far}");
        }
    }

    #[test]
    fn what_was_once_far_is_forgotten() {
        let mut days = [Some((100.0, 0)); 14];
        days[3] = Some((1000.0, 0));
        days[5] = Some((1000.0, 0));
        days[13] = Some((1000.0, 0));
        let known = after(&days).1;
        assert!(!known[3] && known[5] && !known[13], "{known:?}");
    }

    #[test]
    fn hours_without_a_sample_are_no_days_without_trouble() {
        let mut routine = Routine::new(0);
        // A sample an hour, so that every other slot has none.
        for hour in 0..24 * 6 {
            let (local, is_two) = (hour * 3600, hour % 24 == 2);
            if is_two {
                assert_eq!(routine.knows(local, 2.0), hour >= 24 * 3, "hour {hour}");
            }
            routine.learn(local, is_two.then_some(2.0));
        }
    }

    #[test]
    fn it_is_small_and_comes_back_as_it_was() {
        assert!(size_of::<Routine>() <= 112, "{}", size_of::<Routine>());
        let (routine, _) = after(&[Some((2.0, 0)), Some((300.0, -120)), None, Some((1.0, 900))]);
        let mut bytes = Vec::new();
        routine.save(&mut bytes);
        assert_eq!(Routine::load(&mut Saved::new(&bytes)), Ok(routine));
        let infinite = Trouble((f32::INFINITY.to_bits() >> 16) as u16);
        for (place, trouble) in [
            (0, Trouble::new(1.0, 11)),
            (0, infinite),
            (DAY_SLOTS, Trouble::new(1.0, 3)),
        ] {
            let mut bytes = bytes.clone();
            bytes[2 * place..2 * place + 2].copy_from_slice(&trouble.0.to_le_bytes());
            assert!(
                Routine::load(&mut Saved::new(&bytes)).is_err(),
                "{trouble:?} at {place}"
            );
        }
    }
}
