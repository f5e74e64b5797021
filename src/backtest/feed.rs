//! From the inputs to the sides: lines are read, cut into chunks, and judged by each; what can be read only once is copied
//! when it is wanted twice. What the sides find is told in the order of its times.

use std::{
    fs::File,
    io::{self, Seek},
    time::Instant,
};

use bytes::{Bytes, BytesMut};

use super::{
    BacktestError, Input, Options,
    held::Held,
    input::{Counted, Lines, Reel, Tee},
    side::Side,
    tape::{Tape, is_for_tape, wider},
};
use crate::{
    line::Chunker,
    shard::{Event, Unanalysed, Verbosity},
};

const READ_BYTES: usize = 256 * 1024;

/// How far a backtest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// With what.
    pub stage: Stage,
    /// How much of it is done, out of `all`.
    pub done: u64,
    /// `None`: that is not known.
    pub all: Option<u64>,
    /// Lines judged so far.
    pub lines: u64,
}

/// What a backtest is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Asks a Graphite for series, which are counted.
    Fetching,
    /// Judges samples. What is done are bytes on the disk, or a share of them.
    Judging,
    /// Does so once more, for what the report shows.
    Drawing,
}

/// Which turn this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Only,
    /// There will be a second.
    First,
    Second,
}

/// Where lines come from, when they are read for the first time or again.
pub(super) enum Source<'a> {
    Input(&'a Input),
    /// What an input gave that gives it only once.
    Copy(File),
}

/// A backtest at work.
struct Feed<'a> {
    sides: Vec<Side>,
    options: Options,
    events: Vec<Event>,
    /// `None`: events go as they are found.
    held: Option<Held>,
    /// Told of each event, with the place of its side.
    hear: &'a mut dyn FnMut(usize, &Event) -> io::Result<()>,
    started: Instant,
    progress: &'a mut dyn FnMut(Progress),
    stage: Stage,
    /// Bytes of all sources, and of those that are done with.
    all: Option<u64>,
    before: u64,
}

impl Source<'_> {
    /// Bytes on the disk, as far as that can be known.
    fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Input(input) => input.size_bytes(),
            Self::Copy(file) => file.metadata().ok().map(|metadata| metadata.len()),
        }
    }
}

