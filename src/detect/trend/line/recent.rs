//! The pace of the last steps, where they have left the line.
//!
//! How much a pace over few steps differs from that of the line by chance is read off the past itself: of all the stretches of as many
//! steps before. So noise that lasts, and what is left of seasons, count as what they are. A pace counts that is far from what there
//! has been, if the last steps are a line and no step; through as many of them as agree.
//!
//! Costs some tens of nanoseconds for a value.

#![expect(clippy::cast_precision_loss, reason = "stretches are short")]

use super::{Line, Place, Scratch, Shape, median};

/// Steps that are looked at, the fewest first.
const SPANS: [usize; 9] = [4, 5, 7, 10, 14, 20, 28, 40, 56];
/// Fewest stretches that say what is usual.
const STRETCHES_LEAST: f64 = 40.0;
/// A pace is another one beyond so many usual differences ...
const LEAVES: f64 = 5.0;
/// ... more where few stretches that have nothing in common say what is usual, by so many over their number ...
const UNSURE: f64 = 3.0;
/// ... and beyond so many times the largest there has been.
const OUTDOES: f64 = 1.25;
/// What lies about a line by this part of what it has gone, or less, is a line: a step is not.
const STRAIGHT: f64 = 0.07;
/// The same in times of what stretches usually lie about theirs.
const ROUGH: f64 = 2.0;
/// Shorter stretches agree with longer ones within so many usual differences.
const AGREES: f64 = 4.0;
/// The last values, of which the middle one says where the series is.
const LAST: usize = 3;
/// Which is off the line beyond so many deviations.
const OFF: f64 = 3.0;

/// A line through a stretch.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    slope: f64,
    mean_x: f64,
    mean_y: f64,
    /// Sum of the squares of times about their mean, and of values about the line.
    xx: f64,
    unexplained: f64,
}

/// Sums over all places before each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl Line {
    /// The line as it is at present: by the pace of the last steps, if they have left it for another, and from where the series is.
    pub(in super::super) fn now(self, places: &[Place], scratch: &mut Scratch) -> Self {
        scratch.part(places);
        let residuals = &mut scratch.residuals;
        residuals.clear();
        residuals.extend(places.iter().map(|(x, y)| y - self.at(*x)));
        if !residuals.iter().all(|residual| residual.is_finite()) {
            return self;
        }
        self.recent(places, scratch)
            .unwrap_or_else(|| self.where_it_is(OFF * self.noise, places))
    }

    /// The same from where the last values are, if these are so far `off` the line; and so much less sure.
    pub(in super::super) fn where_it_is(self, off: f64, places: &[Place]) -> Self {
        let Some(last) = places.last_chunk::<LAST>() else {
            return self;
        };
        let mut last = last.map(|(x, y)| y - self.at(x));
        let is = median(&mut last).unwrap_or_default();
        if is.abs() <= off || !is.is_finite() {
            return self;
        }
        Self {
            level: self.level + is,
            level_variance: self.level_variance + is * is,
            ..self
        }
    }

    fn recent(self, places: &[Place], scratch: &mut Scratch) -> Option<Self> {
        scratch.sum_up(places);
        let mut shorter: Vec<(Stretch, f64)> = Vec::new();
        let mut found = None;
        for span in SPANS {
            let Some((stretch, usual, counts)) = scratch.last_stretch(places.len(), span) else {
                break;
            };
            let agree = |(other, usual): &(Stretch, f64)| (other.slope - stretch.slope).abs() <= AGREES * usual;
            if !shorter.iter().all(agree) {
                break;
            }
            if counts {
                found = Some((stretch, usual, span));
            }
            shorter.push((stretch, usual));
        }
        let (stretch, usual, span) = found?;
        let values = span as f64;
        let own = stretch.unexplained / (values - 2.0);
        let slope = self.slope + stretch.slope;
        let explained = slope * slope * stretch.xx;
        Some(Self {
            level: self.at(stretch.mean_x) + stretch.mean_y - slope * stretch.mean_x,
            slope,
            centre: stretch.mean_x,
            level_variance: own.max(self.noise * self.noise) / values,
            slope_variance: (usual * usual).max(own / stretch.xx),
            degrees: values - 1.0,
            season_variance: self.season_variance,
            noise: own.sqrt(),
            fit: explained / (explained + stretch.unexplained),
            since: places[places.len() - span].0,
            shape: Shape::Recent(span),
        })
    }
}

