//! What is where: a plot laid out as shapes, which is all that a painter has to know.

use super::{
    Column, Mark, Plot, TIP_CHARS,
    axis::{self, time, zone_name},
};
use crate::{
    detect::Severity,
    line::Timestamp,
    report::{cut, plain},
};

/// Room above the graph, below it and to its right (pixels).
const TOP: f64 = 24.0;
const BOTTOM: f64 = 36.0;
const RIGHT: f64 = 14.0;

/// What a character takes (pixels).
pub(super) const CHAR_WIDTH: f64 = 6.2;

/// Columns further apart than this many times the usual distance are not joined: there is a gap.
const GAP: i64 = 5;

/// What lines may be off by (pixels).
const TOLERANCE: f64 = 0.25;

/// Marks closer than this are one (pixels).
const MARKS_APART: f64 = 3.0;

/// A place (pixels from the left and from the top).
pub(super) type Place = (f64, f64);

/// A plot as shapes, the hindmost first.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) width: u16,
    pub(super) height: u16,
    /// What it is called, whole.
    pub(super) name: String,
    pub(super) shapes: Vec<Shape>,
}

/// What a painter draws.
#[derive(Debug)]
pub(super) enum Shape {
    /// A surface.
    Area { outline: Vec<Place>, ink: Ink },
    /// Lines; one of a single place is a dot.
    Lines {
        pieces: Vec<Vec<Place>>,
        ink: Ink,
        dashed: bool,
    },
    /// An anomaly: from left to right over the whole height, and where it opened.
    Span {
        left: f64,
        right: f64,
        top: f64,
        bottom: f64,
        dot: Place,
        ink: Ink,
        tip: String,
    },
    /// A line of text.
    Text { at: Place, anchor: Anchor, text: String },
}

/// What colour it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Grid,
    Band,
    Expected,
    Samples,
    Anomaly(Severity),
}

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// From times and values to pixels.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    from: Timestamp,
    span_s: f64,
    low: f64,
    high: f64,
}

impl Scene {
    pub(super) fn of(plot: &Plot<'_>) -> Self {
        let (width, height) = (plot.size.0.clamp(200, 2000), plot.size.1.clamp(100, 1000));
        let begin = plot.columns.partition_point(|column| column.until < plot.from);
        let end = plot.columns.partition_point(|column| column.from <= plot.until);
        let columns = plot.columns.get(begin..end).unwrap_or_default();
        let (low, high) = range(columns);
        let (full_width, full_height) = (f64::from(width), f64::from(height));
        let bottom = full_height - BOTTOM;
        let values = axis::of_values(low, high, count((bottom - TOP) / 40.0).max(2));
        let labels = values.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        let frame = Frame {
            left: (width_of(labels) + 12.0).min(full_width / 2.0),
            right: full_width - RIGHT,
            top: TOP,
            bottom,
            from: plot.from,
            span_s: seconds(plot.until.saturating_sub(plot.from).max(1)),
            low,
            high,
        };
        let mut scene = Self {
            width,
            height,
            name: cut(plot.title, 1024),
            shapes: Vec::new(),
        };
        scene.label(plot, &frame, values);
        let pieces = unbroken(columns);
        scene.usual(&frame, &pieces);
        scene.mark(&frame, plot.marks);
        scene.samples(&frame, &pieces);
        if columns.is_empty() {
            let middle = (
                f64::midpoint(frame.left, frame.right),
                f64::midpoint(frame.top, frame.bottom),
            );
            scene.text(middle, Anchor::Middle, "no samples".to_owned());
        }
        scene
    }

    /// Title, axes and grid.
    fn label(&mut self, plot: &Plot<'_>, frame: &Frame, values: Vec<(f64, String)>) {
        let mut grid = Vec::new();
        for (value, label) in values {
            let y = frame.y(value);
            grid.push(vec![(frame.left, y), (frame.right, y)]);
            self.text((frame.left - 6.0, y + 4.0), Anchor::End, label);
        }
        let room = count((frame.right - frame.left) / 70.0).max(2);
        for (timestamp, label) in axis::of_times(plot.from, plot.until, plot.zone, room) {
            let x = frame.x(timestamp);
            grid.push(vec![(x, frame.top), (x, frame.bottom)]);
            // Whole, at the ends as well.
            let half = width_of(label.chars().count()) / 2.0;
            let x = x.clamp(half, (f64::from(self.width) - half).max(half));
            self.text((x, frame.bottom + 14.0), Anchor::Middle, label);
        }
        self.lines(grid, Ink::Grid, false);
        let times = format!(
            "{} to {}, {}",
            time(plot.from, plot.zone),
            time(plot.until, plot.zone),
            zone_name(plot.zone)
        );
        self.text((frame.right, frame.bottom + 29.0), Anchor::End, times);
        let room = count((f64::from(self.width) - 16.0) / CHAR_WIDTH);
        self.text((8.0, 15.0), Anchor::Start, cut(&plain(&self.name), room));
    }

