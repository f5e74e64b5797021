//! Parts of a window, such as its last hour, and what is asked about them, kept up to date sample by sample.
//!
//! No value is copied: an edge follows each end of a part through the window, and reads what leaves it.
//!
//! * A part of the window takes 0.6 KB, and what its statistics take (see `ranks` and `extreme`).
//! * A sample costs a few nanoseconds for what comes and what goes, for each part and statistic.
//! * Sums are double-double, and saved as they are; all else is found again to the bit, or exact.

use super::{
    extreme::Largest,
    ranks::{Ranks, Wishes},
    term::{PartNeeds, Reach, Statistic, UNKNOWN, finite},
};
use crate::{
    save::{Damaged, Save, Saved, hold},
    window::{Edge, LineFit, LineSums, Moments, Point, Window},
};

/// Values beyond this leave sums behind that nothing can be read from.
const GIANT: f64 = 1e140;

/// So many samples are read faster by blocks, of which that with the oldest is read from its beginning, than at an edge.
const MANY: u32 = 512;

/// A part of one series' window.
#[derive(Debug)]
pub(super) struct PartState {
    /// At the first sample that is too young for the part.
    entering: Edge,
    /// At the oldest sample in it.
    leaving: Edge,
    /// Samples too young for it.
    young: u32,
    /// Samples in it.
    count: u32,
    /// Samples that have come into it, ever.
    entered: u32,
    moments: Option<Moments>,
    /// Beside `moments`.
    line: Option<LineSums>,
    largest: Option<Box<Largest>>,
    /// Of the values with the other sign.
    smallest: Option<Box<Largest>>,
    ranks: Option<Box<Ranks>>,
}

/// What a part of the window is, for all series: its needs, and what follows from them.
#[derive(Clone, Debug)]
pub(super) struct PartPlan {
    needs: PartNeeds,
    quantiles: Vec<f64>,
}

impl PartPlan {
    pub(super) fn new(needs: &PartNeeds) -> Self {
        let quantile = |statistic: &Statistic| match statistic {
            Statistic::Quantile(share) => Some(*share),
            Statistic::Median => Some(0.5),
            _ => None,
        };
        Self {
            quantiles: needs.statistics.iter().filter_map(quantile).collect(),
            needs: needs.clone(),
        }
    }

    fn asks(&self, statistic: Statistic) -> bool {
        self.needs.statistics.contains(&statistic)
    }

