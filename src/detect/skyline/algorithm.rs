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

    /// Those that running statistics cannot answer, in the order in which they are best asked. The first one often
    /// decides: one that looks at an hour, unless the values of the whole window are in order already.
    pub(super) fn dear(in_order: bool) -> [Self; 3] {
        if in_order {
            [Self::HistogramBins, Self::MedianAbsoluteDeviation, Self::KsTest]
        } else {
            [Self::KsTest, Self::HistogramBins, Self::MedianAbsoluteDeviation]
        }
    }

    pub(super) fn is_dear(self) -> bool {
        Self::dear(true).contains(&self)
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
