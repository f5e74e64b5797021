//! What is usual at a time: by the week, the day or the long-run mean, whichever has proved itself, and what was usual when a step to
//! a sample began.

use super::{
    super::{
        basis::Season,
        constants::{DAY_PROOF, DAY_VISITS, LEARNT_SHARE, WEEK_PROOF, WEEK_VISITS},
        edge::Reading,
        season::Proof,
    },
    Model, Time, seconds,
};

/// What predictions there are.
pub(super) struct Forecast {
    pub(super) mean: f64,
    pub(super) day: Option<Reading>,
    pub(super) week: Option<Reading>,
    pub(super) expected: Reading,
    pub(super) season: Season,
}

impl Model {
    /// What a prediction at that time is made from.
    pub(in super::super) fn season(&self, local: i64) -> Season {
        self.forecast(local, self.overall.mean).season
    }

    /// What is usual at `local`, by what has proved itself; the first sample is what its own `value` says.
    pub(super) fn forecast(&self, local: i64, value: f64) -> Forecast {
        let mean = if self.count == 1 { value } else { self.overall.mean };
        let (day, week) = (self.read_day(local, 0.0), self.read_week(local, 0.0));
        let (mut expected, mut season, mut least) = (Reading::of(mean), Season::None, self.mean_proof.error());
        // A season has to beat the mean of the day's slots as well: it forgets as they do. Of a series that only grows both are nearer to
        // it than the long-run mean, and no time of the day is.
        if let Some(day) = day.filter(|_| self.day_proof.is_below(self.flat_error.min(DAY_PROOF * least))) {
            (expected, season, least) = (day, Season::Day, self.day_proof.error());
        }
        if let Some(week) = week.filter(|_| self.week_proof.is_below(self.flat_error.min(WEEK_PROOF * least))) {
            (expected, season) = (week, Season::Week);
        }
        Forecast {
            mean,
            day,
            week,
            expected,
            season,
        }
    }

    fn read_day(&self, local: i64, slack_s: f64) -> Option<Reading> {
        let error = self.error_of(self.day_proof);
        let apart = self.day.read(local, DAY_VISITS, error, slack_s);
        apart.map(|apart| apart.shifted(self.origin))
    }

    fn read_week(&self, local: i64, slack_s: f64) -> Option<Reading> {
        let error = self.error_of(self.week_proof);
        let apart = self.later.as_ref()?.week.read(local, WEEK_VISITS, error, slack_s);
        apart.map(|apart| apart.shifted(self.origin))
    }

    /// What predictions of one kind are from values on average, and what slots that were just learnt may be off because the series is.
    fn error_of(&self, proof: Proof) -> f64 {
        f64::from(proof.error()) + LEARNT_SHARE * self.residual().abs()
    }

    /// What was usual when the mean of the last samples was, as it were, for a step at `time`.
    pub(super) fn then(&self, time: Time, forecast: &Forecast) -> Reading {
        let now = Reading::of(forecast.expected.value());
        if forecast.season == Season::None {
            return now;
        }
        // Only a series that has been seen for a while has a season. Samples of long before count in that mean, too; but with another
        // second of slack an edge to come would count for it before it does for the sample.
        let ago_s = time.timestamp - self.last + i64::from(self.recent_age_s);
        let (local, slack_s) = (time.local - ago_s, seconds(ago_s - 1));
        let then = if forecast.season == Season::Day {
            self.read_day(local, slack_s)
        } else {
            self.read_week(local, slack_s)
        };
        then.unwrap_or(now)
    }
}