impl Scratch {
    /// Sums over the residuals, of which wild ones are left out: of each three the middle one counts.
    fn sum_up(&mut self, places: &[Place]) {
        let residuals = &self.residuals;
        let count = residuals.len();
        let middle = |at: usize| match at {
            _ if at == 0 || at + 1 >= count => residuals[at],
            _ => {
                let (before, now, after) = (residuals[at - 1], residuals[at], residuals[at + 1]);
                before.max(now).min(before.min(now).max(after))
            }
        };
        self.sums.clear();
        let mut sums = Sums::default();
        self.sums.push(sums);
        for (at, &(x, _)) in places.iter().enumerate() {
            let y = middle(at);
            sums.x += x;
            sums.y += y;
            sums.xx += x * x;
            sums.xy += x * y;
            sums.yy += y * y;
            self.sums.push(sums);
        }
    }

    /// The line through the `span` residuals before `end`.
    fn stretch(&self, end: usize, span: usize) -> Stretch {
        let (before, after) = (self.sums[end - span], self.sums[end]);
        let count = span as f64;
        let (mean_x, mean_y) = ((after.x - before.x) / count, (after.y - before.y) / count);
        let xx = after.xx - before.xx - count * mean_x * mean_x;
        let xy = after.xy - before.xy - count * mean_x * mean_y;
        let yy = after.yy - before.yy - count * mean_y * mean_y;
        let slope = if xx > 0.0 { xy / xx } else { 0.0 };
        Stretch {
            slope,
            mean_x,
            mean_y,
            xx,
            unexplained: (yy - slope * xy).max(0.0),
        }
    }

    /// The line through the last `span` residuals, how much the slopes of as many usually differ, and whether this one counts;
    /// `None`: too little is known.
    fn last_stretch(&mut self, count: usize, span: usize) -> Option<(Stretch, f64, bool)> {
        let last = self.stretch(count, span);
        let mut slopes = std::mem::take(&mut self.slopes_of_stretches);
        slopes.clear();
        slopes.extend((span..=count).map(|end| self.stretch(end, span).slope));
        self.buffer.clear();
        self.buffer.extend_from_slice(&slopes);
        let middle = median(&mut self.buffer).unwrap_or_default();
        let away = last.slope - middle;
        // Back to where it began to go its way.
        let same = |slope: &&f64| (**slope - middle) * away.signum() > away.abs() / 2.0;
        let since = slopes.iter().rev().take_while(same).count() + span / 2;
        let (mut stretches, mut squares, mut most, mut rough) = (0.0, 0.0, 0.0_f64, 0.0);
        for (slope, end) in slopes.iter().zip(span..).take(slopes.len().saturating_sub(since)) {
            if !self.parts.iter().any(|&(begin, _)| begin > end - span && begin < end) {
                stretches += 1.0;
                squares += (slope - middle).powi(2);
                most = most.max((slope - middle).abs());
                rough += self.stretch(end, span).unexplained;
            }
        }
        self.slopes_of_stretches = slopes;
        if stretches < STRETCHES_LEAST {
            return None;
        }
        let values = span as f64;
        let usual = (squares / stretches).sqrt();
        let straight = STRAIGHT * away.abs() * values;
        let about = (last.unexplained / values).sqrt();
        let usual_about = (rough / stretches / values).sqrt();
        let is_line = about <= straight.max(ROUGH * usual_about);
        let leaves = LEAVES * (1.0 + UNSURE * values / stretches);
        Some((
            last,
            usual,
            is_line && away.abs() > (leaves * usual).max(OUTDOES * most),
        ))
    }
}
