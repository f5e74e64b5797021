//! All scores of a detector: what the table shows, and what the test holds against the recorded ones.

use skyrelay::detect::Kind;

use crate::{
    events::Events,
    labelled::Set,
    nab::{PROFILES, Score},
    replay::{self, Alert},
};

/// The scores of the alerts that count, over all sets.
#[derive(Clone, Debug)]
pub(crate) struct Scores {
    /// Whose alerts count.
    pub(crate) title: String,
    /// The benchmark's scores, by profile, over the set `nab`.
    pub(crate) nab: [f64; PROFILES.len()],
    /// Events, by set.
    pub(crate) events: Vec<Events>,
}

/// Replays `sets` and scores all alerts together, and those of each of `channels`.
pub(crate) fn of(title: &str, kind: &Kind, channels: &[&str], sets: &[Set]) -> Vec<Scores> {
    let alerts: Vec<_> = sets.iter().map(|set| replay::alerts(set, kind)).collect();
    let all = score(title.to_owned(), sets, &alerts, |_| true);
    let each = channels.iter().map(|&channel| {
        let counts = |alert: &Alert| alert.channels.iter().any(|told| told == channel);
        score(format!("{title}, {channel} only"), sets, &alerts, counts)
    });
    std::iter::once(all).chain(each).collect()
}

fn score(title: String, sets: &[Set], alerts: &[Vec<Vec<Alert>>], counts: impl Fn(&Alert) -> bool) -> Scores {
    let mut nab = [Score::default(); PROFILES.len()];
    let mut events = vec![Events::default(); sets.len()];
    for ((set, alerts), events) in sets.iter().zip(alerts).zip(&mut events) {
        for (series, alerts) in set.series.iter().zip(alerts) {
            let places: Vec<usize> = alerts
                .iter()
                .filter(|alert| counts(alert))
                .map(|alert| alert.place)
                .collect();
            events.add(series, set.slack_points, &places);
            if set.name == "nab" {
                for (score, profile) in nab.iter_mut().zip(&PROFILES) {
                    score.add(profile, series, &places);
                }
            }
        }
    }
    let mut normalised = [0.0; PROFILES.len()];
    for ((normalised, score), profile) in normalised.iter_mut().zip(&nab).zip(&PROFILES) {
        *normalised = score.normalised(profile);
    }
    Scores {
        title,
        nab: normalised,
        events,
    }
}
