//! What is remembered of one series, and the facts that a model finds there.

use super::{
    model::Model,
    parts::PartState,
    smooth::Smooth,
    term::{Fact, Facts, Figure, TextTerm, TextTest, UNKNOWN, finite},
};
use crate::{
    save::{Damaged, Save, Saved, hold},
    window::{Point, Window},
};

const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;

/// The past of one series, as far as a model asks for it.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Samples ever.
    pub(super) samples: u32,
    /// Time of the first (seconds since 1970).
    first: i64,
    last: Point,
    /// The sample before the last; that itself, while there is none.
    previous: Point,
    /// A bit for each test of texts that holds. Made anew from the name.
    texts: u64,
    parts: Box<[PartState]>,
    smooths: Box<[Smooth]>,
}

/// What others say of a sample.
pub(super) trait Company {
    /// What the detector with that place found; `NaN` where it says nothing.
    fn vote(&self, place: u8, figure: Figure) -> f64;

    /// The newest sample of the series with that place, if it is new enough.
    fn other(&self, place: u8) -> Option<Point>;
}

/// The facts of the newest sample.
pub(super) struct Live<'a, C> {
    pub(super) model: &'a Model,
    pub(super) past: &'a mut Past,
    pub(super) window: &'a Window,
    /// What clocks show, as seconds since 1970.
    pub(super) local: i64,
    pub(super) company: C,
    pub(super) scratch: &'a mut Vec<f64>,
}

impl Past {
    /// That of a series of which nothing has been seen; `node` gives the nodes of its name from 0 on.
    pub(super) fn new<'a>(model: &Model, node: impl Fn(i32) -> Option<&'a str>) -> Self {
        Self {
            texts: texts(model, node),
            parts: model.plans.iter().map(super::parts::PartPlan::state).collect(),
            smooths: model.needs.smooths.iter().map(|_| Smooth::default()).collect(),
            ..Self::default()
        }
    }

    /// Takes in the newest sample of `window`.
    pub(super) fn follow(&mut self, model: &Model, window: &Window) {
        let point = window.last().unwrap_or_default();
        self.samples = self.samples.saturating_add(1);
        if self.samples == 1 {
            (self.first, self.last) = (point.timestamp, point);
        }
        (self.previous, self.last) = (self.last, point);
        for (plan, part) in model.plans.iter().zip(&mut self.parts) {
            plan.follow(part, window, point);
        }
        for (&com, smooth) in model.needs.smooths.iter().zip(&mut self.smooths) {
            smooth.add(point.value, com);
        }
    }

    /// Time from the first sample to the last (seconds).
    pub(super) fn age_s(&self) -> i64 {
        self.last.timestamp - self.first
    }

    /// Completes what was loaded, of a series with `window`.
    pub(super) fn revive<'a>(
        &mut self,
        model: &Model,
        node: impl Fn(i32) -> Option<&'a str>,
        window: &Window,
    ) -> Result<(), Damaged> {
        self.texts = texts(model, node);
        let fits = self.parts.len() == model.plans.len() && self.smooths.len() == model.needs.smooths.len();
        hold(fits, "a model remembers more or less than it asks for")?;
        let is_of_window = self.samples == 0 || window.last() == Some(self.last);
        hold(is_of_window, "a model remembers another sample")?;
        for (plan, part) in model.plans.iter().zip(&mut self.parts) {
            plan.revive(part, window)?;
        }
        Ok(())
    }

    /// See [`crate::detect::State::move_to`].
    pub(super) fn move_to(&mut self, window: &Window) {
        for part in &mut self.parts {
            part.move_to(window);
        }
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        let parts = self.parts.iter().map(|part| size_of::<PartState>() + part.heap_bytes());
        parts.sum::<usize>() + self.smooths.len() * size_of::<Smooth>()
    }

    /// Reads a little of each cache line that judging a sample reads.
    pub(super) fn touch(&self) -> u64 {
        let parts = self.parts.iter().map(PartState::touch);
        parts.fold(u64::from(self.samples), |touched, part| touched ^ u64::from(part))
    }
}

