//! Telling people: which anomaly goes to which channel, and the channels.
//!
//! ```text
//!  board ─notices─▶ inbox ─▶ router ──▶ mailbox ─▶ thread ─▶ channel      one for each channel
//!                            thread       │  ▲
//!                                         ▼  │ after a restart
//!                                       journal
//! ```
//!
//! * The board never waits: what the inbox does not hold is counted, and made up for from the board afterwards.
//! * Each channel has a thread and a bounded mailbox of its own: one that is slow or down holds nobody else up.
//! * What people were told survives a restart in the journals, if there is a directory for them: what was told is not told
//!   again, and its end is told although the relay was not there when it came.
//!
//! How to add a kind of channel is said in `channel.rs`.

mod ahead;
pub mod alertmanager;
mod channel;
pub mod exec;
pub mod graphite_events;
pub mod http_client;
pub mod icinga2;
mod journal;
pub mod json_lines;
mod mailbox;
mod message;
pub mod nagios;
pub mod peer;
mod quiet;
mod router;
mod settings;
pub mod smtp;
pub mod template;
#[cfg(test)]
mod tests;
pub mod trial;
pub mod webhook;
mod words;
mod worker;

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub use channel::{Cause, Channel, Failure, Retry, Surroundings, Window};
use mailbox::{Bounds, Loss, Mailbox, Outgoing};
pub use message::{
    Links, Message, MessageAcknowledgement, MessageGroup, MessageVote, Status, Summary, Votes, fingerprint,
};
pub use quiet::{Quiet, Span};
use router::{Delivery, Hold, Known, Router, Routes, View};
pub use settings::*;
use tracing::warn;
use worker::{Post, Worker};

use crate::{
    anomaly::{Anomaly, Board, Notice, Which, groups::GroupSummary},
    clock, disk,
    glob::Glob,
    line::Timestamp,
    metrics::{ChannelMetrics, Metrics},
    shard::Change,
    silence::Marks,
};

/// Notices that wait for the router. Further ones are not waited for, and made up for from the board.
const QUEUE_NOTICES: usize = 100_000;

/// Notices that are taken in before what is to be told is handed on, in one go for each channel.
const BURST_NOTICES: usize = 4096;

/// How often the router looks at the time.
const TICK: Duration = Duration::from_secs(1);

/// Says what people have said of an anomaly. Asked before each telling, from the router's thread.
pub type AskMarks = Arc<dyn Fn(&Anomaly) -> Marks + Send + Sync>;

/// What the notifier works with.
#[derive(Clone)]
pub struct Sources {
    /// What is open.
    pub board: Arc<Board>,
    /// Says what people have said.
    pub marks: AskMarks,
    /// What channels may ask.
    pub surroundings: Surroundings,
    /// What is counted.
    pub metrics: Metrics,
}

/// Tells people, by the settings in force.
pub struct Notifier {
    sources: Sources,
    commands: SyncSender<Command>,
    router: Mutex<Option<JoinHandle<()>>>,
    ways: Mutex<Ways>,
    place: Option<Place>,
    /// Notices were lost since the router has last looked at the board.
    missed: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Ways {
    /// In the order of the settings.
    channels: Vec<Arc<Way>>,
    /// Of channels that are not there any more, until they have told what was left to them.
    leaving: Vec<Arc<Way>>,
}

/// What the router's thread is to do.
enum Command {
    /// Something has happened to an anomaly.
    Take(Arc<Notice>),
    /// The board has begun, with this, which was open before.
    Resume(Vec<Notice>),
    /// Other routes, and channels.
    Change(Routes, Vec<Arc<Way>>),
    /// Tell what can be told, and end.
    Stop,
}

/// Channels that are about to be told.
#[derive(Debug)]
pub struct Prepared {
    settings: Settings,
    /// For each channel; those that were there already are the same.
    ways: Vec<Arc<Way>>,
}

/// The way to one channel.
#[derive(Debug)]
struct Way {
    name: String,
    settings: Mutex<ChannelSettings>,
    post: Arc<Post>,
    metrics: ChannelMetrics,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The directory for journals, ours alone.
#[derive(Debug)]
struct Place {
    directory: PathBuf,
    _lock: File,
}

impl Notifier {
    /// Starts the channels, and what decides who is told what.
    ///
    /// # Errors
    /// When a thread cannot be started, or the directory not be used.
    pub fn start(settings: &Settings, sources: Sources) -> io::Result<Self> {
        let place = settings.directory.as_deref().map(Place::claim).transpose()?;
        if let Some(place) = &place {
            place.warn_of_leftovers(&settings.channels);
        }
        let (commands, inbox) = sync_channel(QUEUE_NOTICES);
        let missed = Arc::new(AtomicBool::new(false));
        let notifier = Self {
            sources: sources.clone(),
            commands,
            router: Mutex::new(None),
            ways: Mutex::default(),
            place,
            missed: Arc::clone(&missed),
        };
        let Prepared { settings, ways } = notifier.prepare(settings)?;
        let driver = Driver {
            router: Router::new(settings.alerts, settings.links, ways.len()),
            ways: ways.clone(),
            sources,
            missed,
            has_resumed: false,
        };
        let thread = std::thread::Builder::new()
            .name("notify".to_owned())
            .spawn(move || driver.run(&inbox))?;
        lock(&notifier.ways).channels = ways;
        *lock(&notifier.router) = Some(thread);
        Ok(notifier)
    }

