//! Detectors of kind `skyline`: the vote, and what is set of each algorithm.

use crate::{
    config::{
        check::{SECOND, seconds},
        report::any_of,
        section::{Bounds, Section},
    },
    detect::skyline::{Algorithm, KsTest, Settings},
};

const ABOVE_ZERO: Bounds = Bounds {
    text: "a number above 0",
    hold: |number| number > 0.0,
};
const NOT_NEGATIVE: Bounds = Bounds {
    text: "a number, 0 or more",
    hold: |number| number >= 0.0,
};
const INSIDE_ONE: Bounds = Bounds {
    text: "a number above 0 and below 1",
    hold: |number| number > 0.0 && number < 1.0,
};
const UP_TO_ONE: Bounds = Bounds {
    text: "a number above 0, at most 1",
    hold: |number| number > 0.0 && number <= 1.0,
};
const FRACTION: Bounds = Bounds {
    text: "a number from 0 to 1",
    hold: |number| (0.0..=1.0).contains(&number),
};

pub(super) fn read(section: &mut Section<'_>, span_s: i64) -> Settings {
    let default = Settings::default();
    let algorithms = algorithms(section);
    let on = algorithms.as_deref().unwrap_or(&default.algorithms);
    // A misspelt algorithm counts, as it will be one once that is put right.
    let on_max = section.elements("algorithms").unwrap_or(on.len());
    let on_max = u32::try_from(on_max).unwrap_or(u32::MAX);
    let consensus = consensus(section, default.consensus, on_max);
    for algorithm in Algorithm::ALL {
        let name = algorithm.name();
        if section.has(name) && !on.contains(&algorithm) && section.elements("algorithms") == Some(on.len()) {
            let message = format!(
                "{} is set, but {} leaves it out",
                section.path(name),
                section.path("algorithms")
            );
            section.report().say(section.place(name), message);
        }
    }
    let settings = Settings {
        consensus,
        published_votes: section.flag("published_votes", default.published_votes),
        boring_samples: section.count("boring_samples", default.boring_samples, 1..=u32::MAX),
        min_samples: section.count("min_samples", default.min_samples, 1..=u32::MAX),
        ..default
    };
    let settings = per_algorithm(section, settings, span_s);
    Settings {
        algorithms: algorithms.unwrap_or(settings.algorithms),
        ..settings
    }
}

/// The algorithms that are given; `None`: nothing is said about them.
fn algorithms(section: &mut Section<'_>) -> Option<Vec<Algorithm>> {
    let names = Algorithm::ALL.map(Algorithm::name);
    let report = section.report();
    let element = format!("expected {}", any_of(&names));
    let array = "expected an array of names, such as [\"grubbs\", \"ks_test\"]";
    let algorithms = section.list("algorithms", array, &element, |text| {
        text.parse::<Algorithm>()
            .map_err(|()| match report.suggestion(text, names) {
                suggestion if suggestion.is_empty() => element.clone(),
                suggestion => format!("which is not an algorithm{suggestion}"),
            })
    })?;
    if section.is_empty("algorithms") {
        let message = format!("{} is empty, expected at least one", section.path("algorithms"));
        section.report().say(section.place("algorithms"), message);
    }
    section.check_distinct("algorithms", &algorithms, |algorithm| algorithm.name().to_owned());
    Some(algorithms.into_iter().map(|algorithm| algorithm.value).collect())
}

/// The votes that make an anomaly where `on` algorithms are on. None being on is a mistake that is noted elsewhere.
fn consensus(section: &mut Section<'_>, default: u32, on: u32) -> u32 {
    let consensus = section.count("consensus", default, 1..=u32::MAX);
    if consensus > on && on > 0 {
        let path = section.path("consensus");
        let (key, message) = if section.has("consensus") {
            let message = format!("{path} is {consensus}, but {on} algorithms are on, expected 1 to {on}");
            ("consensus", message)
        } else {
            let message = format!(
                "{on} algorithms are on, so {path} has to say how many of them make an anomaly, expected 1 to {on}"
            );
            ("algorithms", message)
        };
        section.report().say(section.place(key), message);
    }
    consensus
}

