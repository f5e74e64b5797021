//! `histogram_bins`: does the tail fall into a bin that at most 20 values share?
//!
//! 15 bins of equal width from the smallest to the largest value of the window, one wide around a constant. As in the
//! original the first bin is hit only from its left edge down, and the largest value hits none. A short or sparse window
//! is therefore true almost everywhere.

use super::{
    super::{Finding, Outcome},
    HistogramBins,
    facts::Facts,
};
use crate::window::Ordered;

/// The bin that the tail falls into.
struct Bin {
    place: u32,
    members: usize,
}

pub(super) fn find(settings: &HistogramBins, ordered: &Ordered, facts: &Facts) -> Finding {
    let threshold = Some(f64::from(settings.max_members));
    let Some(bin) = bin_of(settings.bins, ordered, facts.tail) else {
        return Finding {
            threshold,
            ..Finding::UNDEFINED
        };
    };
    let rare = bin.members <= settings.max_members as usize;
    Finding {
        outcome: if rare { Outcome::True } else { Outcome::False },
        statistic: Some(super::count(bin.members)),
        threshold,
    }
}

pub(super) fn details(settings: &HistogramBins, ordered: &Ordered, facts: &Facts) -> Vec<(&'static str, Option<f64>)> {
    let range = range(ordered);
    vec![
        ("tail", Some(facts.tail)),
        (
            "bin",
            bin_of(settings.bins, ordered, facts.tail).map(|bin| f64::from(bin.place)),
        ),
        ("low", range.map(|(low, _)| low)),
        ("high", range.map(|(_, high)| high)),
    ]
}

fn bin_of(bins: u32, ordered: &Ordered, tail: f64) -> Option<Bin> {
    let (low, high) = range(ordered)?;
    let width = (high - low) / f64::from(bins);
    let edge = |place: u32| {
        if place == bins {
            high
        } else {
            f64::from(place) * width + low
        }
    };
    let place = if tail <= low {
        0
    } else {
        // Near where it should be; rounding decides between neighbours, by the edges themselves.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, which is what is wanted beyond the bins"
        )]
        let near = ((tail - low) / width) as u32;
        let candidates = near.saturating_sub(1).max(1)..near.saturating_add(2).min(bins);
        candidates
            .into_iter()
            .find(|&place| tail >= edge(place) && tail < edge(place + 1))?
    };
    let below = if place + 1 == bins {
        usize::MAX
    } else {
        ordered.count_below(edge(place + 1))
    };
    let members = below.min(ordered.len()) - ordered.count_below(edge(place));
    Some(Bin { place, members })
}

/// First and last edge.
fn range(ordered: &Ordered) -> Option<(f64, f64)> {
    let (min, max) = (ordered.min()?, ordered.max()?);
    Some(if min < max { (min, max) } else { (min - 0.5, max + 0.5) })
}
