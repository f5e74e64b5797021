//! `histogram_bins`: does the tail fall into a bin that at most 20 values share?
//!
//! 15 bins of equal width from the smallest to the largest value of the window, one wide around a constant. As in the
//! original the first bin is hit only from its left edge down, and the largest value hits none. A short or sparse window
//! is therefore true almost everywhere.

use super::{
    super::{Finding, Outcome},
    HistogramBins,
    facts::Facts,
    ladder::{Ladder, WISHES_MAX},
    values::Values,
};

/// Bins of equal width.
#[derive(Clone, Copy, Debug)]
struct Bins {
    low: f64,
    high: f64,
    width: f64,
    count: u32,
}

/// The vote, by counts where these are exact, else by all values.
pub(super) fn find(settings: &HistogramBins, values: &Values, ladder: Option<&Ladder>, facts: &Facts) -> Finding {
    let threshold = Some(f64::from(settings.max_members));
    let bins = Bins::over(settings.bins, values);
    let Some((from, below)) = bins.and_then(|bins| bins.hit_by(facts.tail)) else {
        return Finding {
            threshold,
            ..Finding::UNDEFINED
        };
    };
    let counted = ladder.and_then(|ladder| ladder.count(from, below).exactly());
    let members = counted.map_or_else(|| values.count(from, below), |members| members as usize);
    let rare = members <= settings.max_members as usize;
    Finding {
        outcome: if rare { Outcome::True } else { Outcome::False },
        statistic: Some(super::count(members)),
        threshold,
    }
}

pub(super) fn details(settings: &HistogramBins, values: &Values, facts: &Facts) -> Vec<(&'static str, Option<f64>)> {
    let bins = Bins::over(settings.bins, values);
    let place = bins.and_then(|bins| bins.place(facts.tail));
    vec![
        ("tail", Some(facts.tail)),
        ("bin", place.map(f64::from)),
        ("low", bins.map(|bins| bins.low)),
        ("high", bins.map(|bins| bins.high)),
    ]
}

/// The vote, where counts tell that much.
pub(super) fn decide(settings: &HistogramBins, ladder: &Ladder, facts: &Facts) -> Option<Outcome> {
    let (min, max) = ladder.range()?;
    let Some((from, below)) = Bins::new(settings.bins, min, max).hit_by(facts.tail) else {
        return Some(Outcome::False);
    };
    let members = ladder.count(from, below);
    if members.most <= settings.max_members {
        Some(Outcome::True)
    } else if members.least > settings.max_members {
        Some(Outcome::False)
    } else {
        None
    }
}

/// Where bins begin, apart from the first, unless there are too many to count by.
pub(super) fn edges(bins: u32, values: &Values) -> impl Iterator<Item = f64> {
    let bins = Bins::over(bins, values).filter(|bins| bins.count as usize <= WISHES_MAX);
    bins.into_iter()
        .flat_map(|bins| (1..bins.count).map(move |place| bins.edge(place)))
}

impl Bins {
    fn new(count: u32, min: f64, max: f64) -> Self {
        let (low, high) = if min < max { (min, max) } else { (min - 0.5, max + 0.5) };
        Self {
            low,
            high,
            width: (high - low) / f64::from(count),
            count,
        }
    }

    fn over(count: u32, values: &Values) -> Option<Self> {
        let (min, max) = values.range()?;
        Some(Self::new(count, min, max))
    }

    fn edge(&self, place: u32) -> f64 {
        match place {
            0 => self.low,
            _ if place == self.count => self.high,
            _ => f64::from(place) * self.width + self.low,
        }
    }

    /// The bin that the tail falls into.
    fn place(&self, tail: f64) -> Option<u32> {
        if tail <= self.low {
            return Some(0);
        }
        // Near where it should be; rounding decides between neighbours, by the edges themselves.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, which is what is wanted beyond the bins"
        )]
        let near = ((tail - self.low) / self.width) as u32;
        let mut candidates = near.saturating_sub(1).max(1)..near.saturating_add(2).min(self.count);
        candidates.find(|&place| tail >= self.edge(place) && tail < self.edge(place + 1))
    }

    /// The values that are members of that bin: from the first on and below the second. The last bin has no end.
    fn hit_by(&self, tail: f64) -> Option<(f64, f64)> {
        let place = self.place(tail)?;
        let last = place + 1 == self.count;
        Some((
            self.edge(place),
            if last { f64::INFINITY } else { self.edge(place + 1) },
        ))
    }
}
