//! The names of the nine.

use std::str::FromStr;

/// One of the nine, by Skyline's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Is the tail far from the mean of the oldest hour?
    FirstHourAverage,
    /// Is the last value far from the mean of all others?
    MeanSubtractionCumulation,
    /// Is the tail far from the mean?
    StddevFromAverage,
    /// Is the last value far from the exponentially weighted mean?
    StddevFromMovingAverage,
    /// Is the tail far from the fitted line?
    LeastSquares,
    /// Is the tail an outlier by Grubbs' test?
    Grubbs,
    /// Does the tail fall into a bin that few values share?
    HistogramBins,
    /// Is the last value far from the median?
    MedianAbsoluteDeviation,
    /// Are the last ten minutes distributed unlike the hour before?
    KsTest,
}

impl Algorithm {
    /// All nine, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::FirstHourAverage,
        Self::MeanSubtractionCumulation,
        Self::StddevFromAverage,
        Self::StddevFromMovingAverage,
        Self::LeastSquares,
        Self::Grubbs,
        Self::HistogramBins,
        Self::MedianAbsoluteDeviation,
        Self::KsTest,
    ];

    /// Skyline's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstHourAverage => "first_hour_average",
            Self::MeanSubtractionCumulation => "mean_subtraction_cumulation",
            Self::StddevFromAverage => "stddev_from_average",
            Self::StddevFromMovingAverage => "stddev_from_moving_average",
            Self::LeastSquares => "least_squares",
            Self::Grubbs => "grubbs",
            Self::HistogramBins => "histogram_bins",
            Self::MedianAbsoluteDeviation => "median_absolute_deviation",
            Self::KsTest => "ks_test",
        }
    }

    /// Those that running statistics answer, in the order in which they are best asked: what the first go by is at hand,
    /// and the last one fits a line.
    pub(super) const CHEAP: [Self; 6] = [
        Self::StddevFromAverage,
        Self::Grubbs,
        Self::MeanSubtractionCumulation,
        Self::StddevFromMovingAverage,
        Self::FirstHourAverage,
        Self::LeastSquares,
    ];

    /// The others, in the same order: counts decide most votes of the first two, and the last one looks at an hour.
    pub(super) const DEAR: [Self; 3] = [Self::HistogramBins, Self::MedianAbsoluteDeviation, Self::KsTest];

    #[cfg(test)]
    pub(super) fn is_dear(self) -> bool {
        Self::DEAR.contains(&self)
    }
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or(())
    }
}