/// Feeds the samples of all sources through the sides. In the first of two turns, what can be read only once is copied and can be
/// read again.
pub(super) fn feed_all(
    sides: Vec<Side>,
    options: Options,
    sources: &mut [Source<'_>],
    turn: Turn,
    hear: &mut dyn FnMut(usize, &Event) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Side>, BacktestError> {
    let bytes: Vec<Option<u64>> = sources.iter().map(Source::size_bytes).collect();
    let mut feed = Feed {
        sides,
        options,
        events: Vec::new(),
        // What is drawn has its place by itself, and of every sample there would be too many.
        held: (turn != Turn::Second && options.verbosity == Verbosity::Changes).then(Held::default),
        hear,
        started: Instant::now(),
        progress,
        stage: if turn == Turn::Second {
            Stage::Drawing
        } else {
            Stage::Judging
        },
        all: bytes.iter().copied().sum(),
        before: 0,
    };
    let outcome = feed.judge_all(sources, &bytes, turn);
    // Also before an error.
    feed.release()?;
    outcome?;
    Ok(feed.sides)
}

impl Feed<'_> {
    /// Judges what all sources hold, of so many bytes each.
    fn judge_all(
        &mut self,
        sources: &mut [Source<'_>],
        bytes: &[Option<u64>],
        turn: Turn,
    ) -> Result<(), BacktestError> {
        let (is_alone, wanted) = (sources.len() == 1, self.options.wanted);
        let copy = || (turn == Turn::First).then(tempfile::tempfile).transpose();
        let uncopied = |error| BacktestError::Read {
            input: "a copy of the input".to_owned(),
            error,
        };
        for (source, size) in sources.iter_mut().zip(bytes) {
            let size = size.unwrap_or_default();
            match source {
                Source::Copy(file) => {
                    file.rewind().map_err(uncopied)?;
                    self.lines(Counted::new(file), "a copy of the input")?;
                }
                Source::Input(Input::Stdin) => {
                    const NAME: &str = "standard input";
                    let lines = Lines::new(io::stdin().lock()).map_err(|error| BacktestError::Read {
                        input: NAME.to_owned(),
                        error,
                    })?;
                    let mut tee = Tee::new(lines, copy().map_err(uncopied)?);
                    self.lines(&mut tee, NAME)?;
                    if let Some(file) = tee.end().map_err(uncopied)? {
                        *source = Source::Copy(file);
                    }
                }
                Source::Input(Input::File(path)) => {
                    let name = path.display().to_string();
                    let unread = |error| BacktestError::Read {
                        input: name.clone(),
                        error,
                    };
                    if is_for_tape(path) {
                        let tape = Tape::record(path, wanted, &mut |read| self.tell_progress(read));
                        let lines = self.take_in(tape.map_err(unread)?, size);
                        self.lines(lines, &name)?;
                    } else {
                        let lines = File::open(path).and_then(Lines::new).map_err(unread)?;
                        self.lines(lines, &name)?;
                    }
                }
                Source::Input(Input::Graphite(graphite)) => {
                    let tape = graphite.record(wanted, &mut |done, all| self.fetched(done, all));
                    let name = format!("Graphite at {}", graphite.shown());
                    let tape = tape.map_err(|error| BacktestError::Read {
                        input: name.clone(),
                        error,
                    })?;
                    let size = tape.size_bytes();
                    if is_alone {
                        self.all = Some(size);
                    }
                    let mut tee = Tee::new(self.take_in(tape, size), copy().map_err(uncopied)?);
                    self.lines(&mut tee, &name)?;
                    if let Some(file) = tee.end().map_err(uncopied)? {
                        *source = Source::Copy(file);
                    }
                }
            }
            self.before += size;
        }
        for place in 0..self.sides.len() {
            self.sides[place].shard.end(&mut self.events);
            self.tell(place)?;
        }
        Ok(())
    }

    /// Tells of what has been held back.
    fn release(&mut self) -> Result<(), BacktestError> {
        for (place, event) in self.held.take().map(|mut held| held.release()).unwrap_or_default() {
            (self.hear)(place, &event)?;
        }
        Ok(())
    }

    /// Says what is not on a tape, and gives its lines, the end of which counts as `size` bytes.
    fn take_in(&mut self, tape: Tape, size: u64) -> impl Reel + use<> {
        for (path, why) in &tape.skipped {
            self.skip(&format!("{}: {why}", path.display()));
        }
        let steps_s = tape.steps_s();
        for side in &mut self.sides {
            side.summary.steps_s = wider(side.summary.steps_s, steps_s);
        }
        tape.play(size)
    }

    /// Graphite has given the points of so many of all series.
    fn fetched(&mut self, done: usize, all: usize) {
        (self.progress)(Progress {
            stage: Stage::Fetching,
            done: done as u64,
            all: Some(all as u64),
            lines: self.sides[0].summary.lines,
        });
    }

    /// So many bytes of the source at hand are done.
    fn tell_progress(&mut self, done: u64) {
        (self.progress)(Progress {
            stage: self.stage,
            done: self.before + done,
            all: self.all,
            lines: self.sides[0].summary.lines,
        });
    }

    fn lines(&mut self, mut reader: impl Reel, input: &str) -> Result<(), BacktestError> {
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
            self.tell_progress(reader.done());
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
            let Some(held) = &mut self.held else {
                (self.hear)(place, &event)?;
                continue;
            };
            for (place, event) in held.hold(place, event) {
                (self.hear)(place, &event)?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, file: &str) {
        for side in &mut self.sides {
            side.summary.skipped.push(file.to_owned());
        }
    }
}