/// A bit for each test of texts that holds.
fn texts<'a>(model: &Model, node: impl Fn(i32) -> Option<&'a str>) -> u64 {
    let tests = model.needs.texts.iter().enumerate();
    let holds = |test: &TextTest| {
        let text = |term: &TextTerm| match term {
            TextTerm::Literal(text) => Some(text.clone()),
            TextTerm::Node(place) => node(*place).map(str::to_owned),
        };
        let wanted = text(&test.text);
        wanted.is_some() && test.others.iter().any(|other| text(other) == wanted)
    };
    tests
        .filter(|(_, test)| holds(test))
        .fold(0, |bits, (place, _)| bits | 1 << place)
}

impl Save for Past {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            samples,
            first,
            last,
            previous,
            texts: _,
            parts,
            smooths,
        } = self;
        samples.save(out);
        first.save(out);
        last.save(out);
        previous.save(out);
        // A model asks for 64 of each at most.
        u8::try_from(parts.len()).expect("there are few parts").save(out);
        for part in parts {
            part.save(out);
        }
        u8::try_from(smooths.len()).expect("there are few means").save(out);
        for smooth in smooths {
            smooth.save(out);
        }
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let mut past = Self {
            samples: Save::load(from)?,
            first: Save::load(from)?,
            last: Save::load(from)?,
            previous: Save::load(from)?,
            ..Self::default()
        };
        let order = past.first <= past.previous.timestamp && past.previous.timestamp <= past.last.timestamp;
        hold(order, "a model remembers samples out of order")?;
        let parts = u8::load(from)?;
        past.parts = (0..parts).map(|_| PartState::load(from)).collect::<Result<_, _>>()?;
        let smooths = u8::load(from)?;
        past.smooths = (0..smooths).map(|_| Smooth::load(from)).collect::<Result<_, _>>()?;
        Ok(past)
    }
}

impl<C: Company> Facts for Live<'_, C> {
    fn fact(&mut self, fact: Fact) -> f64 {
        let Past {
            samples,
            last,
            previous,
            ..
        } = self.past;
        let has_previous = *samples > 1;
        let age_s = seconds(last.timestamp - previous.timestamp);
        let known = |is_known: bool, value: f64| if is_known { value } else { UNKNOWN };
        match fact {
            Fact::Value => last.value,
            Fact::Previous => known(has_previous, previous.value),
            Fact::Age => known(has_previous, age_s),
            Fact::Rate => known(has_previous, finite((last.value - previous.value) / age_s)),
            Fact::Hour => seconds(self.local.rem_euclid(DAY_S) / HOUR_S),
            Fact::Minute => seconds(self.local.rem_euclid(HOUR_S) / 60),
            // The first day of 1970 was a Thursday.
            Fact::Weekday => seconds((self.local.div_euclid(DAY_S) + 3).rem_euclid(7) + 1),
            Fact::Windowed(place, statistic) => {
                let place = usize::from(place);
                self.model.plans[place].ask(&mut self.past.parts[place], statistic, self.window, self.scratch)
            }
            Fact::Smooth(place) => self.past.smooths[usize::from(place)].mean().map_or(UNKNOWN, finite),
            Fact::SmoothDeviation(place) => {
                let deviation = self.past.smooths[usize::from(place)].deviation();
                deviation.map_or(UNKNOWN, finite)
            }
            Fact::Text(place) => super::term::truth(self.past.texts >> place & 1 == 1),
            Fact::Vote(place, figure) => finite(self.company.vote(place, figure)),
            Fact::OtherValue(place) => self.company.other(place).map_or(UNKNOWN, |point| point.value),
            Fact::OtherAge(place) => {
                let other = self.company.other(place);
                other.map_or(UNKNOWN, |point| seconds(self.past.last.timestamp - point.timestamp))
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 seconds")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}
