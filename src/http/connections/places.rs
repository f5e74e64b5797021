//! Places for connections: so many at a time, and who gives way to one more.
//!
//! Whoever has waited longest with nothing asked gives way: it is silent, or does not come to the point. When all have asked,
//! it is the one that has been answered for longest, and for longer than an answer takes: it follows what happens, and will
//! come back, or does not take what it is given, or give what it has to say.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

/// Longest time that an answer is waited for before its connection may have to give way.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Pause between two looks whether there is one by now.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    by_number: HashMap<u64, Guest>,
}

/// Who has a place.
#[derive(Debug)]
struct Guest {
    has_asked: bool,
    /// Since when that is so.
    since: Instant,
    gives_way: CancellationToken,
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    gives_way: CancellationToken,
}

/// An answer that is being given until it is dropped.
struct Answering(Arc<Place>);

/// The body of one.
struct Given {
    body: Body,
    _answering: Answering,
}

impl Places {
    /// So many (1 or more).
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Takes a place; somebody else's if need be.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        loop {
            if let Some(place) = self.try_take(Instant::now()) {
                return place;
            }
            // Early or late, it is looked again.
            let _ = timeout(LOOK_EVERY, self.freed.notified()).await;
        }
    }

    fn try_take(self: &Arc<Self>, now: Instant) -> Option<Place> {
        let mut taken = self.taken();
        if taken.by_number.len() >= self.max {
            let who = taken.who_gives_way(now)?;
            if let Some(guest) = taken.by_number.remove(&who) {
                guest.gives_way.cancel();
            }
        }
        let (number, gives_way) = (taken.next, CancellationToken::new());
        taken.next += 1;
        let guest = Guest {
            has_asked: false,
            since: now,
            gives_way: gives_way.clone(),
        };
        taken.by_number.insert(number, guest);
        Some(Place {
            places: Arc::clone(self),
            number,
            gives_way,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("nobody panics with the lock held")
    }
}

impl Taken {
    fn who_gives_way(&self, now: Instant) -> Option<u64> {
        let may = |guest: &Guest| !guest.has_asked || now.saturating_duration_since(guest.since) >= ANSWER_MAX;
        let guests = self.by_number.iter().filter(|(_, guest)| may(guest));
        let first = guests.min_by_key(|(number, guest)| (guest.has_asked, guest.since, **number));
        first.map(|(number, _)| *number)
    }
}

impl Place {
    /// Waits until somebody else is to have it.
    pub(super) async fn is_given_away(&self) {
        self.gives_way.cancelled().await;
    }

    fn set(&self, has_asked: bool) {
        // It may be somebody else's by now.
        if let Some(guest) = self.places.taken().by_number.get_mut(&self.number) {
            (guest.has_asked, guest.since) = (has_asked, Instant::now());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().by_number.remove(&self.number);
        self.places.freed.notify_one();
    }
}

impl Answering {
    fn begin(place: Arc<Place>) -> Self {
        place.set(true);
        Self(place)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Takes note that a request is being answered, until the answer is given.
pub(super) async fn note(State(place): State<Arc<Place>>, request: Request, next: Next) -> Response {
    let answering = Answering::begin(place);
    let response = next.run(request).await;
    response.map(|body| {
        Body::new(Given {
            body,
            _answering: answering,
        })
    })
}

impl hyper::body::Body for Given {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_longest_with_nothing_asked_gives_way() {
        let (places, now) = (Places::new(3), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        let guests = [0, 1, 2].map(|second| places.try_take(after(second)).unwrap());
        guests[0].set(true);
        let fourth = places.try_take(after(3)).unwrap();
        let has_to_go = |place: &Place| place.gives_way.is_cancelled();
        assert_eq!(guests.each_ref().map(has_to_go), [false, true, false]);
        // Its end frees nobody else's place.
        let [first, _, third] = guests;
        third.set(true);
        fourth.set(true);
        assert!(places.try_take(Instant::now()).is_none(), "all are being answered");
        drop(third);
        let fifth = places.try_take(Instant::now()).unwrap();
        fifth.set(true);
        assert!(places.try_take(Instant::now()).is_none());
        // The first was asked first, and is still at it.
        places.try_take(Instant::now() + ANSWER_MAX).unwrap();
        assert!(has_to_go(&first) && !has_to_go(&fourth) && !has_to_go(&fifth));
    }
}
