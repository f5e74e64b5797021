//! Backtests: samples from files through the very engine that runs live.
//!
//! Carbon lines come as they are; whisper files, tables, folders of them, and what a Graphite answers are played as carbon
//! lines. One shard on one thread, so verdicts come in the order of the lines. Time is the samples' own, and
//! `limits.max_age` is off, so that the lines of last year are judged as they were then; `limits.max_ahead` holds, as it
//! did live.

mod compare;
mod gallery;
mod graphite;
mod page;
mod tape;
mod whisper;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use bytes::{Bytes, BytesMut};
pub use compare::Comparison;
use flate2::read::MultiGzDecoder;
use gallery::{Found, Gallery};
pub use graphite::Graphite;
pub use tape::Wanted;
use tape::{Tape, is_for_tape};

use crate::{
    clock,
    detect::Kind,
    glob::Glob,
    intake::{ForwardInvalid, Sorter},
    line::Chunker,
    report::{self, VerdictReport},
    shard::{self, Change, Event, Reading, Shard, Tally, Unanalysed, Verbosity, Watch},
};

const READ_BYTES: usize = 256 * 1024;

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A whisper file (`.wsp`), a table of times and values (`.csv`), a folder of these, or else a file with carbon lines.
    /// One that ends in `.gz` is unpacked.
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
    /// Files and series that were passed over, and why.
    pub skipped: Vec<String>,
    /// Of how many series Graphite has given points, and how many it was asked for.
    pub fetched: Option<(usize, usize)>,
    /// Time taken so far (seconds).
    pub elapsed_s: f64,
}

/// Where a report goes, and what it says of whom.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    file: File,
}

/// Where lines come from, when they are read for the first time or again.
enum Source<'a> {
    Input(&'a Input),
    /// What an input gave that gives it only once.
    Copy(File),
}

/// Writes down what is read.
struct Tee<R> {
    reader: R,
    copy: Option<BufWriter<File>>,
}

/// A backtest at work.
struct Backtest<'a> {
    sides: Vec<Side>,
    options: Options,
    events: Vec<Event>,
    /// Told of each event, with the place of its side.
    hear: &'a mut dyn FnMut(usize, &Event) -> io::Result<()>,
    started: Instant,
    progress: &'a mut dyn FnMut(&Summary),
}

/// One configuration at work.
struct Side {
    sorter: Sorter,
    shard: Shard,
    summary: Summary,
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

impl ReportFile {
    /// Creates the file, so that it is known before the work begins that it can be.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn create(path: &Path) -> Result<Self, BacktestError> {
        let unwritable = |error| BacktestError::Report {
            path: path.display().to_string(),
            error,
        };
        Ok(Self {
            path: path.to_owned(),
            file: File::create(path).map_err(unwritable)?,
        })
    }

    fn write(
        &mut self,
        names: &[String],
        summaries: &[Summary],
        anomalous: usize,
        gallery: &Gallery,
    ) -> Result<(), BacktestError> {
        let report = page::Report {
            names,
            summaries,
            anomalous,
            gallery,
        };
        let written = self.file.write_all(report.html().as_bytes());
        written.map_err(|error| BacktestError::Report {
            path: self.path.display().to_string(),
            error,
        })
    }
}

impl<R: Read> Tee<R> {
    fn new(reader: R, copy: Option<File>) -> Self {
        Self {
            reader,
            copy: copy.map(BufWriter::new),
        }
    }

