//! What people have said of anomalies: silences, acknowledgements, and feedback that something is none.
//!
//! Knows names of series and detectors, and numbers of anomalies, and nothing of what is open or whom to tell: whoever tells
//! asks for the [`Marks`] of an anomaly first. Time is the wall clock, as people mean it when they say "for two hours", and is
//! handed in; the floors that come of feedback go by the samples' own time, see [`FloorReport`].
//!
//! * All of it is small, bounded in number and size, and in one [`file`](Settings::file) that is written anew, whole, with each
//!   change. A change that cannot be kept is refused, so whatever is in force survives a restart, and `kill -9`.
//! * To ask costs a look at each silence in force. Nobody who asks waits for the disk.

mod feedback;
mod file;
#[cfg(test)]
mod tests;
mod word;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

pub use feedback::{Feedback, FloorReport};
use serde::{Serialize, Serializer};
use tracing::warn;
pub use word::{Acknowledgement, Silence, SilenceState};

use crate::{glob::Glob, line::Timestamp, metrics::SilenceMetrics};

/// Silences that are in force or to come; and those that are over and still shown.
const SILENCES_MAX: usize = 1000;

/// Patterns of one silence, and the text of all patterns in force or to come (bytes): compiled, they take some 500 times the
/// memory of their text.
const PATTERNS_MAX: usize = 100;
const PATTERN_BYTES_MAX: usize = 64 << 10;

/// Acknowledgements, and feedback.
const ACKNOWLEDGEMENTS_MAX: usize = 10_000;
const FEEDBACK_MAX: usize = 10_000;

/// Longest name of an author or detector, longest reason, longest name of a series (bytes).
const NAME_BYTES_MAX: usize = 200;
const REASON_BYTES_MAX: usize = 500;
const SERIES_BYTES_MAX: usize = 1024;

/// Longest time that anything is said for (seconds): ten years.
pub const LONGEST_S: i64 = 3650 * 86_400;

/// Settings of what people have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it survives; `None`: it ends with the relay.
    pub file: Option<PathBuf>,
    /// How long what is over is still shown (seconds, 0 or more).
    pub keep_s: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: None,
            keep_s: 30 * 86_400,
        }
    }
}

/// What people have said.
#[derive(Debug)]
pub struct Silences {
    file: Option<PathBuf>,
    keep_s: AtomicI64,
    said: RwLock<Arc<Said>>,
    /// Held by whoever changes what is said, while that is written.
    changing: Mutex<()>,
    metrics: SilenceMetrics,
}

/// What is said at one time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    /// In the order of their numbers.
    silences: Vec<Arc<Kept>>,
    /// In the order in which they were said.
    acknowledgements: Vec<Arc<Acknowledgement>>,
    feedback: Vec<Arc<Feedback>>,
    /// The highest number that a silence was given.
    last_id: u64,
}

/// A silence, and its patterns compiled.
#[derive(Debug, PartialEq)]
struct Kept {
    silence: Silence,
    globs: Vec<Glob>,
}

/// What people have said of one anomaly.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Marks {
    /// The silences that hold it back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub silenced: Vec<String>,
    /// Who has seen it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub acknowledged: Option<Arc<Acknowledgement>>,
}

/// Who has seen it, and when, and nothing that is said of the anomaly anyway.
#[expect(clippy::ref_option, reason = "this is how it is called")]
fn shown<S: Serializer>(said: &Option<Arc<Acknowledgement>>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shown<'a> {
        author: &'a str,
        reason: &'a str,
        at: Timestamp,
    }
    let shown = said.as_ref().map(|said| Shown {
        author: &said.author,
        reason: &said.reason,
        at: said.at,
    });
    shown.serialize(serializer)
}

impl Marks {
    /// Has nobody said anything?
    pub fn is_empty(&self) -> bool {
        self.silenced.is_empty() && self.acknowledged.is_none()
    }
}

/// Why something is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be meant.
    #[error("{0}")]
    Wrong(String),
    /// There is no such thing.
    #[error("{0}")]
    Unknown(String),
    /// There is too much of it already.
    #[error("{0}")]
    Full(String),
    /// It would not survive.
    #[error("it cannot be kept in {path}: {error}", path = .path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: std::io::Error,
    },
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Wrong(why.into()))
}

impl Silences {
    /// What is in the file of `settings`. One that is damaged is put aside.
    pub fn start(settings: Settings, metrics: SilenceMetrics) -> Self {
        let Settings { file, keep_s } = settings;
        let said = file.as_deref().map_or_else(Said::default, |path| {
            file::load(path).unwrap_or_else(|error| {
                metrics.failures.inc();
                let aside = file::put_aside(path);
                warn!(
                    file = %path.display(),
                    aside = %aside.map_or_else(|error| format!("nowhere: {error}"), |aside| aside.display().to_string()),
                    %error,
                    "silences, acknowledgements and feedback cannot be read: the relay goes on without"
                );
                Said::default()
            })
        });
        Self {
            file,
            keep_s: AtomicI64::new(keep_s),
            said: RwLock::new(Arc::new(said)),
            changing: Mutex::default(),
            metrics,
        }
    }

