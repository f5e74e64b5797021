//! Judges: what a detector thinks of one series, and what it remembers of it.

use std::ops::{Deref, DerefMut};

use crate::detect::{State, Wanted};

/// A detector's view of one series.
#[derive(Debug)]
pub(super) struct Judge {
    /// Place among the engines.
    pub(super) detector: usize,
    pub(super) state: State,
    /// Is the anomaly it has told of still open?
    pub(super) open: bool,
    /// Does it tell people, rather than only other detectors?
    pub(super) heard: bool,
    /// Is there something that a floor may hold down?
    pub(super) held: bool,
    /// What other detectors of the series want to know of it.
    pub(super) wanted: Wanted,
}

/// The judges of a series. Nearly all series have one: it lies where the series does, and costs no allocation, and a sample no
/// cache line, of its own.
#[derive(Debug)]
pub(super) enum Judges {
    One(Judge),
    Several(Box<[Judge]>),
}

impl Judges {
    /// Reads a little of what they read to judge a sample: at 0 of what this points at, at 1 of what that points at, and so on.
    pub(super) fn touch(&self, depth: usize) -> u64 {
        let all = |touch: fn(&Judge) -> u64| self.iter().fold(0, |touched, judge| touched ^ touch(judge));
        match (self, depth) {
            (Self::Several(_), 0) => all(|judge| judge.detector as u64),
            (Self::One(_), 0) | (Self::Several(_), 1) => all(|judge| judge.state.touch()),
            (Self::One(_), 1) | (Self::Several(_), 2) => all(|judge| judge.state.touch_behind()),
            _ => 0,
        }
    }

    /// Memory of them (bytes).
    pub(super) fn bytes(&self) -> usize {
        self.iter()
            .map(|judge| size_of::<Judge>() + judge.state.heap_bytes())
            .sum()
    }
}

impl Deref for Judges {
    type Target = [Judge];

    fn deref(&self) -> &[Judge] {
        match self {
            Self::One(judge) => std::slice::from_ref(judge),
            Self::Several(judges) => judges,
        }
    }
}

impl DerefMut for Judges {
    fn deref_mut(&mut self) -> &mut [Judge] {
        match self {
            Self::One(judge) => std::slice::from_mut(judge),
            Self::Several(judges) => judges,
        }
    }
}

impl FromIterator<Judge> for Judges {
    fn from_iter<I: IntoIterator<Item = Judge>>(judges: I) -> Self {
        let mut judges: Vec<_> = judges.into_iter().collect();
        match (judges.pop(), judges.is_empty()) {
            (Some(judge), true) => Self::One(judge),
            (last, _) => {
                judges.extend(last);
                Self::Several(judges.into())
            }
        }
    }
}

impl IntoIterator for Judges {
    type Item = Judge;
    type IntoIter = std::vec::IntoIter<Judge>;

    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::One(judge) => vec![judge].into_iter(),
            Self::Several(judges) => judges.into_vec().into_iter(),
        }
    }
}

impl<'a> IntoIterator for &'a Judges {
    type Item = &'a Judge;
    type IntoIter = std::slice::Iter<'a, Judge>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Judges {
    type Item = &'a mut Judge;
    type IntoIter = std::slice::IterMut<'a, Judge>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Definition, Elsewhere, Engine, Subject};

    fn judges(count: usize) -> Judges {
        let engines = Engine::all(&[Definition::default()], &Elsewhere::default());
        let judge = |detector| Judge {
            detector,
            state: engines[0].new_state(Subject::new("a")),
            open: false,
            heard: true,
            held: false,
            wanted: Wanted::Nothing,
        };
        (0..count).map(judge).collect()
    }

    #[test]
    fn one_is_as_good_as_several() {
        for count in 0..4 {
            let places = |judges: &[Judge]| -> Vec<_> { judges.iter().map(|judge| judge.detector).collect() };
            let expected: Vec<_> = (0..count).collect();
            let mut all = judges(count);
            assert_eq!(matches!(all, Judges::One(_)), count == 1);
            assert_eq!(places(&all), expected);
            (&mut all).into_iter().for_each(|judge| judge.open = true);
            assert!(all.iter().all(|judge| judge.open));
            assert_eq!(all.bytes() > 0, count > 0);
            assert_eq!(places(&all.into_iter().collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn one_takes_no_more_than_its_own_room() {
        assert_eq!(size_of::<Judges>(), size_of::<Judge>());
    }
}