    /// What was read.
    fn end(self) -> io::Result<Option<File>> {
        self.copy.map(|copy| Ok(copy.into_inner()?)).transpose()
    }
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if let Some(copy) = &mut self.copy {
            copy.write_all(&buffer[..read])?;
        }
        Ok(read)
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
    progress: &mut dyn FnMut(&Summary),
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

/// Feeds the samples of `inputs` through two shards, a configuration each, called as `names` says.
///
/// # Errors
/// When an input cannot be read.
pub fn compare(
    names: &[String; 2],
    settings: &[shard::Settings; 2],
    options: Options,
    inputs: &[Input],
    report: Option<ReportFile>,
    progress: &mut dyn FnMut(&Summary),
) -> Result<Comparison, BacktestError> {
    let mut comparison = Comparison::new(names.clone(), settings.clone().map(Arc::new));
    let mut hear = |side: usize, event: &Event| {
        comparison.hear(side, event);
        Ok(())
    };
    reported(names, settings, options, inputs, &mut hear, report, progress)?;
    Ok(comparison)
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
    progress: &mut dyn FnMut(&Summary),
) -> Result<Vec<Summary>, BacktestError> {
    let mut sources: Vec<Source<'_>> = inputs.iter().map(Source::Input).collect();
    let sides = |settings: &[shard::Settings]| -> Vec<Side> {
        settings
            .iter()
            .map(|settings| Side::new(settings.clone(), options))
            .collect()
    };
    let Some(mut report) = report else {
        let ended = feed_all(sides(settings), options, &mut sources, false, hear, progress)?;
        return Ok(ended.into_iter().map(|side| side.summary).collect());
    };
    let mut found = Found::default();
    let mut first = |side: usize, event: &Event| {
        found.hear(side, event);
        hear(side, event)
    };
    let ended = feed_all(sides(settings), options, &mut sources, true, &mut first, progress)?;
    let anomalous = found.anomalous();
    let mut gallery = found.choose(names.len(), series_of(&ended[0].shard));
    let summaries: Vec<_> = ended.into_iter().map(|side| side.summary).collect();

    let mut again = sides(settings);
    for side in &mut again {
        side.shard.tell_whole(gallery.names());
    }
    let mut look = |side: usize, event: &Event| {
        gallery.hear(side, event);
        Ok(())
    };
    feed_all(again, options, &mut sources, false, &mut look, progress)?;
    report.write(names, &summaries, anomalous, &gallery)?;
    Ok(summaries)
}

/// Names of all series that were judged.
fn series_of(shard: &Shard) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    shard.names(0, usize::MAX, |name| names.push(Arc::clone(name)));
    names
}

