//! The way to one shard: a queue that is bounded in weight, and what gives when it is full.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Message;
use crate::shard::Batch;

/// Bytes of a batch that weigh as much as one line.
pub(super) const BYTES_PER_WEIGHT: usize = 128;

/// What has to be free again of a queue that was full before it takes on more, one part in so many. In between nobody
/// looks for names in what comes, and readers go on in memory that they have in cache.
const AGAIN_PART: usize = 8;

/// A queue that is this full (one part in so many), and was full, is one whose shard is behind.
const BEHIND_PART: usize = 2;

/// The way to one shard.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    pub(super) messages: mpsc::UnboundedSender<Message>,
    pub(super) queue: Arc<Queue>,
}

/// What both ends know of a queue.
#[derive(Debug)]
pub(super) struct Queue {
    /// What it may still take on: every batch in it holds a permit.
    room: Arc<Semaphore>,
    room_max: u32,
    /// Full, and not yet much less so.
    is_shedding: AtomicBool,
    /// Full, and not yet half empty.
    is_behind: AtomicBool,
    /// Has anything been shed since somebody asked?
    has_shed: AtomicBool,
    /// Messages that have been dealt with.
    done: AtomicU64,
}

impl Inbox {
    /// Puts `batch` into the queue. Waits while it is full, or gives it back if it `sheds`.
    pub(super) async fn give(&self, batch: Batch, sheds: bool) -> Result<(), Batch> {
        let queue = &self.queue;
        let weight = queue.weight(&batch);
        let room = Arc::clone(&queue.room);
        let permit = if !sheds {
            queue.shed_no_more();
            room.acquire_many_owned(weight).await.ok()
        } else if queue.is_shedding() {
            None
        } else {
            room.try_acquire_many_owned(weight).ok()
        };
        let Some(permit) = permit else {
            queue.shed();
            return Err(batch);
        };
        match self.messages.send(Message::Batch(batch, permit)) {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendError(Message::Batch(batch, _))) => Err(batch),
            Err(_) => unreachable!("what comes back is what was sent"),
        }
    }
}

/// Room that is taken until this is dropped.
pub(super) type Taken = OwnedSemaphorePermit;

impl Queue {
    pub(super) fn new(room_max: u32) -> Self {
        Self {
            room: Arc::new(Semaphore::new(room_max as usize)),
            room_max,
            is_shedding: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
            has_shed: AtomicBool::new(false),
            done: AtomicU64::new(0),
        }
    }

    /// Would it shed whatever part it is given of a chunk of so many bytes?
    pub(super) fn would_shed(&self, chunk_bytes: usize) -> bool {
        let least = chunk_bytes / BYTES_PER_WEIGHT;
        self.is_shedding() || self.room.available_permits() < least.min(self.room_max as usize)
    }

    fn is_shedding(&self) -> bool {
        let is_shedding = self.is_shedding.load(Ordering::Relaxed);
        if is_shedding && self.has_free(AGAIN_PART) {
            self.is_shedding.store(false, Ordering::Relaxed);
            return false;
        }
        is_shedding
    }

