//! Settings of the nine: every literal of the original is one of these.

use super::Algorithm;

/// Settings of a detector of kind `skyline`. Times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Algorithms that have to vote true for an anomaly (1 to the number of `algorithms`).
    pub consensus: u32,
    /// The algorithms that vote, in the order in which they are shown; at least one, each at most once.
    pub algorithms: Vec<Algorithm>,
    /// Count as the original did: an algorithm that returned nothing (`median_absolute_deviation` while quiet)
    /// is not a vote against, so fewer true votes than `consensus` can be enough.
    pub published_votes: bool,
    /// Equal values at the end of the window that make a series boring, hence not analysed (1 or more).
    pub boring_samples: u32,
    /// Samples that a window must hold to be analysed (1 or more).
    pub min_samples: u32,
    /// Settings of `first_hour_average`.
    pub first_hour_average: FirstHourAverage,
    /// Settings of `mean_subtraction_cumulation`.
    pub mean_subtraction_cumulation: Sigmas,
    /// Settings of `stddev_from_average`.
    pub stddev_from_average: Sigmas,
    /// Settings of `stddev_from_moving_average`.
    pub stddev_from_moving_average: MovingAverage,
    /// Settings of `least_squares`.
    pub least_squares: LeastSquares,
    /// Settings of `grubbs`.
    pub grubbs: Grubbs,
    /// Settings of `histogram_bins`.
    pub histogram_bins: HistogramBins,
    /// Settings of `median_absolute_deviation`.
    pub median_absolute_deviation: MedianAbsoluteDeviation,
    /// Settings of `ks_test`.
    pub ks_test: KsTest,
}

/// Settings of the algorithms that know nothing but a multiple of the standard deviation.
#[derive(Clone, Debug, PartialEq)]
pub struct Sigmas {
    /// Standard deviations beyond which the vote is true (above 0).
    pub sigmas: f64,
}

/// Settings of `first_hour_average`.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstHourAverage {
    /// Standard deviations beyond which the vote is true (above 0).
    pub sigmas: f64,
    /// Age from which a sample belongs to the reference: what is older than this (seconds, 1 or more).
    /// 23 hours, hence the first hour of a window of 24.
    pub older_than_s: i64,
}

/// Settings of `stddev_from_moving_average`.
#[derive(Clone, Debug, PartialEq)]
pub struct MovingAverage {
    /// Standard deviations beyond which the vote is true (above 0).
    pub sigmas: f64,
    /// Centre of mass of the exponential weights (samples, above 0): alpha is 1 / (1 + com).
    pub com: f64,
}

/// Settings of `least_squares`.
#[derive(Clone, Debug, PartialEq)]
pub struct LeastSquares {
    /// Standard deviations of the residuals beyond which the vote is true (above 0).
    pub sigmas: f64,
    /// Residual, and deviation of residuals, below which there is no vote (units of the metric, 0 or more).
    /// The original rounds both to whole numbers, hence 0.5.
    pub min_residual: f64,
}

/// Settings of `grubbs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Grubbs {
    /// Significance of the test (above 0, below 1).
    pub alpha: f64,
}

/// Settings of `histogram_bins`.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramBins {
    /// Bins between the smallest and the largest value of the window (1 to 10,000).
    pub bins: u32,
    /// Members up to which a bin is rare enough to vote true (samples).
    pub max_members: u32,
}

/// Settings of `median_absolute_deviation`.
#[derive(Clone, Debug, PartialEq)]
pub struct MedianAbsoluteDeviation {
    /// Median absolute deviations beyond which the vote is true (above 0).
    pub deviations: f64,
}

/// Settings of `ks_test`.
#[derive(Clone, Debug, PartialEq)]
pub struct KsTest {
    /// Age of the oldest sample of the reference (seconds, above `probe_s`).
    pub reference_s: i64,
    /// Age of the oldest sample of the probe, which the reference ends before (seconds, 1 or more).
    pub probe_s: i64,
    /// Samples that both need (1 or more).
    pub min_samples: u32,
    /// Significance below which the two differ (above 0, at most 1).
    pub alpha: f64,
    /// Distance above which the two differ (0 to 1).
    pub min_distance: f64,
    /// Longest lag of the augmented Dickey-Fuller test of the reference (samples, 0 to 100).
    pub adf_max_lag: u32,
    /// Significance below which the reference is stationary (above 0, at most 1).
    pub adf_alpha: f64,
}

impl Default for Settings {
    /// The original's literals.
    fn default() -> Self {
        Self {
            consensus: 6,
            algorithms: Algorithm::ALL.to_vec(),
            published_votes: false,
            boring_samples: 100,
            min_samples: 1,
            first_hour_average: FirstHourAverage {
                sigmas: 3.0,
                older_than_s: 23 * 3600,
            },
            mean_subtraction_cumulation: Sigmas { sigmas: 3.0 },
            stddev_from_average: Sigmas { sigmas: 3.0 },
            stddev_from_moving_average: MovingAverage { sigmas: 3.0, com: 50.0 },
            least_squares: LeastSquares {
                sigmas: 3.0,
                min_residual: 0.5,
            },
            grubbs: Grubbs { alpha: 0.05 },
            histogram_bins: HistogramBins {
                bins: 15,
                max_members: 20,
            },
            median_absolute_deviation: MedianAbsoluteDeviation { deviations: 6.0 },
            ks_test: KsTest {
                reference_s: 3600,
                probe_s: 600,
                min_samples: 20,
                alpha: 0.05,
                min_distance: 0.5,
                adf_max_lag: 10,
                adf_alpha: 0.05,
            },
        }
    }
}