/// Feeds the samples of all sources through the sides. What can be read only once is copied and can be read again, if that
/// is wanted.
fn feed_all(
    sides: Vec<Side>,
    options: Options,
    sources: &mut [Source<'_>],
    copied: bool,
    hear: &mut dyn FnMut(usize, &Event) -> io::Result<()>,
    progress: &mut dyn FnMut(&Summary),
) -> Result<Vec<Side>, BacktestError> {
    let mut backtest = Backtest {
        sides,
        options,
        events: Vec::new(),
        hear,
        started: Instant::now(),
        progress,
    };
    for source in sources {
        let copy = || copied.then(tempfile::tempfile).transpose();
        let uncopied = |error| BacktestError::Read {
            input: "a copy of the input".to_owned(),
            error,
        };
        let input = match source {
            Source::Input(input) => *input,
            Source::Copy(file) => {
                file.rewind().map_err(uncopied)?;
                backtest.feed(file, "a copy of the input")?;
                continue;
            }
        };
        match input {
            Input::Stdin => {
                let mut tee = Tee::new(io::stdin().lock(), copy().map_err(uncopied)?);
                backtest.feed(&mut tee, "standard input")?;
                if let Some(file) = tee.end().map_err(uncopied)? {
                    *source = Source::Copy(file);
                }
            }
            Input::File(path) => {
                let name = path.display().to_string();
                let unread = |error| BacktestError::Read {
                    input: name.clone(),
                    error,
                };
                if is_for_tape(path) {
                    let tape = Tape::record(path, options.wanted).map_err(unread)?;
                    let lines = backtest.take_in(tape);
                    backtest.feed(lines, &name)?;
                } else {
                    backtest.feed(open(path).map_err(unread)?, &name)?;
                }
            }
            Input::Graphite(graphite) => {
                let tape = graphite.record(options.wanted, &mut |done, all| backtest.fetched(done, all));
                let name = format!("Graphite at {}", graphite.shown());
                let unread = |error| BacktestError::Read {
                    input: name.clone(),
                    error,
                };
                let mut tee = Tee::new(backtest.take_in(tape.map_err(unread)?), copy().map_err(uncopied)?);
                backtest.feed(&mut tee, &name)?;
                if let Some(file) = tee.end().map_err(uncopied)? {
                    *source = Source::Copy(file);
                }
            }
        }
    }
    for place in 0..backtest.sides.len() {
        backtest.sides[place].shard.end(&mut backtest.events);
        backtest.tell(place)?;
    }
    Ok(backtest.sides)
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    let packed = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    Ok(if packed {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

impl Side {
    fn new(mut settings: shard::Settings, options: Options) -> Self {
        settings.limits.max_age_s = None;
        Self {
            sorter: Sorter::new(1, options.max_line_bytes, ForwardInvalid::Forward),
            shard: Shard::new(Arc::new(settings), options.verbosity, Arc::default()).by_samples(),
            summary: Summary::default(),
        }
    }

    /// Judges the lines of `chunk`.
    fn judge(&mut self, chunk: &Bytes, events: &mut Vec<Event>) {
        let received = clock::now();
        let mut sorted = self.sorter.sort(chunk, received);
        self.summary.lines += sorted.lines;
        self.summary.tally.add(&sorted.tally);
        if let Some(batch) = sorted.take_batch(0, chunk, received) {
            self.shard.apply(&batch, events, &mut self.summary.tally);
        }
        self.summary.series = self.shard.series_count();
    }

    fn count(&mut self, event: &Event) {
        match event.change {
            Some(Change::Opened) => {
                *self.summary.opened.entry(Arc::clone(&event.detector)).or_default() += 1;
                self.summary.open += 1;
            }
            Some(Change::Closed) => self.summary.open -= 1,
            Some(Change::Again) | None => {}
        }
    }
}

impl Backtest<'_> {
    /// Says what is not on a tape, and gives its lines.
    fn take_in(&mut self, tape: Tape) -> impl Read + use<> {
        for (path, why) in &tape.skipped {
            self.skip(&format!("{}: {why}", path.display()));
        }
        tape.play()
    }

    /// Graphite has given the points of so many of all series.
    fn fetched(&mut self, done: usize, all: usize) {
        self.sides[0].summary.fetched = Some((done, all));
        (self.progress)(&self.sides[0].summary);
    }

    fn feed(&mut self, mut reader: impl Read, input: &str) -> Result<(), BacktestError> {
        let mut chunker = Chunker::new(self.options.max_line_bytes);
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(chunker.begun_bytes() + READ_BYTES);
            chunker.put_begun(&mut buffer);
            let begun = buffer.len();
            buffer.resize(begun + READ_BYTES, 0);
            let read = reader.read(&mut buffer[begun..]).map_err(|error| BacktestError::Read {
                input: input.to_owned(),
                error,
            })?;
            buffer.truncate(begun + read);
            let mut filled = buffer.split();
            if read == 0 {
                // A file, unlike a connection, is whole without a last newline.
                if filled.is_empty() {
                    return Ok(());
                }
                filled.extend_from_slice(b"\n");
            }
            let cut = chunker.cut(filled.freeze());
            if cut.given_up.is_some() {
                for side in &mut self.sides {
                    side.summary.lines += 1;
                    side.summary.tally.add_unanalysed(Unanalysed::Quarantined, 1);
                }
            }
            if let Some(chunk) = cut.chunk {
                self.judge(&chunk)?;
            }
            for side in &mut self.sides {
                side.summary.elapsed_s = self.started.elapsed().as_secs_f64();
            }
            (self.progress)(&self.sides[0].summary);
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn judge(&mut self, chunk: &Bytes) -> Result<(), BacktestError> {
        for place in 0..self.sides.len() {
            self.sides[place].judge(chunk, &mut self.events);
            self.tell(place)?;
        }
        Ok(())
    }

    /// Tells of what the side at `place` has found.
    fn tell(&mut self, place: usize) -> Result<(), BacktestError> {
        for event in self.events.drain(..) {
            self.sides[place].count(&event);
            (self.hear)(place, &event)?;
        }
        Ok(())
    }

    fn skip(&mut self, file: &str) {
        for side in &mut self.sides {
            side.summary.skipped.push(file.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series at one sample a minute that leaps for `leap` samples at its end.
    fn lines(leap: usize) -> String {
        let value = |place: usize| if place < 1500 { 10 + place * 7 % 13 } else { 900 };
        (0..1500 + leap).fold(String::new(), |all, place| {
            all + &format!("a.b {} {}\n", value(place), 1_700_000_000 + 60 * place)
        })
    }

    fn verdicts(verbosity: Verbosity, text: &str) -> (Vec<serde_json::Value>, Summary) {
        let directory = std::env::temp_dir().join(format!("skyrelay-backtest-{}-{verbosity:?}", std::process::id()));
        std::fs::write(&directory, text).unwrap();
        let mut out = Vec::new();
        let inputs = [Input::File(directory.clone())];
        let settings = shard::Settings::default();
        let options = Options::new(verbosity, 16_384);
        let summary = run(settings, options, &inputs, &mut out, None, &mut |_| {}).unwrap();
        std::fs::remove_file(directory).unwrap();
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
}
