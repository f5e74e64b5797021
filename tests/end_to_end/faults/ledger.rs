//! What has arrived, held against what was sent, line by line.

use super::{
    load::{Lines, SENDERS},
    recorder::Recorder,
};
use crate::harness::carbon_cache::Points;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    ops::Range,
};

/// What became of lines.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Different lines that have arrived.
    pub(crate) arrived: u64,
    /// Those that have not.
    pub(crate) lost: u64,
    /// Lines that have arrived once more, where that can be told.
    pub(crate) repeated: Option<u64>,
    /// Lines that have come behind one that their sender sent after them, and had not come before, likewise.
    pub(crate) out_of_order: Option<u64>,
    /// Lines that nobody has sent.
    pub(crate) damaged: u64,
}

impl Ledger {
    /// Reads what `recorder` has written down; `sent` are the lines of each sender.
    pub(crate) fn read(recorder: &Recorder, lines: Lines, sent: &[u64; SENDERS]) -> Self {
        let mut ledger = Self::default();
        let (mut repeated, mut out_of_order) = (0, 0);
        let all = |&count: &u64| vec![false; usize::try_from(count).expect("they fit in memory")];
        let mut seen: Vec<Vec<bool>> = sent.iter().map(all).collect();
        let mut newest = [None; SENDERS];
        let mut line = Vec::new();
        for path in recorder.files() {
            let mut file = BufReader::with_capacity(1 << 20, File::open(&path).expect("a file of ours"));
            // Within a connection, not even a line that is repeated may go back.
            let mut newest_here = [None; SENDERS];
            while file.read_until(b'\n', &mut line).expect("a file of ours") > 0 {
                // A connection that breaks leaves the beginning of a line, which carbon drops.
                if line.pop() == Some(b'\n') {
                    let parsed = parse(lines, &line).and_then(|(sender, number)| {
                        let seen = seen.get_mut(sender)?.get_mut(usize::try_from(number).ok()?)?;
                        Some((sender, number, seen))
                    });
                    match parsed {
                        None => ledger.damaged += 1,
                        Some((sender, number, seen)) => {
                            let is_new = !std::mem::replace(seen, true);
                            ledger.arrived += u64::from(is_new);
                            repeated += u64::from(!is_new);
                            let goes_back = newest_here[sender].is_some_and(|newest| number <= newest);
                            let is_late = is_new && newest[sender].is_some_and(|newest| number < newest);
                            out_of_order += u64::from(goes_back || is_late);
                            newest_here[sender] = Some(number);
                            newest[sender] = newest[sender].max(Some(number));
                        }
                    }
                }
                line.clear();
            }
        }
        ledger.lost = sent.iter().sum::<u64>() - ledger.arrived;
        (ledger.repeated, ledger.out_of_order) = (Some(repeated), Some(out_of_order));
        ledger
    }

    /// Looks for the points of lines whose numbers are in `numbers`, for each sender.
    pub(crate) fn of_points(points: &Points, lines: Lines, numbers: &[Range<u64>; SENDERS]) -> Self {
        let mut ledger = Self::default();
        for (sender, numbers) in numbers.iter().enumerate() {
            for number in numbers.clone() {
                let of_series = points.get(&lines.name(sender, number));
                let value = of_series.and_then(|points| points.get(&lines.timestamp(number)));
                #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
                let is_there = value.is_some_and(|value| value.to_bits() == (number as f64).to_bits());
                *(if is_there {
                    &mut ledger.arrived
                } else {
                    &mut ledger.lost
                }) += 1;
            }
        }
        ledger
    }

    /// Is nothing known to be out of order?
    pub(crate) fn is_in_order(&self) -> bool {
        self.out_of_order.is_none_or(|late| late == 0)
    }
}

/// Sender and number of a line that is what it was.
fn parse(lines: Lines, line: &[u8]) -> Option<(usize, u64)> {
    let mut fields = std::str::from_utf8(line).ok()?.split(' ');
    let (name, number, timestamp) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?);
    let (sender, series) = name.strip_prefix("fault")?.split_once(".s")?;
    let is_whole = series.parse() == Ok(number % lines.series)
        && timestamp.parse() == Ok(lines.timestamp(number))
        && fields.next().is_none();
    is_whole.then_some((sender.parse().ok()?, number))
}
