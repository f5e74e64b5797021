//! How far a backtest is, on a terminal: a bar on standard error, and nothing where that is something else.
//!
//! The bar is never in the way of what is told: it makes room while something is written to the same terminal, and is gone at
//! the end.

use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::backtest::{Progress, Stage};

/// Times a second that it is drawn.
const RATE_HZ: u8 = 5;

/// The bar moves, even if nothing comes.
const TICK: Duration = Duration::from_millis(250);

/// A bar, or nothing.
pub(super) struct Bar {
    bar: ProgressBar,
    /// What it shows now, and whether its end is known.
    shown: Cell<Option<(Stage, bool)>>,
}

/// What is written beside a bar.
pub(super) struct Beside<W> {
    /// `None`: they are not on the same terminal.
    bar: Option<ProgressBar>,
    writer: W,
}

impl Bar {
    /// One on standard error, where that is a terminal.
    pub(super) fn new() -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(RATE_HZ)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            shown: Cell::new(None),
        }
    }

    /// Shows how far it is.
    pub(super) fn show(&self, progress: Progress) {
        let Progress {
            stage,
            done,
            all,
            lines,
        } = progress;
        if self.bar.is_hidden() {
            return;
        }
        let is_other = self.shown.replace(Some((stage, all.is_some()))) != Some((stage, all.is_some()));
        if is_other {
            self.bar.set_style(style(stage, all.is_some()));
            self.bar.reset();
        }
        if let Some(all) = all {
            self.bar.set_length(all);
        }
        self.bar.set_position(done);
        if stage != Stage::Fetching {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a rate for people"
            )]
            let rate = (lines as f64 / self.bar.elapsed().as_secs_f64().max(1e-3)) as u64;
            self.bar
                .set_message(format!("{} lines, {}/s", HumanCount(lines), HumanCount(rate)));
        }
        if is_other {
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// Takes it away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// `writer`, which is given room where it is a terminal, too.
    pub(super) fn beside<W: Write + IsTerminal>(&self, writer: W) -> Beside<W> {
        let share = writer.is_terminal() && !self.bar.is_hidden();
        Beside {
            bar: share.then(|| self.bar.clone()),
            writer,
        }
    }
}

impl<W: Write> Write for Beside<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { bar, writer } = self;
        match bar {
            // Whole, so that the bar does not come in between.
            Some(bar) => bar.suspend(|| {
                writer.write_all(bytes)?;
                writer.flush()?;
                Ok(bytes.len())
            }),
            None => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn style(stage: Stage, has_end: bool) -> ProgressStyle {
    let template = match (stage, has_end) {
        (Stage::Fetching, _) => "fetching {wide_bar} {pos} of {len} series, {eta} left",
        (Stage::Judging, true) => "judging {wide_bar} {percent} %, {msg}, {eta} left",
        (Stage::Judging, false) => "{spinner} judging: {msg}",
        (Stage::Drawing, true) => "drawing {wide_bar} {percent} %, {msg}, {eta} left",
        (Stage::Drawing, false) => "{spinner} drawing: {msg}",
    };
    ProgressStyle::with_template(template).expect("the templates are good")
}
