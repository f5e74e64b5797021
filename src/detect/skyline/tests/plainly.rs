//! The nine against plain passes over a list of samples: from scratch at every one, as the original does.
//!
//! `ks_test` is left to the vectors: it is worked out from scratch already.

use std::cell::RefCell;

use proptest::{prelude::*, test_runner::TestRunner};

use super::{super::super::Outcome, series::series, *};
use crate::detect::statistics::student_t::grubbs_limit;

const SPAN_S: i64 = 1800;

/// Nearer to its threshold than this share of it, a vote is a matter of rounding.
const TIE: f64 = 1e-9;
/// Digits of the values' own scale that a deviation of nearly equal values has lost.
const TIE_SCALE: f64 = 1e-12;

/// What a plain pass says: a vote, or that it was too close to tell.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plain {
    Vote(Outcome),
    Tie,
}

#[test]
fn the_running_nine_vote_as_plain_passes_over_the_window_do() {
    let settings = in_minutes(SPAN_S);
    let seen = RefCell::new(([[0; 2]; 8], [0; 8]));
    let mut runner = TestRunner::new(cases(80));
    runner
        .run(&series(), |points| {
            let (votes, ties) = &mut *seen.borrow_mut();
            let mut running = Followed::new(&settings, SPAN_S);
            let mut kept: Vec<Point> = Vec::new();
            for point in points {
                kept.push(point);
                kept.retain(|old| old.timestamp > point.timestamp - SPAN_S);
                let observation = running.observe(point);
                let verdict = running.explain(observation);
                for (number, plain) in plain_votes(&settings, &kept).into_iter().enumerate() {
                    let Plain::Vote(outcome) = plain else {
                        ties[number] += 1;
                        continue;
                    };
                    let vote = &verdict.votes[number];
                    prop_assert_eq!(
                        vote.finding.outcome,
                        outcome,
                        "{:?} at {:?}, window {:?}",
                        vote,
                        point,
                        kept
                    );
                    votes[number][usize::from(outcome == Outcome::True)] += 1;
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let (votes, ties) = seen.into_inner();
    for (number, algorithm) in Algorithm::ALL.into_iter().take(8).enumerate() {
        let [against, favour] = votes[number];
        eprintln!(
            "{}: {favour} for, {against} against, {} ties",
            algorithm.name(),
            ties[number]
        );
        assert!(
            favour > 50 && against > 50,
            "{algorithm:?}: {favour} for, {against} against"
        );
        assert!(
            ties[number] * 5 < favour + against,
            "{algorithm:?}: {} ties",
            ties[number]
        );
    }
}

/// The first eight of [`Algorithm::ALL`], in that order.
fn plain_votes(settings: &Settings, window: &[Point]) -> [Plain; 8] {
    let values: Vec<f64> = window.iter().map(|point| point.value).collect();
    let [others @ .., last] = &values[..] else {
        panic!("a sample has just come");
    };
    let tail = match others {
        [.., third, second] => (last + second + third) / 3.0,
        _ => *last,
    };
    let now = window[window.len() - 1].timestamp;
    let first_hour: Vec<f64> = window
        .iter()
        .filter(|point| point.timestamp < now - settings.first_hour_average.older_than_s)
        .map(|point| point.value)
        .collect();
    let scale = values.iter().fold(0.0f64, |scale, value| scale.max(value.abs()));
    let beyond = |distance: f64, sigmas: f64, deviation: Option<f64>| {
        deviation.map_or(Plain::Vote(Outcome::False), |deviation| {
            above(distance.abs(), sigmas * deviation, scale)
        })
    };
    [
        beyond(
            tail - mean(&first_hour),
            settings.first_hour_average.sigmas,
            deviation(&first_hour, 1),
        ),
        beyond(
            last - mean(others),
            settings.mean_subtraction_cumulation.sigmas,
            deviation(others, 1),
        ),
        beyond(
            tail - mean(&values),
            settings.stddev_from_average.sigmas,
            deviation(&values, 1),
        ),
        moving_average(&settings.stddev_from_moving_average, &values, scale),
        least_squares(&settings.least_squares, window, scale),
        grubbs(&settings.grubbs, &values, tail, scale),
        Plain::Vote(histogram_bins(&settings.histogram_bins, &values, tail)),
        Plain::Vote(median_absolute_deviation(
            &settings.median_absolute_deviation,
            &values,
            *last,
        )),
    ]
}

fn above(statistic: f64, threshold: f64, scale: f64) -> Plain {
    if (statistic - threshold).abs() <= TIE * statistic.abs().max(threshold.abs()) + TIE_SCALE * scale {
        return Plain::Tie;
    }
    Plain::Vote(if statistic > threshold {
        Outcome::True
    } else {
        Outcome::False
    })
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / float(values.len())
}

/// With so many degrees of freedom taken away; `None` where none is left.
fn deviation(values: &[f64], ddof: usize) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > ddof).then(|| (squares / float(values.len() - ddof)).sqrt())
}

fn moving_average(settings: &MovingAverage, values: &[f64], scale: f64) -> Plain {
    let lambda = settings.com / (1.0 + settings.com);
    let weights: Vec<f64> = (0..values.len())
        .rev()
        .map(|age| lambda.powi(i32::try_from(age).unwrap()))
        .collect();
    let sum: f64 = weights.iter().sum();
    let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
    let weighted = |each: &dyn Fn(f64) -> f64| -> f64 {
        let terms = weights.iter().zip(values).map(|(weight, &value)| weight * each(value));
        terms.sum::<f64>() / sum
    };
    let mean = weighted(&|value| value);
    let variance = weighted(&|value| (value - mean).powi(2));
    if values.len() < 2 {
        return Plain::Vote(Outcome::False);
    }
    let deviation = (variance * sum * sum / (sum * sum - squares)).sqrt();
    above(
        (values[values.len() - 1] - mean).abs(),
        settings.sigmas * deviation,
        scale,
    )
}

fn least_squares(settings: &LeastSquares, window: &[Point], scale: f64) -> Plain {
    let begin = window[0].timestamp;
    let times: Vec<f64> = window
        .iter()
        .map(|point| f64::from(i32::try_from(point.timestamp - begin).unwrap()))
        .collect();
    let values: Vec<f64> = window.iter().map(|point| point.value).collect();
    if window.len() < 3 {
        return Plain::Vote(Outcome::False);
    }
    let (mean_time, mean_value) = (mean(&times), mean(&values));
    let covariance: f64 = times
        .iter()
        .zip(&values)
        .map(|(time, value)| (time - mean_time) * (value - mean_value))
        .sum();
    let slope = covariance / times.iter().map(|time| (time - mean_time).powi(2)).sum::<f64>();
    let residuals: Vec<f64> = times
        .iter()
        .zip(&values)
        .map(|(time, value)| value - mean_value - slope * (time - mean_time))
        .collect();
    let tail = mean(&residuals[residuals.len() - 3..]).abs();
    let deviation = deviation(&residuals, 0).unwrap();
    let small = |size| above(size, settings.min_residual, scale);
    match [
        above(tail, settings.sigmas * deviation, scale),
        small(tail),
        small(deviation),
    ] {
        votes if votes.contains(&Plain::Vote(Outcome::False)) => Plain::Vote(Outcome::False),
        votes if votes.contains(&Plain::Tie) => Plain::Tie,
        _ => Plain::Vote(Outcome::True),
    }
}

fn grubbs(settings: &Grubbs, values: &[f64], tail: f64, scale: f64) -> Plain {
    let Some(limit) = grubbs_limit(values.len(), settings.alpha) else {
        return Plain::Vote(Outcome::False);
    };
    let deviation = deviation(values, 0).unwrap();
    above(tail - mean(values), limit * deviation, scale)
}

fn histogram_bins(settings: &HistogramBins, values: &[f64], tail: f64) -> Outcome {
    let (mut low, mut high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| {
        (low.min(value), high.max(value))
    });
    if low >= high {
        (low, high) = (low - 0.5, high + 0.5);
    }
    let bins = settings.bins;
    let edge = |place: u32| {
        if place == bins {
            high
        } else {
            f64::from(place) * ((high - low) / f64::from(bins)) + low
        }
    };
    for bin in 0..bins {
        let last = bin + 1 == bins;
        let inside = |value: f64| value >= edge(bin) && (value < edge(bin + 1) || last);
        let members = values.iter().filter(|&&value| inside(value)).count();
        let hit = if bin == 0 {
            tail <= edge(0)
        } else {
            tail >= edge(bin) && tail < edge(bin + 1)
        };
        if hit && members <= settings.max_members as usize {
            return Outcome::True;
        }
    }
    Outcome::False
}

fn median_absolute_deviation(settings: &MedianAbsoluteDeviation, values: &[f64], last: f64) -> Outcome {
    let middle = median(values);
    let distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    let deviation = median(&distances);
    if deviation == 0.0 {
        Outcome::False
    } else if (last - middle).abs() / deviation > settings.deviations {
        Outcome::True
    } else {
        Outcome::Nothing
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[half]
    } else {
        f64::midpoint(sorted[half - 1], sorted[half])
    }
}
