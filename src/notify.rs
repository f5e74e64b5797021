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
mod driver;
pub mod exec;
pub mod graphite_events;
pub mod http_client;
pub mod icinga2;
mod journal;
pub mod json_lines;
mod mailbox;
mod message;
mod missing;
pub mod nagios;
pub mod peer;
mod place;
mod quiet;
mod router;
mod settings;
pub mod smtp;
pub mod states;
pub mod template;
#[cfg(test)]
mod tests;
pub mod trial;
pub mod webhook;
mod words;
mod worker;

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub use channel::{Cause, Channel, Failure, MarksOf, Retry, Surroundings, Window};
use driver::{Command, Driver, open_on};
use mailbox::{Bounds, Loss, Mailbox};
pub use message::{
    Links, Message, MessageAcknowledgement, MessageGroup, MessageVote, Status, Summary, Votes, fingerprint,
};
use place::Place;
pub use quiet::{Quiet, Span};
use router::{Hold, Router, Routes};
pub use settings::*;
use tracing::warn;
use worker::{Post, Worker};

use crate::{
    anomaly::{Anomaly, Board, Notice},
    metrics::{ChannelMetrics, Metrics},
    silence::Marks,
};

/// Notices that wait for the router. Further ones are not waited for, and made up for from the board.
const QUEUE_NOTICES: usize = 100_000;

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
        for way in before.into_iter().filter(|way| !kept(way)) {
            way.post.end_for_good();
            all.leaving.push(way);
        }
        let ways = all.channels.clone();
        drop(all);
        // It ends only when the relay does.
        let _ = self.commands.send(Command::Change(Box::new((routes, ways))));
    }

    /// To be called now and then: channels that have left, and have told what they could, are not shown any longer.
    pub fn forget_those_who_have_left(&self) {
        let mut ways = lock(&self.ways);
        let Ways { channels, leaving } = &mut *ways;
        leaving.retain(|way| {
            let stays = way.is_at_work();
            // Another one may go by its name by now.
            if !stays && !channels.iter().any(|channel| channel.name == way.name) {
                self.sources.metrics.notify.forget(&way.name);
            }
            stays
        });
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
        let _ = self.commands.send(Command::Resume(open_on(&self.sources.board).into()));
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

fn bounds(channel: &ChannelSettings, settings: &Settings) -> Bounds {
    Bounds {
        bytes_max: settings.bytes_max,
        keep_s: settings.keep_s,
        rate_limit: channel.rate_limit,
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