    fn wishes(&self) -> Wishes<'_> {
        Wishes {
            quantiles: &self.quantiles,
            median_deviation: self.asks(Statistic::MedianDeviation),
        }
    }

    /// The part of a window that is empty.
    pub(super) fn state(&self) -> PartState {
        let sums = [Statistic::Sum, Statistic::Mean, Statistic::Deviation];
        let lines = [Statistic::Slope, Statistic::Line, Statistic::LineDeviation];
        let needs_line = lines.iter().any(|&line| self.asks(line));
        let needs_moments = needs_line || sums.iter().any(|&sum| self.asks(sum));
        let needs_ranks = !self.quantiles.is_empty() || self.asks(Statistic::MedianDeviation);
        PartState {
            entering: Edge::default(),
            leaving: Edge::default(),
            young: 0,
            count: 0,
            entered: 0,
            moments: needs_moments.then(Moments::default),
            line: needs_line.then(LineSums::default),
            largest: self.asks(Statistic::Largest).then(Box::default),
            smallest: self.asks(Statistic::Smallest).then(Box::default),
            ranks: needs_ranks.then(Box::default),
        }
    }

    /// Completes what was loaded, of a series with `window`.
    pub(super) fn revive(&self, state: &mut PartState, window: &Window) -> Result<(), Damaged> {
        let PartState {
            largest,
            smallest,
            ranks,
            moments,
            line,
            ..
        } = self.state();
        let fits = moments.is_some() == state.moments.is_some() && line.is_some() == state.line.is_some();
        hold(fits, "a part of the window has sums that nobody asks for, or none")?;
        let unread = |_| Box::new(Largest::unread());
        (state.largest, state.smallest, state.ranks) = (largest.map(unread), smallest.map(unread), ranks);
        let begins = state.young.checked_add(state.count);
        let leaving = begins.and_then(|begins| Edge::before_last(begins, window));
        let entering = Edge::before_last(state.young, window);
        let (Some(leaving), Some(entering)) = (leaving, entering) else {
            return Err(Damaged("a part of the window is longer than the window"));
        };
        (state.leaving, state.entering) = (leaving, entering);
        Ok(())
    }

    /// Takes in the newest sample of `window`, which is `point`.
    pub(super) fn follow(&self, state: &mut PartState, window: &Window, point: Point) {
        let part = self.needs.part;
        if part.ago_s == 0 {
            state.add(point);
        } else {
            state.young += 1;
            let enters_until = point.timestamp - part.ago_s;
            while let Some(point) = state.entering.peek_held(window)
                && point.timestamp <= enters_until
            {
                state.entering.advance();
                state.young -= 1;
                state.add(point);
            }
        }
        let (reach_s, samples_max) = match part.reach {
            Reach::Seconds(seconds) => (part.ago_s + seconds, u32::MAX),
            Reach::Samples(samples) => (window.span_s(), samples),
        };
        let leaves_until = point.timestamp - reach_s;
        let mut is_worn = false;
        while state.count > 0
            && let Some(point) = state.leaving.peek_held(window)
            && (state.count > samples_max || point.timestamp <= leaves_until)
        {
            state.leaving.advance();
            is_worn |= state.remove(point);
        }
        if let Some(largest) = &mut state.largest {
            largest.remove_before(state.entered - state.count);
        }
        if let Some(smallest) = &mut state.smallest {
            smallest.remove_before(state.entered - state.count);
        }
        if is_worn {
            let mut moments = Moments::default();
            let mut line = state.line.map(|_| LineSums::default());
            state.each(window, |point| {
                moments.add(point.value);
                if let Some(line) = &mut line {
                    line.add(point, &moments);
                }
            });
            (state.moments, state.line) = (Some(moments), line);
        }
    }

    /// The answer to what is among its needs; `NaN` where there is too little data.
    pub(super) fn ask(
        &self,
        state: &mut PartState,
        statistic: Statistic,
        window: &Window,
        scratch: &mut Vec<f64>,
    ) -> f64 {
        if statistic == Statistic::Count {
            return f64::from(state.count);
        }
        if let Reach::Samples(samples) = self.needs.part.reach
            && state.count < samples
        {
            return UNKNOWN;
        }
        let answer = match statistic {
            Statistic::Count => unreachable!("answered above"),
            Statistic::Sum => state
                .moments
                .and_then(|moments| Some(moments.mean()? * f64::from(moments.count()))),
            Statistic::Mean => state.moments.and_then(|moments| moments.mean()),
            Statistic::Deviation => state.moments.and_then(|moments| moments.sample_deviation()),
            Statistic::Largest => state.extreme(window, |state| &mut state.largest, 1.0),
            Statistic::Smallest => state.extreme(window, |state| &mut state.smallest, -1.0),
            Statistic::Median => {
                let number = self.quantile(0.5);
                self.rank(state, window, scratch, |ranks| ranks.median(number))
            }
            Statistic::Quantile(share) => {
                let number = self.quantile(share);
                self.rank(state, window, scratch, |ranks| ranks.quantile(number, share))
            }
            Statistic::MedianDeviation => self.rank(state, window, scratch, Ranks::median_deviation),
            Statistic::Slope => state.line().map(|line| line.slope),
            Statistic::Line => state
                .line()
                .zip(window.last())
                .map(|(line, last)| last.value - line.residual(last)),
            Statistic::LineDeviation => state.line().map(|line| line.residual_deviation),
        };
        answer.map_or(UNKNOWN, finite)
    }

    /// The number of a quantile among those that are asked for.
    #[expect(clippy::float_cmp, reason = "copies are the same")]
    fn quantile(&self, share: f64) -> usize {
        let number = self.quantiles.iter().position(|asked| *asked == share);
        number.expect("only what is among the needs is asked for")
    }

    /// What `ask` makes of the ranks, for which the samples are read again if need be.
    fn rank(
        &self,
        state: &mut PartState,
        window: &Window,
        scratch: &mut Vec<f64>,
        ask: impl Fn(&mut Ranks) -> Option<f64>,
    ) -> Option<f64> {
        if let Some(answer) = ask(state.ranks.as_mut()?) {
            return Some(answer);
        }
        scratch.clear();
        state.each(window, |point| scratch.push(point.value));
        let ranks = state.ranks.as_mut()?;
        ranks.set(scratch, self.wishes());
        ask(ranks)
    }
}