fn per_algorithm(section: &mut Section<'_>, mut settings: Settings, span_s: i64) -> Settings {
    let s = &mut settings;
    section.section("first_hour_average", |section| {
        sigmas(section, &mut s.first_hour_average.sigmas);
        let older_than_s = &mut s.first_hour_average.older_than_s;
        *older_than_s = seconds_within(section, "older_than", *older_than_s, span_s - 1);
    });
    section.section("mean_subtraction_cumulation", |section| {
        sigmas(section, &mut s.mean_subtraction_cumulation.sigmas);
    });
    section.section("stddev_from_average", |section| {
        sigmas(section, &mut s.stddev_from_average.sigmas);
    });
    section.section("stddev_from_moving_average", |section| {
        sigmas(section, &mut s.stddev_from_moving_average.sigmas);
        let com = &mut s.stddev_from_moving_average.com;
        *com = section.number("com", *com, &ABOVE_ZERO);
    });
    section.section("least_squares", |section| {
        sigmas(section, &mut s.least_squares.sigmas);
        let min_residual = &mut s.least_squares.min_residual;
        *min_residual = section.number("min_residual", *min_residual, &NOT_NEGATIVE);
    });
    section.section("grubbs", |section| {
        s.grubbs.alpha = section.number("alpha", s.grubbs.alpha, &INSIDE_ONE);
    });
    section.section("histogram_bins", |section| {
        let bins = &mut s.histogram_bins;
        bins.bins = section.count("bins", bins.bins, 1..=10_000);
        bins.max_members = section.count("max_members", bins.max_members, 0..=u32::MAX);
    });
    section.section("median_absolute_deviation", |section| {
        let deviations = &mut s.median_absolute_deviation.deviations;
        *deviations = section.number("deviations", *deviations, &ABOVE_ZERO);
    });
    section.section("ks_test", |section| ks_test(section, &mut s.ks_test, span_s));
    settings
}

fn sigmas(section: &mut Section<'_>, sigmas: &mut f64) {
    *sigmas = section.number("sigmas", *sigmas, &ABOVE_ZERO);
}

fn ks_test(section: &mut Section<'_>, ks: &mut KsTest, span_s: i64) {
    ks.reference_s = seconds_within(section, "reference", ks.reference_s, span_s);
    ks.probe_s = seconds(section, "probe", ks.probe_s, SECOND);
    if ks.probe_s >= ks.reference_s {
        let given = if section.has("probe") { "probe" } else { "reference" };
        let message = format!(
            "{} is not shorter than {}, in which the samples before it are looked for",
            section.path("probe"),
            section.path("reference"),
        );
        section.report().say(section.place(given), message);
    }
    ks.min_samples = section.count("min_samples", ks.min_samples, 1..=u32::MAX);
    ks.alpha = section.number("alpha", ks.alpha, &UP_TO_ONE);
    ks.min_distance = section.number("min_distance", ks.min_distance, &FRACTION);
    ks.adf_max_lag = section.count("adf_max_lag", ks.adf_max_lag, 0..=100);
    ks.adf_alpha = section.number("adf_alpha", ks.adf_alpha, &UP_TO_ONE);
}

/// Seconds that windows reach back to. The default may be beyond a short window: then the algorithm has nothing to
/// compare with, as in the original.
fn seconds_within(section: &mut Section<'_>, key: &'static str, default: i64, most: i64) -> i64 {
    let seconds = seconds(section, key, default, SECOND);
    if seconds > most && seconds != default {
        let message = format!("{} reaches back further than window.span", section.path(key));
        section.report().say(section.place(key), message);
    }
    seconds
}
