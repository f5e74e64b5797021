//! Local time: what the clocks on the wall show where a metric's people live.
//!
//! Seasons follow these clocks, daylight saving time included: rush hour is at eight all year round. An offset is looked up
//! once and used as long as it is in force, so that a sample costs two comparisons.

use jiff::{Timestamp, tz::TimeZone};

/// The clocks of one time zone.
#[derive(Clone, Debug)]
pub(super) struct LocalTime {
    zone: TimeZone,
    /// What they are ahead of UTC (seconds), from one time up to another.
    offset_s: i64,
    from: i64,
    until: i64,
}

impl LocalTime {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            offset_s: 0,
            from: i64::MAX,
            until: i64::MIN,
        }
    }

    /// What they show at `timestamp`, as seconds since 1970.
    pub(super) fn at(&mut self, timestamp: i64) -> i64 {
        if timestamp < self.from || timestamp >= self.until {
            self.look_up(timestamp);
        }
        timestamp + self.offset_s
    }

    #[cold]
    fn look_up(&mut self, timestamp: i64) {
        // Far from any calendar, where nobody looks at clocks, it is UTC.
        (self.offset_s, self.from, self.until) = (0, timestamp, timestamp.saturating_add(1));
        let (Ok(now), Ok(soon)) = (
            Timestamp::from_second(timestamp),
            Timestamp::from_second(timestamp.saturating_add(1)),
        ) else {
            return;
        };
        self.offset_s = self.zone.to_offset(now).seconds().into();
        let before = self.zone.preceding(soon).next();
        let after = self.zone.following(now).next();
        self.from = before.map_or(Timestamp::MIN, |change| change.timestamp()).as_second();
        self.until = after.map_or(Timestamp::MAX, |change| change.timestamp()).as_second();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    /// What the clocks show, looked up each time.
    fn plain(zone: &TimeZone, timestamp: i64) -> i64 {
        let now = Timestamp::from_second(timestamp).unwrap();
        timestamp + i64::from(zone.to_offset(now).seconds())
    }

    #[test]
    fn clocks_follow_daylight_saving_time() {
        let mut berlin = LocalTime::new(zone("Europe/Berlin"));
        // Sunday, 31 March 2024, 01:00 UTC: from 02:00 to 03:00.
        let change = 1_711_846_800;
        assert_eq!(berlin.at(change - 1), change - 1 + 3600);
        assert_eq!(berlin.at(change), change + 7200);
        assert_eq!(berlin.at(change - 1), change - 1 + 3600);
        assert_eq!(LocalTime::new(TimeZone::UTC).at(change), change);
    }

    #[test]
    fn no_time_is_too_far() {
        let mut berlin = LocalTime::new(zone("Europe/Berlin"));
        for timestamp in [i64::MIN / 2, -10_000_000_000_000, 10_000_000_000_000, i64::MAX - 1] {
            assert_eq!(berlin.at(timestamp), timestamp);
        }
    }

    proptest! {
        #[test]
        fn an_offset_that_was_kept_is_the_one_that_holds(
            name in prop_oneof![Just("Europe/Berlin"), Just("America/New_York"), Just("Asia/Kolkata"), Just("UTC"), Just("Australia/Lord_Howe")],
            times in proptest::collection::vec(-2_000_000_000_i64..5_000_000_000, 1..50),
            steps in proptest::collection::vec(0_i64..2_000_000, 1..50),
        ) {
            let mut local = LocalTime::new(zone(name));
            for time in times {
                prop_assert_eq!(local.at(time), plain(&zone(name), time));
            }
            let mut time = 1_700_000_000;
            for step in steps {
                time += step;
                prop_assert_eq!(local.at(time), plain(&zone(name), time));
            }
        }
    }
}