    /// Shows what is over for so long from now on (seconds).
    pub fn keep_for(&self, keep_s: i64) {
        self.keep_s.store(keep_s, Ordering::Relaxed);
    }

    fn said(&self) -> Arc<Said> {
        Arc::clone(&self.said.read().expect("nobody panics with the lock held"))
    }

    /// Has `change` make something else of what is said, keeps it on disk, and then goes by it. Waits for the disk.
    fn change<T>(&self, change: impl FnOnce(&mut Said) -> Result<T, Refused>) -> Result<T, Refused> {
        let _changing = self.changing.lock().expect("nobody panics with the lock held");
        let before = self.said();
        let mut said = Said::clone(&before);
        let outcome = change(&mut said)?;
        if said != *before {
            if let Some(path) = &self.file {
                file::write(path, &said).map_err(|error| {
                    self.metrics.failures.inc();
                    let path = path.clone();
                    Refused::Disk { path, error }
                })?;
            }
            *self.said.write().expect("nobody panics with the lock held") = Arc::new(said);
        }
        Ok(outcome)
    }

    /// What people have said of the anomaly `id`, of this series and detector.
    pub fn marks(&self, id: u64, series: &str, detector: &str, now: Timestamp) -> Marks {
        let said = self.said();
        let silencing = said
            .silences
            .iter()
            .filter(|kept| kept.silence.state(now) == SilenceState::Active && kept.matches(series, detector));
        Marks {
            silenced: silencing.map(|kept| kept.silence.id.to_string()).collect(),
            acknowledged: said.acknowledgements.iter().find(|said| said.anomaly == id).cloned(),
        }
    }

    /// Begins a silence, and gives it a number. Its `id` is of no importance.
    ///
    /// # Errors
    /// When it cannot be meant, when there are too many, or when it cannot be kept.
    pub fn silence(&self, silence: Silence, now: Timestamp) -> Result<Silence, Refused> {
        let globs = silence.check(now)?;
        self.change(|said| {
            let lasting = said.silences.iter().filter(|kept| kept.silence.until > now);
            let (count, bytes) = lasting.fold((0, silence.pattern_bytes()), |(count, bytes), kept| {
                (count + 1, bytes + kept.silence.pattern_bytes())
            });
            if count >= SILENCES_MAX {
                return Err(Refused::Full(format!(
                    "there are {count} silences: end some of them first"
                )));
            }
            if bytes > PATTERN_BYTES_MAX {
                let kib = PATTERN_BYTES_MAX >> 10;
                let why = format!("the patterns of all silences take more than {kib} KiB: end some of them first");
                return Err(Refused::Full(why));
            }
            // By the clock, so that no number comes twice even if the file is lost.
            let id = (said.last_id + 1).max(now.unsigned_abs());
            said.last_id = id;
            let silence = Silence { id, ..silence };
            said.silences.push(Arc::new(Kept {
                silence: silence.clone(),
                globs,
            }));
            Ok(silence)
        })
    }

    /// Ends a silence now, or before it has begun. One that is over stays as it is.
    ///
    /// # Errors
    /// When there is none of this number, or when that cannot be kept.
    pub fn end(&self, id: u64, now: Timestamp) -> Result<Silence, Refused> {
        self.change(|said| {
            let kept = said.silences.iter_mut().find(|kept| kept.silence.id == id);
            let kept = kept.ok_or_else(|| Refused::Unknown(format!("there is no silence {id}")))?;
            let silence = kept.silence.clone();
            let ended = Silence {
                from: silence.from.min(now),
                until: silence.until.min(now),
                ..silence
            };
            *kept = Arc::new(Kept {
                silence: ended.clone(),
                globs: Vec::new(),
            });
            Ok(ended)
        })
    }

    /// Silences in one of these states, the newest first, `limit` at most; and how many there are.
    pub fn silences(&self, states: &[SilenceState], now: Timestamp, limit: usize) -> (Vec<Silence>, usize) {
        let said = self.said();
        let wanted = said.silences.iter().rev().map(|kept| &kept.silence);
        let wanted: Vec<_> = wanted.filter(|silence| states.contains(&silence.state(now))).collect();
        let total = wanted.len();
        (wanted.into_iter().take(limit).cloned().collect(), total)
    }