    /// The band, and what was expected.
    fn usual(&mut self, frame: &Frame, pieces: &[&[Column]]) {
        let mut expected = Vec::new();
        for piece in pieces {
            for run in piece.chunk_by(|one, next| has_band(one) == has_band(next)) {
                if has_band(&run[0]) {
                    self.band(frame, run);
                }
            }
            for run in piece.chunk_by(|one, next| one.expected().is_some() == next.expected().is_some()) {
                let line = run
                    .iter()
                    .filter_map(|column| Some((frame.x(column.middle()), frame.y(column.expected()?))));
                expected.push(smooth(line));
            }
        }
        expected.retain(|piece| !piece.is_empty());
        self.lines(expected, Ink::Expected, true);
    }

    /// The band of a run of columns, open where nobody can tell.
    fn band(&mut self, frame: &Frame, run: &[Column]) {
        let edge = |end: fn(&Column) -> Option<f64>, open: f64| {
            let places = run.iter().map(|column| {
                let y = end(column).map_or(open, |value| frame.y(value));
                (frame.x(column.middle()), y)
            });
            smooth(places)
        };
        let mut outline = edge(Column::upper, frame.top);
        outline.extend(edge(Column::lower, frame.bottom).into_iter().rev());
        // One column by itself is to be seen as well.
        if run.len() == 1 {
            let (x, top, bottom) = (outline[0].0, outline[0].1, outline[outline.len() - 1].1);
            outline = vec![(x - 0.5, top), (x + 0.5, top), (x + 0.5, bottom), (x - 0.5, bottom)];
        }
        self.shapes.push(Shape::Area {
            outline,
            ink: Ink::Band,
        });
    }

    fn samples(&mut self, frame: &Frame, pieces: &[&[Column]]) {
        let pieces = pieces.iter().map(|piece| extremes(frame, piece)).collect();
        self.lines(pieces, Ink::Samples, false);
    }

    /// Anomalies; those that would lie on top of each other are one.
    fn mark(&mut self, frame: &Frame, marks: &[Mark]) {
        let mut marks: Vec<&Mark> = marks
            .iter()
            .filter(|mark| mark.from <= frame.until() && mark.until.is_none_or(|until| until >= frame.from))
            .collect();
        marks.sort_by_key(|mark| mark.from);
        let mut spans: Vec<(f64, f64, &Mark, Severity, usize)> = Vec::new();
        for mark in marks {
            let left = frame.x(mark.from);
            let right = mark.until.map_or(frame.right, |until| frame.x(until)).max(left + 1.0);
            match spans.last_mut() {
                Some((first, last, _, severity, count)) if left - *first < MARKS_APART => {
                    *last = last.max(right);
                    *severity = mark.severity.max(*severity);
                    *count += 1;
                }
                _ => spans.push((left, right, mark, mark.severity, 1)),
            }
        }
        for (left, right, mark, severity, count) in spans {
            let more = if count > 1 {
                format!(" (and {} more)", count - 1)
            } else {
                String::new()
            };
            self.shapes.push(Shape::Span {
                left,
                right,
                top: frame.top,
                bottom: frame.bottom,
                dot: (left, frame.y(mark.value)),
                ink: Ink::Anomaly(severity),
                tip: cut(&mark.text, TIP_CHARS) + &more,
            });
        }
    }

    fn lines(&mut self, pieces: Vec<Vec<Place>>, ink: Ink, dashed: bool) {
        if !pieces.is_empty() {
            self.shapes.push(Shape::Lines { pieces, ink, dashed });
        }
    }

    fn text(&mut self, at: Place, anchor: Anchor, text: String) {
        self.shapes.push(Shape::Text { at, anchor, text });
    }
}

impl Frame {
    fn x(&self, timestamp: Timestamp) -> f64 {
        let part = seconds(timestamp.saturating_sub(self.from)) / self.span_s;
        self.left + part.clamp(0.0, 1.0) * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        // Halves: the whole may be too large for a number.
        let part = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        self.bottom - part.clamp(0.0, 1.0) * (self.bottom - self.top)
    }

    #[expect(clippy::cast_possible_truncation, reason = "it was a time")]
    fn until(&self) -> Timestamp {
        self.from.saturating_add(self.span_s as Timestamp)
    }
}

impl Column {
    fn middle(&self) -> Timestamp {
        self.from + (self.until - self.from) / 2
    }
}

fn has_band(column: &Column) -> bool {
    column.lower().is_some() || column.upper().is_some()
}