impl PartState {
    fn add(&mut self, point: Point) {
        let value = point.value;
        if let Some(moments) = &mut self.moments {
            moments.add(value);
            if let Some(line) = &mut self.line {
                line.add(point, moments);
            }
        }
        if let Some(largest) = &mut self.largest {
            largest.add(value, self.entered);
        }
        if let Some(smallest) = &mut self.smallest {
            smallest.add(-value, self.entered);
        }
        if let Some(ranks) = &mut self.ranks {
            ranks.add(value);
        }
        self.count += 1;
        self.entered = self.entered.wrapping_add(1);
    }

    /// Takes out the oldest, which is this. Are sums to be built anew?
    fn remove(&mut self, point: Point) -> bool {
        let value = point.value;
        self.count -= 1;
        if let Some(ranks) = &mut self.ranks {
            ranks.remove(value);
        }
        match &mut self.moments {
            Some(moments) => {
                if let Some(line) = &mut self.line {
                    line.remove(point, moments);
                }
                moments.remove(value);
                value.abs() > GIANT || moments.is_worn()
            }
            None => false,
        }
    }

    fn extreme(
        &mut self,
        window: &Window,
        of: impl Fn(&mut Self) -> &mut Option<Box<Largest>>,
        sign: f64,
    ) -> Option<f64> {
        let known = of(self).as_ref()?.get();
        if let Some(known) = known {
            return Some(sign * known);
        }
        let mut anew = Largest::default();
        let mut number = self.entered - self.count;
        self.each(window, |point| {
            anew.add(sign * point.value, number);
            number += 1;
        });
        let largest = of(self).as_mut()?;
        **largest = anew;
        Some(sign * largest.get()?)
    }

    /// The straight line through its samples; one has none.
    fn line(&self) -> Option<LineFit> {
        let moments = self.moments.as_ref().filter(|moments| moments.count() > 1)?;
        self.line.as_ref()?.fit(moments)
    }

    /// Calls `each` with all samples in it, the oldest first.
    fn each(&self, window: &Window, mut each: impl FnMut(Point)) {
        let mut edge = self.leaving;
        if self.count >= MANY
            && let Some(oldest) = edge.peek_held(window)
        {
            let mut left = self.count;
            return window.each_since(oldest.timestamp, |point| {
                if left > 0 {
                    left -= 1;
                    each(point);
                }
            });
        }
        for _ in 0..self.count {
            let Some(point) = edge.peek_held(window) else { return };
            each(point);
            edge.advance();
        }
    }

    /// See [`crate::detect::State::move_to`].
    pub(super) fn move_to(&mut self, window: &Window) {
        let place = |samples| Edge::before_last(samples, window).expect("the window holds the same samples");
        self.leaving = place(self.young + self.count);
        self.entering = place(self.young);
    }

    /// Heap memory in use (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        let extreme = |extreme: &Largest| size_of::<Largest>() + extreme.heap_bytes();
        let ranks = |ranks: &Ranks| size_of::<Ranks>() + ranks.heap_bytes();
        self.largest.as_deref().map_or(0, extreme)
            + self.smallest.as_deref().map_or(0, extreme)
            + self.ranks.as_deref().map_or(0, ranks)
    }

    /// Reads a little of it.
    pub(super) fn touch(&self) -> u32 {
        self.count
    }
}

/// Counts and sums. The rest is found again in the window.
impl Save for PartState {
    fn save(&self, out: &mut Vec<u8>) {
        let Self {
            entering: _,
            leaving: _,
            young,
            count,
            entered: _,
            moments,
            line,
            largest: _,
            smallest: _,
            ranks: _,
        } = self;
        young.save(out);
        count.save(out);
        moments.save(out);
        line.save(out);
    }

    fn load(from: &mut Saved<'_>) -> Result<Self, Damaged> {
        let (young, count) = (u32::load(from)?, u32::load(from)?);
        let moments = Option::<Moments>::load(from)?;
        let line = Option::<LineSums>::load(from)?;
        let fits = moments.is_none_or(|moments| moments.count() == count);
        hold(fits, "a sum is of other samples")?;
        Ok(Self {
            entering: Edge::default(),
            leaving: Edge::default(),
            young,
            count,
            entered: count,
            moments,
            line,
            largest: None,
            smallest: None,
            ranks: None,
        })
    }
}