    /// Notes that something was shed.
    pub(super) fn shed(&self) {
        // Mostly they say so already, and everybody may go on reading them.
        for flag in [&self.is_shedding, &self.is_behind, &self.has_shed] {
            if !flag.load(Ordering::Relaxed) {
                flag.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Notes that senders wait from now on: the shard is behind by no more than they let it be.
    fn shed_no_more(&self) {
        for flag in [&self.is_shedding, &self.is_behind] {
            if flag.load(Ordering::Relaxed) {
                flag.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Has anything been shed since the last call?
    pub(super) fn take_has_shed(&self) -> bool {
        self.has_shed.swap(false, Ordering::Relaxed)
    }

    /// Is the shard so far behind that lines are shed, or will be soon?
    pub(super) fn is_behind(&self) -> bool {
        let is_behind = self.is_behind.load(Ordering::Relaxed);
        if is_behind && self.has_free(BEHIND_PART) {
            self.is_behind.store(false, Ordering::Relaxed);
            return false;
        }
        is_behind
    }

    /// Is one part in so many free?
    fn has_free(&self, part: usize) -> bool {
        self.room.available_permits() * part >= self.room_max as usize
    }

    /// Weight of what waits or is at work.
    pub(super) fn weight_taken(&self) -> usize {
        self.room_max as usize - self.room.available_permits()
    }

    /// A line weighs one, and long lines one for each [`BYTES_PER_WEIGHT`] of them. One batch always fits.
    fn weight(&self, batch: &Batch) -> u32 {
        let weight = batch.lines.len().max(batch.chunk.len() / BYTES_PER_WEIGHT);
        u32::try_from(weight).unwrap_or(u32::MAX).min(self.room_max)
    }

    /// Counts a message that has been dealt with.
    pub(super) fn count_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages that have been dealt with.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::shard::LineRef;

    const ROOM: u32 = 80;

    fn line() -> Batch {
        Batch {
            chunk: Bytes::from_static(b"a 1 2\n"),
            received: 0,
            lines: vec![LineRef::new(7, &(0..1), 5)],
        }
    }

    /// An inbox with so much room, and what comes out of it.
    fn inbox(room: u32) -> (Inbox, mpsc::UnboundedReceiver<Message>) {
        let (messages, queued) = mpsc::unbounded_channel();
        let queue = Arc::new(Queue::new(room));
        (Inbox { messages, queue }, queued)
    }

    #[tokio::test]
    async fn a_queue_that_was_full_sheds_until_a_part_of_it_is_free_again() {
        let (inbox, mut queued) = inbox(ROOM);
        for _ in 0..ROOM {
            assert!(!inbox.queue.would_shed(BYTES_PER_WEIGHT));
            inbox.give(line(), true).await.unwrap();
        }
        assert!(inbox.queue.would_shed(BYTES_PER_WEIGHT));
        assert!(
            !inbox.queue.is_behind() && !inbox.queue.take_has_shed(),
            "nothing was shed"
        );
        inbox.give(line(), true).await.expect_err("it is full");
        assert!(inbox.queue.take_has_shed() && !inbox.queue.take_has_shed());

        let mut free = async |lines: u32| {
            for _ in 0..lines {
                queued.recv().await.unwrap();
            }
        };
        free(9).await;
        assert!(inbox.queue.would_shed(BYTES_PER_WEIGHT));
        inbox.give(line(), true).await.expect_err("nine are not an eighth");
        free(1).await;
        assert!(!inbox.queue.would_shed(BYTES_PER_WEIGHT));
        for _ in 0..10 {
            inbox.give(line(), true).await.unwrap();
        }
        inbox.give(line(), true).await.expect_err("it is full");
        free(39).await;
        assert!(inbox.queue.is_behind());
        free(1).await;
        assert!(!inbox.queue.is_behind());
        inbox.give(line(), true).await.unwrap();
        assert!(!inbox.queue.is_behind());
    }

    #[tokio::test]
    async fn where_senders_wait_from_now_on_nobody_is_behind() {
        let (inbox, mut queued) = inbox(1);
        inbox.give(line(), true).await.unwrap();
        inbox.give(line(), true).await.expect_err("it is full");
        queued.recv().await.unwrap();
        // Still full when it is looked at: this is the one that waited.
        inbox.give(line(), false).await.unwrap();
        assert!(!inbox.queue.is_behind());
        assert!(inbox.queue.take_has_shed(), "what was shed is not forgotten");
    }

    #[tokio::test]
    async fn one_who_may_wait_is_not_kept_waiting_for_more_than_its_room() {
        let (inbox, mut queued) = inbox(ROOM);
        for _ in 0..ROOM {
            inbox.give(line(), true).await.unwrap();
        }
        inbox.give(line(), true).await.expect_err("it is full");
        queued.recv().await.unwrap();
        inbox.give(line(), false).await.unwrap();
    }
}
