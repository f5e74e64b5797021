//! `/api/v1/events`: notices as they come, as server-sent events.
//!
//! The last notices are kept, numbered. A client says up to which it has seen them (`Last-Event-ID`, which browsers send by
//! themselves) and goes on behind it, so a connection that breaks loses nothing, and none lasts for long. Who cannot keep
//! up, or comes back too late, is told how many have been missed.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::watch;

use super::{
    Sources,
    answer::{Refusal, glob},
    connections::{Ending, Peer},
};
use crate::{anomaly::Notice, glob::Glob, report};

/// Notices that are kept for those who come back.
const KEPT_NOTICES: usize = 4_096;

/// Clients at a time: half of all connections, so that they leave room for questions.
const CLIENTS_MAX: usize = 64;

/// Clients from one address: half of those again, so that nobody keeps all others from following. A proxy has one for all who
/// come through it.
const CLIENTS_OF_ADDRESS_MAX: usize = 32;

/// How long a client that has lost its connection waits before it comes back.
const COMES_BACK: Duration = Duration::from_secs(1);

/// Silence after which a client is sent a sign of life.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// The last notices, for whoever wants to follow.
#[derive(Debug)]
pub struct Feed {
    kept: Mutex<Kept>,
    /// The number of the next notice.
    next: watch::Sender<u64>,
    clients: Arc<Clients>,
    /// Tells this run's numbers from those of another.
    run: u64,
}

/// Who follows.
#[derive(Debug, Default)]
struct Clients(Mutex<HashMap<IpAddr, usize>>);

/// The place of one who follows.
#[derive(Debug)]
struct Client {
    clients: Arc<Clients>,
    address: IpAddr,
}

#[derive(Debug, Default)]
struct Kept {
    notices: VecDeque<Arc<Notice>>,
    /// The number of the next one.
    next: u64,
}

/// A notice for one client, or how many it has missed.
#[derive(Debug)]
enum Item {
    Notice(u64, Arc<Notice>),
    Missed(u64, u64),
}

/// What a client follows, and how far it is.
struct Follower {
    feed: Arc<Feed>,
    glob: Glob,
    next: u64,
    news: watch::Receiver<u64>,
    ending: Ending,
    _client: Client,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(rename = "match", default = "super::api::everything")]
    pattern: String,
}

impl Feed {
    /// A feed whose numbers are told from those of other runs by `run`.
    pub fn new(run: u64) -> Self {
        Self {
            kept: Mutex::default(),
            next: watch::Sender::new(0),
            clients: Arc::default(),
            run,
        }
    }

    /// Gives `notice` to all who follow.
    pub fn tell(&self, notice: Arc<Notice>) {
        let mut kept = self.kept();
        kept.notices.push_back(notice);
        if kept.notices.len() > KEPT_NOTICES {
            kept.notices.pop_front();
        }
        kept.next += 1;
        self.next.send_replace(kept.next);
    }

    /// The first notice from number `from` on that `matches`, or how many there were that are not kept any more. Moves
    /// `from` behind it.
    fn take(&self, from: &mut u64, matches: impl Fn(&Notice) -> bool) -> Option<Item> {
        let kept = self.kept();
        let first = kept.next - kept.notices.len() as u64;
        if *from < first {
            let missed = first - *from;
            *from = first;
            return Some(Item::Missed(first - 1, missed));
        }
        while *from < kept.next {
            let notice = usize::try_from(*from - first)
                .ok()
                .and_then(|place| kept.notices.get(place))?;
            *from += 1;
            if matches(notice) {
                return Some(Item::Notice(*from - 1, Arc::clone(notice)));
            }
        }
        None
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nobody panics with the lock held")
    }

    fn id(&self, number: u64) -> String {
        format!("{:x}-{number}", self.run)
    }

    /// The number behind the one that an identifier tells; `None` of one from another run.
    fn behind(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        (u64::from_str_radix(run, 16).ok()? == self.run).then(|| number.saturating_add(1))
    }
}

impl Clients {
    /// A place for one more from this address.
    fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Client, Refusal> {
        let mut clients = self.0.lock().expect("nobody panics with the lock held");
        let all: usize = clients.values().sum();
        let own = clients.get(&address).copied().unwrap_or_default();
        let full = |most: usize, whence: &str| {
            let why = format!("{most} clients{whence} follow already, and there is no room for more");
            Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, why))
        };
        if own >= CLIENTS_OF_ADDRESS_MAX {
            return full(CLIENTS_OF_ADDRESS_MAX, " from this address");
        }
        if all >= CLIENTS_MAX {
            return full(CLIENTS_MAX, "");
        }
        clients.insert(address, own + 1);
        Ok(Client {
            clients: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut clients = self.clients.0.lock().expect("nobody panics with the lock held");
        if let Some(own) = clients.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                clients.remove(&self.address);
            }
        }
    }
}

