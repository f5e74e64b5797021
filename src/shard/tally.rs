//! What became of lines, counted.

use super::counter::NoRate;
use crate::{line::LineError, window::OutOfOrder};

/// Why a line was not analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanalysed {
    /// Nothing but white space.
    Empty,
    /// Other than three fields.
    Fields,
    /// A value that is no number.
    Value,
    /// A timestamp that is no number.
    Timestamp,
    /// A value of `nan`.
    Nan,
    /// A value that is infinite or nearly so.
    Infinite,
    /// Older than the newest sample of its series.
    Late,
    /// As old as the newest sample of its series.
    Duplicate,
    /// Further in the past than `limits.max_age`.
    TooOld,
    /// Further in the future than `limits.max_ahead`.
    TooFarAhead,
    /// Of a series whose name is too long to be kept.
    NameTooLong,
    /// Of a new series, while there are `window.max_series`.
    OverMaxSeries,
    /// Of a new series, while there is no memory for it.
    OverMaxMemory,
    /// Of a series that no watch gives a detector.
    Unwatched,
    /// Of a series whose analysis has panicked.
    Paused,
    /// A total of a counter that only begins a rate: its first, or the first after a reset.
    Priming,
    /// Not looked at, because analysis was behind.
    Shed,
    /// Of a series that the relay makes itself.
    Own,
    /// Poison.
    Quarantined,
}

impl Unanalysed {
    /// All reasons.
    pub const ALL: [Self; 19] = [
        Self::Empty,
        Self::Fields,
        Self::Value,
        Self::Timestamp,
        Self::Nan,
        Self::Infinite,
        Self::Late,
        Self::Duplicate,
        Self::TooOld,
        Self::TooFarAhead,
        Self::NameTooLong,
        Self::OverMaxSeries,
        Self::OverMaxMemory,
        Self::Unwatched,
        Self::Paused,
        Self::Priming,
        Self::Shed,
        Self::Own,
        Self::Quarantined,
    ];

    /// Name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Fields => "fields",
            Self::Value => "value",
            Self::Timestamp => "timestamp",
            Self::Nan => "nan",
            Self::Infinite => "infinite",
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::TooOld => "too_old",
            Self::TooFarAhead => "too_far_ahead",
            Self::NameTooLong => "name_too_long",
            Self::OverMaxSeries => "over_max_series",
            Self::OverMaxMemory => "over_max_memory",
            Self::Unwatched => "unwatched",
            Self::Paused => "paused",
            Self::Priming => "priming",
            Self::Shed => "shed",
            Self::Own => "own",
            Self::Quarantined => "quarantined",
        }
    }

    /// Would carbon log and drop such a line?
    pub const fn is_malformed(self) -> bool {
        matches!(self, Self::Empty | Self::Fields | Self::Value | Self::Timestamp)
    }
}

impl From<LineError> for Unanalysed {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Empty => Self::Empty,
            LineError::Fields => Self::Fields,
            LineError::Value => Self::Value,
            LineError::Timestamp => Self::Timestamp,
            LineError::Nan => Self::Nan,
            LineError::Infinite => Self::Infinite,
        }
    }
}

impl From<NoRate> for Unanalysed {
    fn from(reason: NoRate) -> Self {
        match reason {
            NoRate::Priming => Self::Priming,
            NoRate::OutOfOrder(order) => order.into(),
        }
    }
}

impl From<OutOfOrder> for Unanalysed {
    fn from(order: OutOfOrder) -> Self {
        match order {
            OutOfOrder::Late => Self::Late,
            OutOfOrder::Duplicate => Self::Duplicate,
        }
    }
}

/// Lines by what became of them: every line counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Samples that went into a window and were judged.
    pub analysed: u64,
    unanalysed: [u64; Unanalysed::ALL.len()],
}

impl Tally {
    /// Adds `lines` that were not analysed.
    pub fn add_unanalysed(&mut self, reason: Unanalysed, lines: u64) {
        self.unanalysed[reason as usize] += lines;
    }

    /// Adds all that `other` has counted.
    pub fn add(&mut self, other: &Self) {
        self.analysed += other.analysed;
        for (sum, count) in self.unanalysed.iter_mut().zip(other.unanalysed) {
            *sum += count;
        }
    }

    /// Lines not analysed for this reason.
    pub fn unanalysed(&self, reason: Unanalysed) -> u64 {
        self.unanalysed[reason as usize]
    }

    /// All lines.
    pub fn lines(&self) -> u64 {
        self.analysed + self.unanalysed.iter().sum::<u64>()
    }
}
