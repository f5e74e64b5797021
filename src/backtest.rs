//! Backtests: samples from files through the very engine that runs live.
//!
//! Carbon lines come as they are; whisper files, tables, folders of them, and what a Graphite answers are played as carbon
//! lines, by one shard on one thread. Time is the samples' own, and `limits.max_age` is off, so that the lines of last year are
//! judged as they were then; `limits.max_ahead` holds, as it did live, and so does `window.expire_after`. Verdicts come in the
//! order of their times when all lines are read; with a verdict for every sample, as they are found.
//!
//! | file | holds |
//! | --- | --- |
//! | `feed`, `input` | from the inputs to the sides, and what can be read twice |
//! | `side` | one configuration at work |
//! | `held` | from the order in which events are found to that of their times |
//! | `tape`, `whisper`, `table`, `graphite` | what is no carbon lines |
//! | `compare` | what two configurations make of the same lines |
//! | `gallery`, `page`, `report_file` | the report |

mod compare;
mod feed;
mod gallery;
mod graphite;
mod held;
mod input;
mod page;
mod report_file;
mod side;
mod table;
mod tape;
mod whisper;

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::Arc,
};

pub use compare::Comparison;
pub use feed::{Progress, Stage};
use feed::{Source, Turn, feed_all};
use gallery::Found;
pub use graphite::Graphite;
pub use report_file::ReportFile;
use side::Side;
pub use tape::Wanted;

use crate::{
    detect::Kind,
    glob::Glob,
    report::{self, VerdictReport},
    shard::{self, Event, Reading, Shard, Tally, Verbosity, Watch},
};

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input, with carbon lines, packed by gzip or not.
    Stdin,
    /// A whisper file (`.wsp`), a table of times and values (`.csv`, `.csv.gz`), a folder of these, or else a file with carbon
    /// lines, packed by gzip or not.
    File(PathBuf),
    /// Series as a Graphite has them.
    Graphite(Graphite),
}

/// How a backtest is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is told.
    pub verbosity: Verbosity,
    /// Longest line (bytes).
    pub max_line_bytes: usize,
    /// Which points of whisper files, tables and Graphite are wanted.
    pub wanted: Wanted,
}

/// Why a backtest ended early.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// An input cannot be read.
    #[error("{input} cannot be read: {error}")]
    Read {
        /// Which one.
        input: String,
        /// Why.
        error: io::Error,
    },
    /// The verdicts cannot be written.
    #[error("verdicts cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The report cannot be written.
    #[error("{path} cannot be written: {error}")]
    Report {
        /// Where to.
        path: String,
        /// Why.
        error: io::Error,
    },
}

/// What a backtest has seen.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Lines read.
    pub lines: u64,
    /// What became of them.
    pub tally: Tally,
    /// Series seen.
    pub series: usize,
    /// Anomalies that opened, by detector.
    pub opened: BTreeMap<Arc<str>, u64>,
    /// Anomalies that are open at the end.
    pub open: u64,
    /// Distance of points that are no carbon lines (seconds): the least of each series, of which the smallest and the largest.
    pub steps_s: Option<(i64, i64)>,
    /// Files and series that were passed over, and why.
    pub skipped: Vec<String>,
    /// Patterns of the watches that no series went by.
    pub unmatched: Vec<String>,
    /// Time taken so far (seconds).
    pub elapsed_s: f64,
}

impl Options {
    /// All points that there are.
    pub fn new(verbosity: Verbosity, max_line_bytes: usize) -> Self {
        Self {
            verbosity,
            max_line_bytes,
            wanted: Wanted::default(),
        }
    }
}

impl From<&str> for Input {
    fn from(argument: &str) -> Self {
        if argument == "-" {
            Self::Stdin
        } else {
            Self::File(argument.into())
        }
    }
}

/// Settings that let every series be judged by the detector called `name`, and be read as the watch that it has says;
/// `None` when there is no such detector.
pub fn with_detector(mut settings: shard::Settings, name: &str) -> Option<shard::Settings> {
    let detector = settings.detectors.iter().position(|detector| &*detector.name == name)?;
    let by_itself = !settings.detectors[detector].kind.globs().is_empty();
    for (place, other) in settings.detectors.iter_mut().enumerate() {
        if place != detector
            && let Kind::Absence(other) = &mut other.kind
        {
            other.of.clear();
        }
    }
    let detectors = if by_itself { Vec::new() } else { vec![detector] };
    for watch in &mut settings.watches {
        watch.detectors.clone_from(&detectors);
    }
    settings.watches.push(Watch {
        globs: vec![Glob::everything()],
        detectors,
        reading: Reading::Value,
    });
    Some(settings)
}