pub(super) async fn events(
    State(sources): State<Sources>,
    Extension(ending): Extension<Ending>,
    Extension(peer): Extension<Peer>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted?;
    let feed = sources.feed;
    let client = feed.clients.enter(peer.0)?;
    let news = feed.next.subscribe();
    let newest = *news.borrow();
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let follower = Follower {
        glob: glob("match", &wanted.pattern)?,
        next: last_seen
            .and_then(|id| feed.behind(id))
            .map_or(newest, |next| next.min(newest)),
        feed,
        news,
        ending,
        _client: client,
    };
    // So that whoever has nothing to see yet knows where to go on.
    let first = Event::default()
        .id(follower.feed.id(follower.next.wrapping_sub(1)))
        .retry(COMES_BACK)
        .comment("skyrelay");
    let follow = stream::unfold((follower, Some(first)), |(mut follower, first)| async move {
        let event = match first {
            Some(first) => first,
            None => follower.next_event().await?,
        };
        Some((Ok::<_, Infallible>(event), (follower, None)))
    });
    Ok(Sse::new(follow)
        .keep_alive(KeepAlive::new().interval(SILENCE_MAX))
        .into_response())
}

impl Follower {
    /// The next event; `None` when the connection has lasted long enough.
    async fn next_event(&mut self) -> Option<Event> {
        loop {
            self.news.mark_unchanged();
            let glob = &self.glob;
            let matches = |notice: &Notice| glob.matches(&notice.anomaly.series);
            if let Some(item) = self.feed.take(&mut self.next, matches) {
                return Some(self.event(&item));
            }
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = self.ending.wait() => return None,
            }
        }
    }

    fn event(&self, item: &Item) -> Event {
        match item {
            Item::Missed(last, missed) => Event::default()
                .id(self.feed.id(*last))
                .event("missed")
                .data(format!("{{\"missed\":{missed}}}")),
            Item::Notice(number, notice) => {
                let notice = notice.report();
                let event = Event::default().id(self.feed.id(*number)).event(notice.event());
                let mut text = Vec::new();
                report::write_json(&mut text, &notice).expect("a notice can be written, and a Vec takes everything");
                event.data(String::from_utf8(text).expect("JSON is UTF-8"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anomaly::{Board, groups},
        detect::Verdict,
        metrics::Metrics,
        shard::{self, Change},
    };

    fn notice(series: &str) -> Arc<Notice> {
        let board = Board::new(1, groups::Settings::default(), Metrics::new().anomaly);
        let event = shard::Event {
            series: series.into(),
            detector: "d".into(),
            change: Some(Change::Opened),
            verdict: Verdict::default(),
        };
        Arc::new(board.record(event).unwrap())
    }

    fn everything(_: &Notice) -> bool {
        true
    }

    #[test]
    fn a_client_goes_on_behind_what_it_has_seen() {
        let feed = Feed::new(0xab);
        for series in ["a", "b", "a"] {
            feed.tell(notice(series));
        }
        let mut next = feed.behind("ab-0").unwrap();
        let is_a = |notice: &Notice| &*notice.anomaly.series == "a";
        assert!(matches!(feed.take(&mut next, is_a), Some(Item::Notice(2, _))));
        assert!(feed.take(&mut next, is_a).is_none());
        assert_eq!(next, 3);
        assert_eq!(feed.behind("ac-0"), None, "of another run");
        for id in ["", "ab", "ab-", "-1", "ab-x"] {
            assert_eq!(feed.behind(id), None, "{id:?}");
        }
    }

    #[test]
    fn one_address_leaves_room_for_others() {
        let clients: Arc<Clients> = Arc::default();
        let enter = |address: &str| clients.enter(address.parse().unwrap());
        let mut all: Vec<Client> = (0..CLIENTS_OF_ADDRESS_MAX)
            .map(|_| enter("10.0.0.1").unwrap())
            .collect();
        let Refusal(_, why) = enter("10.0.0.1").unwrap_err();
        assert_eq!(
            why,
            "32 clients from this address follow already, and there is no room for more"
        );
        all.extend((CLIENTS_OF_ADDRESS_MAX..CLIENTS_MAX).map(|_| enter("10.0.0.2").unwrap()));
        let Refusal(_, why) = enter("10.0.0.3").unwrap_err();
        assert!(why.starts_with("64 clients follow already"), "{why}");
        all.clear();
        assert!(clients.0.lock().unwrap().is_empty());
        enter("10.0.0.1").unwrap();
    }

    #[test]
    fn who_is_too_late_is_told_how_much_was_missed() {
        let feed = Feed::new(1);
        let some = notice("a");
        for _ in 0..KEPT_NOTICES + 10 {
            feed.tell(Arc::clone(&some));
        }
        let mut next = 4;
        assert!(matches!(feed.take(&mut next, everything), Some(Item::Missed(9, 6))));
        assert!(matches!(feed.take(&mut next, everything), Some(Item::Notice(10, _))));
    }
}