/// The values to be seen: all samples, and as much of the band as leaves half of the room to them.
fn range(columns: &[Column]) -> (f64, f64) {
    let (mut low, mut high) = columns
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), column| {
            (low.min(column.low), high.max(column.high))
        });
    if low > high {
        return (0.0, 1.0);
    }
    let flat = (low.abs().max(high.abs()) * 0.1).max(f64::MIN_POSITIVE);
    let reach = ((high / 2.0 - low / 2.0).max(flat / 2.0)).min(f64::MAX / 8.0);
    let (least, most) = (low - reach, high + reach);
    for column in columns {
        let ends = [column.lower(), column.expected(), column.upper()]
            .into_iter()
            .flatten();
        for end in ends.map(|end| end.clamp(least, most)) {
            (low, high) = (low.min(end), high.max(end));
        }
    }
    // What is all but down to zero stands on it.
    if low >= 0.0 && low < high / 4.0 {
        low = 0.0;
    }
    if low >= high {
        let around = if low == 0.0 { 1.0 } else { flat };
        return ((low - around).max(-f64::MAX), (high + around).min(f64::MAX));
    }
    let margin = (high / 20.0 - low / 20.0).max(0.0);
    let below = if low == 0.0 { 0.0 } else { margin };
    let (least, most) = ((low - below).max(-f64::MAX), (high + margin).min(f64::MAX));
    // Numbers may have no other one between them.
    if least < most { (least, most) } else { (0.0, 1.0) }
}

/// Runs of columns without a gap.
fn unbroken(columns: &[Column]) -> Vec<&[Column]> {
    let mut distances: Vec<i64> = columns
        .windows(2)
        .map(|pair| pair[1].from.saturating_sub(pair[0].from))
        .collect();
    distances.sort_unstable();
    let usual = distances.get(distances.len() / 2).copied().unwrap_or(i64::MAX / GAP);
    let gap = usual.saturating_mul(GAP);
    columns
        .chunk_by(|one, next| next.from.saturating_sub(one.until) <= gap)
        .collect()
}

/// The line through the samples of a piece: in each column of pixels the first, the extremes and the last.
fn extremes(frame: &Frame, piece: &[Column]) -> Vec<Place> {
    let mut line: Vec<Place> = Vec::new();
    let mut put = |place: Place| {
        if line
            .last()
            .is_none_or(|last| (last.0 - place.0).abs() + (last.1 - place.1).abs() >= 0.05)
        {
            line.push(place);
        }
    };
    for shown in piece.chunk_by(|one, next| count(frame.x(one.from)) == count(frame.x(next.from))) {
        let mut together = shown[0];
        shown[1..].iter().for_each(|next| together.add(next));
        let Column {
            first, low, high, last, ..
        } = together;
        if shown.len() == 1 && low >= high {
            put((frame.x(together.from), frame.y(first)));
            continue;
        }
        // All at one place from the left, as they are one column of pixels. The near extreme comes first, for a line that
        // does not run to and fro.
        let x = f64::midpoint(frame.x(together.from), frame.x(together.until));
        let up_first = (first - low) > (high - first);
        let [one, other] = if up_first { [high, low] } else { [low, high] };
        for value in [first, one, other, last] {
            put((x, frame.y(value)));
        }
    }
    line
}

/// A line with fewer places that is nowhere further off than can be seen. Places come from the left to the right.
fn smooth(places: impl Iterator<Item = Place>) -> Vec<Place> {
    let mut line: Vec<Place> = Vec::new();
    let mut skipped: Option<Place> = None;
    // Slopes of lines from the last place that pass all those skipped closely enough.
    let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
    for place in places {
        let Some(&anchor) = line.last() else {
            line.push(place);
            continue;
        };
        let slope = |to: f64, anchor: Place| (to - anchor.1) / (place.0 - anchor.0).max(1e-9);
        let within = slope(place.1, anchor);
        let mut anchor = anchor;
        if let Some(before) = skipped
            && !(least..=most).contains(&within)
        {
            line.push(before);
            anchor = before;
            (least, most) = (f64::NEG_INFINITY, f64::INFINITY);
        }
        least = least.max(slope(place.1 - TOLERANCE, anchor));
        most = most.min(slope(place.1 + TOLERANCE, anchor));
        skipped = Some(place);
    }
    line.extend(skipped);
    line
}

#[expect(clippy::cast_precision_loss, reason = "seconds, where pixels are looked for")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number, not below 0"
)]
fn count(number: f64) -> usize {
    number.max(0.0) as usize
}

#[expect(clippy::cast_precision_loss, reason = "few")]
fn width_of(chars: usize) -> f64 {
    chars as f64 * CHAR_WIDTH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_smooth_line_is_close_to_all_places(heights in proptest::collection::vec(0.0..20.0, 2..300)) {
            let places: Vec<Place> = (0_u16..).map(|place| f64::from(place) * 0.6).zip(heights).collect();
            let line = smooth(places.iter().copied());
            prop_assert_eq!(line[0], places[0]);
            prop_assert_eq!(line[line.len() - 1], places[places.len() - 1]);
            for (x, y) in places {
                let end = line.partition_point(|place| place.0 < x).max(1);
                let (from, to) = (line[end - 1], line[end]);
                let on_line = from.1 + (to.1 - from.1) * (x - from.0) / (to.0 - from.0);
                prop_assert!((on_line - y).abs() <= TOLERANCE + 1e-6, "{on_line} where {y} is");
            }
        }
    }

    #[test]
    fn a_straight_line_is_its_ends() {
        let places = (0..500_u16).map(|place| (f64::from(place), f64::from(place) / 3.0));
        assert_eq!(smooth(places).len(), 2);
    }
}
