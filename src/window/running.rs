//! Running statistics of a window: brought up to date with each sample that comes and each that goes.
//!
//! Some detectors live by them. Where none does, a window goes without, and its samples are not read again to expire.
//!
//! * One sample is read back at the expiry edge for each that leaves.
//! * Sums are double-double (see `moments`), and built anew when a giant has left, so they do not drift.

use super::{
    Point, TAIL_LEN,
    edge::Edge,
    line_fit::{LineFit, LineSums},
    moments::Moments,
    samples::Samples,
};
use crate::save::{Damaged, Save, Saved};

/// What is known of all samples of a window without looking at them again.
#[derive(Debug, Default)]
pub(super) struct Running {
    moments: Moments,
    line: LineSums,
    expiry: Edge,
    /// The newest last; as many as there are.
    tail: [Point; TAIL_LEN],
    /// Equal values at the end, those gone included.
    equal_run: u32,
}

impl Running {
    /// Takes out the samples at or before `horizon`. `expired` is called for each, oldest first.
    pub(super) fn expire(&mut self, samples: &Samples, horizon: i64, mut expired: impl FnMut(Point)) {
        let mut worn = false;
        while let Some(point) = self.expiry.peek_in(samples).filter(|point| point.timestamp <= horizon) {
            expired(point);
            self.line.remove(point, &self.moments);
            self.moments.remove(point.value);
            self.expiry.advance();
            worn |= self.moments.is_worn();
        }
        if worn {
            self.sum_anew(samples, horizon);
        }
    }

    /// Takes in a sample that is newer than all others.
    pub(super) fn add(&mut self, point: Point) {
        #[expect(clippy::float_cmp, reason = "a run is of values that are the same")]
        let repeats = self.equal_run > 0 && self.tail[TAIL_LEN - 1].value == point.value;
        self.equal_run = if repeats { self.equal_run.saturating_add(1) } else { 1 };
        self.tail.rotate_left(1);
        self.tail[TAIL_LEN - 1] = point;
        self.moments.add(point.value);
        self.line.add(point, &self.moments);
    }

    pub(super) fn len(&self) -> usize {
        self.moments.count() as usize
    }

    /// The place of the oldest sample.
    pub(super) fn expiry(&self) -> &Edge {
        &self.expiry
    }

    pub(super) fn tail(&self) -> &[Point] {
        &self.tail[TAIL_LEN - self.len().min(TAIL_LEN)..]
    }

    pub(super) fn equal_run(&self) -> usize {
        (self.equal_run as usize).min(self.len())
    }

    pub(super) fn moments(&self) -> &Moments {
        &self.moments
    }

    pub(super) fn line_fit(&self) -> Option<LineFit> {
        self.line.fit(&self.moments)
    }

    /// Reads a little of each cache line that adding a sample reads.
    pub(super) fn touch(&self) -> u64 {
        let here = self.moments.count() ^ self.equal_run;
        u64::from(here) ^ self.expiry.touch() ^ self.tail[0].timestamp.unsigned_abs()
    }

    /// Takes back what [`Self::save`] has saved of the window with these `samples`.
    ///
    /// # Errors
    /// When it is no such thing.
    pub(super) fn load(from: &mut Saved<'_>, samples: &Samples) -> Result<Self, Damaged> {
        let running = Self {
            moments: Save::load(from)?,
            line: Save::load(from)?,
            expiry: Save::load(from)?,
            tail: Save::load(from)?,
            equal_run: Save::load(from)?,
        };
        if running.expiry.left(samples) == Some(running.moments.count()) {
            Ok(running)
        } else {
            Err(Damaged("statistics are of other samples"))
        }
    }

    /// Saves all, to the bit.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        let Self {
            moments,
            line,
            expiry,
            tail,
            equal_run,
        } = self;
        moments.save(out);
        line.save(out);
        expiry.save(out);
        tail.save(out);
        equal_run.save(out);
    }

    /// Builds the sums from the samples after `horizon`.
    fn sum_anew(&mut self, samples: &Samples, horizon: i64) {
        let mut moments = Moments::default();
        let mut line = LineSums::default();
        samples.each_since(horizon + 1, |point| {
            moments.add(point.value);
            line.add(point, &moments);
        });
        self.moments = moments;
        self.line = line;
    }
}