    /// Starts the channels that `settings` add, which nobody is given yet. The directory stays the one it was.
    ///
    /// # Errors
    /// When a thread cannot be started, or a journal not be used.
    pub fn prepare(&self, settings: &Settings) -> io::Result<Prepared> {
        let there = lock(&self.ways);
        let ways =
            settings.channels.iter().map(
                |channel| match there.channels.iter().find(|way| way.name == channel.name) {
                    Some(way) => Ok(Arc::clone(way)),
                    None => self.begin(channel, settings),
                },
            );
        let ways = ways.collect::<io::Result<_>>()?;
        Ok(Prepared {
            settings: settings.clone(),
            ways,
        })
    }

    fn begin(&self, channel: &ChannelSettings, settings: &Settings) -> io::Result<Arc<Way>> {
        let metrics = self
            .sources
            .metrics
            .notify
            .of(&channel.name, &Loss::NAMES, &Cause::NAMES, &Hold::NAMES);
        let bounds = bounds(channel, settings);
        let mailbox = match &self.place {
            Some(place) => {
                let path = place.journal(&channel.name);
                Mailbox::open(&path, bounds, metrics.clone())
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?
            }
            None => Mailbox::in_memory(bounds, metrics.clone()),
        };
        let post = Post::new(mailbox);
        let open = channel.kind.open(&self.sources.surroundings);
        let worker = Worker::new(channel.name.clone(), Arc::clone(&post), open, metrics.clone());
        let thread = std::thread::Builder::new()
            .name(format!("notify-{}", channel.name))
            .spawn(move || worker.run())?;
        Ok(Arc::new(Way {
            name: channel.name.clone(),
            settings: Mutex::new(channel.clone()),
            post,
            metrics,
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// Goes by other settings from now on. Channels that stay are not touched; those that are different keep what waits for
    /// them; those that go tell what they can.
    pub fn change(&self, prepared: Prepared) {
        let Prepared { settings, ways } = prepared;
        for (way, channel) in ways.iter().zip(&settings.channels) {
            way.post
                .with_mailbox(|mailbox| mailbox.set_bounds(bounds(channel, &settings)));
            let mut before = lock(&way.settings);
            if before.kind != channel.kind {
                way.post.replace(channel.kind.open(&self.sources.surroundings));
            }
            before.clone_from(channel);
        }
        let mut all = lock(&self.ways);
        let before = std::mem::replace(&mut all.channels, ways.clone());
        let routes = Routes {
            alerts: settings.alerts,
            links: settings.links,
            channels: ways.len(),
        };
        let kept = |way: &Arc<Way>| ways.iter().any(|other| Arc::ptr_eq(way, other));
        all.leaving.retain(|way| way.is_at_work());
        for way in before.into_iter().filter(|way| !kept(way)) {
            way.post.end_for_good();
            all.leaving.push(way);
        }
        let ways = all.channels.clone();
        drop(all);
        // It ends only when the relay does.
        let _ = self.commands.send(Command::Change(routes, ways));
    }

    /// Tells of a notice whoever is to be told.
    pub fn tell(&self, notice: &Arc<Notice>) {
        if self.commands.try_send(Command::Take(Arc::clone(notice))).is_err() {
            self.sources.metrics.notify.notices_missed.inc();
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    /// To be called once, when what was open before a restart is on the board, and before anything else is told.
    pub fn resume(&self) {
        let _ = self.commands.send(Command::Resume(open_on(&self.sources.board)));
    }

    /// Waits up to `deadline` for the channels to take what waits for them. False when some have not and nothing keeps it.
    /// What is told later goes nowhere.
    pub fn stop(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        let _ = self.commands.send(Command::Stop);
        let is_over =
            |thread: &Mutex<Option<JoinHandle<()>>>| lock(thread).as_ref().is_none_or(JoinHandle::is_finished);
        let wait = |is_over: &dyn Fn() -> bool| {
            while !is_over() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        wait(&|| is_over(&self.router));
        let Ways { channels, leaving } = std::mem::take(&mut *lock(&self.ways));
        let ways: Vec<_> = channels.into_iter().chain(leaving).collect();
        for way in &ways {
            way.post.end_soon();
        }
        wait(&|| !ways.iter().any(|way| way.is_at_work()));
        let lost = |way: &Arc<Way>| {
            way.post.with_mailbox(|mailbox| {
                let lost = mailbox.holds() > 0 && !mailbox.is_stored();
                if lost {
                    warn!(
                        channel = way.name,
                        messages = mailbox.holds(),
                        "what waits for the channel is lost: there is no notify.directory"
                    );
                    mailbox.give_up_all();
                }
                lost
            })
        };
        let lost = ways.iter().filter(|way| lost(way)).count();
        lost == 0 && is_over(&self.router)
    }
}

/// Drives the router, on a thread of its own.
struct Driver {
    router: Router,
    ways: Vec<Arc<Way>>,
    sources: Sources,
    missed: Arc<AtomicBool>,
    /// It has taken in what was open before a restart.
    has_resumed: bool,
}

impl Driver {
    fn run(mut self, inbox: &Receiver<Command>) {
        let mut next_tick = Instant::now() + TICK;
        let mut out = Vec::new();
        loop {
            let mut goes_on = true;
            match inbox.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    for command in std::iter::once(first).chain(inbox.try_iter().take(BURST_NOTICES)) {
                        goes_on = goes_on && self.obey(command, &mut out);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => goes_on = false,
            }
            let now = clock::now();
            if self.missed.swap(false, Ordering::Relaxed) {
                let open = open_on(&self.sources.board);
                self.reconcile(&open, now, &mut out);
            }
            if goes_on {
                self.router.tick(now, &self.sources, &mut out);
            } else {
                self.router.hurry(now, &self.sources, &mut out);
            }
            self.hand_on(&mut out, now);
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                self.ways.iter().for_each(|way| way.post.tick(now));
                let held = i64::try_from(self.router.held()).unwrap_or(i64::MAX);
                self.sources.metrics.notify.held.set(held);
            }
            if !goes_on {
                return;
            }
        }
    }

    /// False when it is to end.
    fn obey(&mut self, command: Command, out: &mut Vec<Delivery>) -> bool {
        let now = clock::now();
        match command {
            Command::Take(notice) => self.router.take(&notice, now, &self.sources, out),
            Command::Resume(open) => {
                self.reconcile(&open, now, out);
                self.has_resumed = true;
                self.begin();
            }
            Command::Change(routes, ways) => {
                // What is still to be told goes where it was meant to go.
                self.hand_on(out, now);
                self.ways = ways;
                self.router.change(routes, now);
                if self.has_resumed {
                    self.begin();
                }
            }
            Command::Stop => return false,
        }
        true
    }

    /// What is told from now on is known to the mailboxes.
    fn begin(&self) {
        self.ways.iter().for_each(|way| way.post.with_mailbox(Mailbox::begin));
    }

    fn reconcile(&mut self, open: &[Notice], now: Timestamp, out: &mut Vec<Delivery>) {
        let mut told = HashMap::new();
        for way in &self.ways {
            way.post.with_mailbox(|mailbox| {
                for message in mailbox.told() {
                    told.entry(message.fingerprint.clone())
                        .or_insert_with(|| Arc::clone(message));
                }
            });
        }
        let told: Vec<Arc<Message>> = told.into_values().collect();
        let ways = &self.ways;
        let known = |channel: usize, fingerprint: &str| {
            ways[channel]
                .post
                .with_mailbox(|mailbox| match mailbox.told_at(fingerprint) {
                    Some(at) => Known::Told(at),
                    None if mailbox.knows_no_past() => Known::Unsure,
                    None => Known::Untold,
                })
        };
        let assumed = self.router.reconcile(open, &known, &told, now, &self.sources, out);
        for (way, messages) in self.ways.iter().zip(by_channel(assumed, self.ways.len())) {
            way.post.with_mailbox(|mailbox| mailbox.assume(messages, now));
        }
    }

    fn hand_on(&mut self, out: &mut Vec<Delivery>, now: Timestamp) {
        for (channel, hold, messages) in self.router.take_held_back() {
            self.ways[channel].metrics.held_back(hold.name(), messages);
        }
        if out.is_empty() {
            return;
        }
        let all = by_channel(std::mem::take(out), self.ways.len());
        for (way, messages) in self.ways.iter().zip(all).filter(|(_, messages)| !messages.is_empty()) {
            way.post.push(messages, now);
        }
    }
}

/// All that is open, the oldest first.
fn open_on(board: &Board) -> Vec<Notice> {
    let open = board.select(Which::Open, &Glob::everything(), usize::MAX).anomalies;
    let notice = |anomaly: Arc<Anomaly>| Notice {
        change: Change::Opened,
        group: anomaly.group.group().and_then(|id| board.group(id)),
        anomaly,
        marks: Marks::default(),
    };
    open.into_iter().rev().map(notice).collect()
}

/// What goes to each channel, in its order.
fn by_channel(deliveries: Vec<Delivery>, channels: usize) -> Vec<Vec<Outgoing>> {
    let mut all = vec![Vec::new(); channels];
    for (channel, outgoing) in deliveries {
        all[channel].push(outgoing);
    }
    all
}

fn bounds(channel: &ChannelSettings, settings: &Settings) -> Bounds {
    Bounds {
        bytes_max: settings.bytes_max,
        keep_s: settings.keep_s,
        rate_limit: channel.rate_limit,
    }
}

impl View for Sources {
    fn marks(&self, anomaly: &Anomaly) -> Marks {
        (self.marks)(anomaly)
    }

    fn group(&self, id: u64) -> Option<GroupSummary> {
        self.board.group(id)
    }
}

impl Way {
    fn is_at_work(&self) -> bool {
        lock(&self.thread).as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        // What was prepared in vain, or has no router any more.
        self.post.end_now();
    }
}

impl Place {
    fn claim(directory: &Path) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", directory.display()));
        match disk::claim(directory) {
            Ok(Some(lock)) => Ok(Self {
                directory: directory.to_owned(),
                _lock: lock,
            }),
            Ok(None) => Err(named(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process uses it for what it tells",
            ))),
            Err(error) => Err(named(error)),
        }
    }

    /// Where the journal of a channel is.
    fn journal(&self, channel: &str) -> PathBuf {
        self.directory.join(file_name(channel))
    }

    /// Says what nobody will be told.
    fn warn_of_leftovers(&self, channels: &[ChannelSettings]) {
        let known: Vec<String> = channels.iter().map(|channel| file_name(&channel.name)).collect();
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_empty = entry.metadata().is_ok_and(|metadata| metadata.len() == 0);
            if name.ends_with(ENDING) && !known.contains(&name) && !is_empty {
                warn!(journal = %entry.path().display(), "it is of a channel that is not configured, and told to nobody");
            }
        }
    }
}

const ENDING: &str = ".journal";

/// Characters of a channel's name that its file's name begins with.
const NAME_CHARS: usize = 60;

/// A name for a file, of its own for each channel.
fn file_name(channel: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if channel.len() <= NAME_CHARS && channel.chars().all(plain) {
        return format!("{channel}{ENDING}");
    }
    let start = channel
        .chars()
        .map(|character| if plain(character) { character } else { '_' });
    let start: String = start.take(NAME_CHARS).collect();
    // A point is in no name that is plain.
    format!("{start}.{}{ENDING}", fingerprint(channel, "", 0))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with the lock held")
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier")
            .field("ways", &self.ways)
            .finish_non_exhaustive()
    }
}