    /// Notes that somebody has seen an anomaly; what was said of it before is forgotten.
    ///
    /// # Errors
    /// When it cannot be meant, when there are too many, or when it cannot be kept.
    pub fn acknowledge(&self, acknowledgement: Acknowledgement) -> Result<(), Refused> {
        acknowledgement.check()?;
        self.change(|said| {
            said.acknowledgements
                .retain(|other| other.anomaly != acknowledgement.anomaly);
            if said.acknowledgements.len() >= ACKNOWLEDGEMENTS_MAX {
                let why = format!("{ACKNOWLEDGEMENTS_MAX} anomalies are acknowledged: take some back first");
                return Err(Refused::Full(why));
            }
            said.acknowledgements.push(Arc::new(acknowledgement));
            Ok(())
        })
    }

    /// Takes an acknowledgement back.
    ///
    /// # Errors
    /// When there is none, or when that cannot be kept.
    pub fn take_back(&self, anomaly: u64) -> Result<(), Refused> {
        self.change(|said| {
            let before = said.acknowledgements.len();
            said.acknowledgements.retain(|said| said.anomaly != anomaly);
            if said.acknowledgements.len() == before {
                return Err(Refused::Unknown(format!("anomaly {anomaly} is not acknowledged")));
            }
            Ok(())
        })
    }

    /// Takes in feedback, in place of what was said of that series and detector before.
    ///
    /// # Errors
    /// When it cannot be meant, when there is too much, or when it cannot be kept.
    pub fn feed_back(&self, feedback: Feedback) -> Result<(), Refused> {
        feedback.check()?;
        self.change(|said| {
            said.feedback
                .retain(|other| !other.is_of(&feedback.series, &feedback.detector));
            if said.feedback.len() >= FEEDBACK_MAX {
                let why = format!("there is feedback on {FEEDBACK_MAX} series: take some back first");
                return Err(Refused::Full(why));
            }
            said.feedback.push(Arc::new(feedback));
            Ok(())
        })
    }

    /// Takes feedback back.
    ///
    /// # Errors
    /// When there is none, or when that cannot be kept.
    pub fn take_feedback_back(&self, series: &str, detector: &str) -> Result<(), Refused> {
        self.change(|said| {
            let before = said.feedback.len();
            said.feedback.retain(|feedback| !feedback.is_of(series, detector));
            if said.feedback.len() == before {
                let why = format!("there is no feedback on {series:?} under {detector:?}");
                return Err(Refused::Unknown(why));
            }
            Ok(())
        })
    }

    /// All feedback whose series `matches`, the newest first, `limit` at most; and how much there is.
    pub fn feedback(&self, matches: impl Fn(&str) -> bool, limit: usize) -> (Vec<Arc<Feedback>>, usize) {
        let said = self.said();
        let wanted: Vec<_> = said
            .feedback
            .iter()
            .rev()
            .filter(|said| matches(&said.series))
            .collect();
        let total = wanted.len();
        (wanted.into_iter().take(limit).cloned().collect(), total)
    }

    /// Forgets what has been over for long enough: silences, feedback, and acknowledgements of what is not open. To be called
    /// now and then; waits for the disk.
    pub fn tidy(&self, now: Timestamp, is_open: impl Fn(&Acknowledgement) -> bool) {
        let since = now - self.keep_s.load(Ordering::Relaxed);
        let outcome = self.change(|said| {
            said.silences.retain(|kept| kept.silence.until > since.min(now));
            let over = said.silences.iter().filter(|kept| kept.silence.until <= now).count();
            let mut surplus = over.saturating_sub(SILENCES_MAX);
            said.silences.retain(|kept| {
                let goes = surplus > 0 && kept.silence.until <= now;
                surplus -= usize::from(goes);
                !goes
            });
            said.acknowledgements.retain(|said| said.at > since || is_open(said));
            said.feedback.retain(|said| said.ends > now);
            Ok(())
        });
        if let Err(error) = outcome {
            warn!(%error, "what people have said is not tidied up");
        }
    }

    /// Brings the gauges up to date.
    pub fn count(&self, now: Timestamp) {
        let said = self.said();
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let active = said
            .silences
            .iter()
            .filter(|kept| kept.silence.state(now) == SilenceState::Active);
        self.metrics.active.set(gauge(active.count()));
        self.metrics.acknowledged.set(gauge(said.acknowledgements.len()));
        self.metrics.feedback.set(gauge(said.feedback.len()));
    }
}

impl Kept {
    fn matches(&self, series: &str, detector: &str) -> bool {
        let detectors = &self.silence.detectors;
        let is_meant = detectors.is_empty() || detectors.iter().any(|name| name == detector);
        is_meant && self.globs.iter().any(|glob| glob.matches(series))
    }
}