/// Feeds the samples of `inputs` through a shard and writes verdicts to `verdicts`, a JSON object a line.
///
/// `progress` is called after each read.
///
/// # Errors
/// When an input cannot be read or a verdict not written. What was judged before has been written.
pub fn run(
    settings: shard::Settings,
    options: Options,
    inputs: &[Input],
    verdicts: impl Write,
    report: Option<(ReportFile, String)>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, BacktestError> {
    let mut verdicts = BufWriter::new(verdicts);
    let mut hear = |_, event: &Event| {
        report::write_json(&mut verdicts, &VerdictReport::from(event)).map_err(io::Error::from)?;
        verdicts.write_all(b"\n")
    };
    let (report, name) = report.unzip();
    let names = name.as_slice();
    let mut summaries = reported(names, &[settings], options, inputs, &mut hear, report, progress)?;
    verdicts.flush()?;
    Ok(summaries.swap_remove(0))
}

/// Feeds the samples of `inputs` through two shards, a configuration each, called as `names` says. Gives what each has seen as
/// well.
///
/// # Errors
/// When an input cannot be read.
pub fn compare(
    names: &[String; 2],
    settings: &[shard::Settings; 2],
    options: Options,
    inputs: &[Input],
    report: Option<ReportFile>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Comparison, Vec<Summary>), BacktestError> {
    let mut comparison = Comparison::new(names.clone(), settings.clone().map(Arc::new));
    let mut hear = |side: usize, event: &Event| {
        comparison.hear(side, event);
        Ok(())
    };
    let summaries = reported(names, settings, options, inputs, &mut hear, report, progress)?;
    Ok((comparison, summaries))
}

/// Feeds the samples of `inputs` through a shard for each of `settings`; with a report, those of the series that it shows
/// once more. Gives what each has seen.
fn reported(
    names: &[String],
    settings: &[shard::Settings],
    options: Options,
    inputs: &[Input],
    hear: &mut dyn FnMut(usize, &Event) -> io::Result<()>,
    report: Option<ReportFile>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Summary>, BacktestError> {
    let mut sources: Vec<Source<'_>> = inputs.iter().map(Source::Input).collect();
    let sides = |settings: &[shard::Settings]| -> Vec<Side> {
        settings
            .iter()
            .map(|settings| Side::new(settings.clone(), options))
            .collect()
    };
    let Some(mut report) = report else {
        let ended = feed_all(sides(settings), options, &mut sources, Turn::Only, hear, progress)?;
        return Ok(ended.into_iter().map(summary).collect());
    };
    let mut found = Found::default();
    let mut first = |side: usize, event: &Event| {
        found.hear(side, event);
        hear(side, event)
    };
    let ended = feed_all(
        sides(settings),
        options,
        &mut sources,
        Turn::First,
        &mut first,
        progress,
    )?;
    let anomalous = found.anomalous();
    let mut gallery = found.choose(names.len(), series_of(&ended[0].shard));
    let summaries: Vec<_> = ended.into_iter().map(summary).collect();

    let mut again = sides(settings);
    for side in &mut again {
        side.shard.tell_whole(gallery.names());
    }
    let mut look = |side: usize, event: &Event| {
        gallery.hear(side, event);
        Ok(())
    };
    feed_all(again, options, &mut sources, Turn::Second, &mut look, progress)?;
    report.write(names, &summaries, anomalous, &gallery)?;
    Ok(summaries)
}

/// Names of all series that were judged.
fn series_of(shard: &Shard) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    shard.names(0, usize::MAX, |name| names.push(Arc::clone(name)));
    names
}

/// What a side has seen, and which of its watches were for nothing.
fn summary(side: Side) -> Summary {
    let settings = side.shard.settings();
    let watches = settings.watches.iter().zip(side.shard.watches_in_use());
    let unmatched = watches.filter(|(_, is_in_use)| !is_in_use);
    let patterns = unmatched.map(|(watch, _)| {
        let patterns: Vec<_> = watch.globs.iter().map(Glob::as_str).collect();
        patterns.join(", ")
    });
    let everything = Glob::everything();
    Summary {
        // That one is there whether anybody has asked for it or not.
        unmatched: patterns.filter(|pattern| pattern != everything.as_str()).collect(),
        ..side.summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Definition, threshold};

    /// A series at one sample a minute that leaps for `leap` samples at its end.
    fn lines(leap: usize) -> String {
        let value = |place: usize| if place < 1500 { 10 + place * 7 % 13 } else { 900 };
        (0..1500 + leap).fold(String::new(), |all, place| {
            all + &format!("a.b {} {}\n", value(place), 1_700_000_000 + 60 * place)
        })
    }

    fn verdicts(verbosity: Verbosity, text: &str) -> (Vec<serde_json::Value>, Summary) {
        judged(shard::Settings::default(), verbosity, text)
    }

    fn judged(settings: shard::Settings, verbosity: Verbosity, text: &str) -> (Vec<serde_json::Value>, Summary) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        let mut out = Vec::new();
        let inputs = [Input::File(file.path().to_owned())];
        let options = Options::new(verbosity, 16_384);
        let summary = run(settings, options, &inputs, &mut out, None, &mut |_| {}).unwrap();
        let parse = |line| serde_json::from_str(line).unwrap();
        (String::from_utf8(out).unwrap().lines().map(parse).collect(), summary)
    }

    #[test]
    fn a_leap_is_told_once_with_all_that_is_known_of_it() {
        let (verdicts, summary) = verdicts(Verbosity::Changes, &lines(3));
        assert_eq!(verdicts.len(), 1);
        assert_eq!(verdicts[0]["alert"], true);
        assert_eq!(verdicts[0]["votes"]["spike"]["vote"], true);
        let number = |key| verdicts[0][key].as_f64().unwrap();
        let (lower, expected, upper) = (number("lower"), number("expected"), number("upper"));
        assert!(lower < expected && expected < upper && upper < 900.0);
        assert_eq!(
            (summary.lines, summary.tally.analysed, summary.series, summary.open),
            (1503, 1503, 1, 1)
        );
    }

    #[test]
    fn every_sample_is_told_on_request() {
        let (verdicts, _) = verdicts(
            Verbosity::EverySample,
            &(lines(0) + "a.b 1 1700000000\na.c 1 1\na.c 2 2"),
        );
        assert_eq!(verdicts.len(), 1502);
        assert!(
            verdicts
                .iter()
                .all(|verdict| verdict["votes"].as_object().unwrap().len() == 2)
        );
    }
    #[test]
    fn what_is_told_comes_in_the_order_of_time_and_a_series_is_given_up() {
        const BEGIN: i64 = 1_700_000_000;
        let settings = shard::Settings {
            detectors: vec![Definition {
                name: "full".into(),
                kind: Kind::Threshold(threshold::Settings::new(threshold::Bounds::Above(10.0))),
            }],
            watches: vec![Watch {
                globs: vec![Glob::everything()],
                detectors: vec![0],
                reading: Reading::Value,
            }],
            ..shard::Settings::default()
        };
        let line = |name: &str, value: u32, minute: i64| format!("{name} {value} {}\n", BEGIN + 60 * minute);
        // a ends full after an hour; b is full for a minute two days later, and its lines stand first.
        let b = (0..4320).map(|minute| line("b", if minute == 3000 { 50 } else { 1 }, minute));
        let text: String = b.chain((0..60).map(|minute| line("a", 50, minute))).collect();
        let (verdicts, summary) = judged(settings, Verbosity::Changes, &text);
        let told: Vec<_> = verdicts
            .iter()
            .map(|verdict| {
                let minute = (verdict["timestamp"].as_i64().unwrap() - BEGIN) / 60;
                (
                    verdict["series"].as_str().unwrap(),
                    verdict["anomalous"] == true,
                    minute,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("a", true, 0),
                ("a", false, 59 + 1440),
                ("b", true, 3000),
                ("b", false, 3001)
            ]
        );
        let reason = &verdicts[1]["reason"];
        assert_eq!(reason, "the series has fallen silent, and is given up after 24h");
        assert_eq!((summary.series, summary.open), (2, 0));
    }

    #[test]
    fn watches_that_no_series_went_by_are_told() {
        let watch = |patterns: &[&str], detectors: &[usize]| Watch {
            globs: patterns.iter().map(|pattern| Glob::new(pattern).unwrap()).collect(),
            detectors: detectors.to_vec(),
            reading: Reading::Value,
        };
        let settings = shard::Settings {
            watches: vec![
                watch(&["short.*"], &[0]),
                watch(&["test.*"], &[]),
                watch(&["short.lived", "never.**"], &[0]),
                watch(&["lasting"], &[0]),
                watch(&["**"], &[0]),
            ],
            ..shard::Settings::default()
        };
        // One falls silent and is given up, and one is not judged at all.
        let text = "short.lived 1 1700000000\ntest.web 1 1700000000\nlasting 1 1700000000\nlasting 1 1700600000\n";
        let (_, summary) = judged(settings, Verbosity::Changes, text);
        assert_eq!(
            summary.unmatched,
            ["short.lived, never.**"],
            "the watch before it has taken the one series"
        );
    }
}
