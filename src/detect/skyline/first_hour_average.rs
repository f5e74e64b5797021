//! `first_hour_average`: is the tail further from the mean of the window's oldest hour than three of that hour's standard
//! deviations (ddof 1)?
//!
//! What was usual at this time yesterday, by one hour of it. Silent until the window reaches back 23 hours and holds two
//! samples older than that.

use super::{
    super::Finding,
    FirstHourAverage,
    facts::{Facts, distance},
};
use crate::window::{Edge, Moments, Point, Window};

/// Moments of the samples older than 23 hours: those between the window's expiry edge and an edge of our own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FirstHour {
    edge: Edge,
    moments: Moments,
}
crate::save::fields!(FirstHour { edge, moments });

impl FirstHour {
    /// Can it be of `window`? It counts the samples up to its edge.
    pub(super) fn fits(&self, window: &Window) -> bool {
        self.edge.passed(window) == Some(self.moments.count())
    }

    /// See [`Edge::moved_to`].
    pub(super) fn move_to(&mut self, window: &Window) {
        self.edge = self.edge.moved_to(window);
    }

    /// Reads a little of it.
    pub(super) fn touch(&self) -> u64 {
        u64::from(self.moments.count()) ^ self.edge.touch()
    }

    /// `point`, the oldest of the window, is about to leave it.
    pub(super) fn expire(&mut self, point: Point) {
        // It was counted if anything was: what we count begins with the oldest.
        if self.moments.count() > 0 {
            self.moments.remove(point.value);
        }
    }

    /// Takes in what has become older than `older_than_s` with the newest sample.
    pub(super) fn follow(&mut self, window: &Window, older_than_s: i64) {
        let now = window.last().map_or(0, |point| point.timestamp);
        if self.moments.is_worn() {
            self.moments = window
                .oldest(self.moments.count() as usize)
                .map(|point| point.value)
                .collect();
        }
        while let Some(point) = self
            .edge
            .peek(window)
            .filter(|point| point.timestamp < now - older_than_s)
        {
            self.moments.add(point.value);
            self.edge.advance();
        }
    }
}

pub(super) fn find(settings: &FirstHourAverage, first_hour: &FirstHour, facts: &Facts) -> Finding {
    let moments = &first_hour.moments;
    Finding::above(
        moments.mean().map(|mean| distance(facts.tail, mean)),
        moments.sample_deviation().map(|deviation| settings.sigmas * deviation),
    )
}

pub(super) fn details(first_hour: &FirstHour, facts: &Facts) -> Vec<(&'static str, Option<f64>)> {
    let moments = &first_hour.moments;
    vec![
        ("tail", Some(facts.tail)),
        ("samples", Some(f64::from(moments.count()))),
        ("mean", moments.mean()),
        ("deviation", moments.sample_deviation()),
    ]
}
