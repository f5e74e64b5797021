//! The queue alone, without a connection and without a spool.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::*;
use crate::{forward::spool::Count, metrics::Metrics};

/// Bytes that a chunk of two takes.
const CHUNK_BYTES: usize = 2 + 64;

fn queue(chunks: usize, when_full: WhenFull) -> Queue {
    let settings = Settings {
        queue_bytes_max: chunks * CHUNK_BYTES,
        when_full,
        ..Settings::new("test", "127.0.0.1:1")
    };
    Queue::new(&settings, false, &Metrics::new().forward)
}

fn lines_queued(queue: &Queue) -> u64 {
    queue.lock().lines
}

/// Writes off chunks of two bytes.
fn deliver(queue: &Queue, chunks: u64) {
    let bytes = usize::try_from(chunks).unwrap() * CHUNK_BYTES;
    queue.settle(&Settled {
        count: Count {
            fresh: chunks,
            again: 0,
        },
        bytes,
        weight: bytes,
        delivered: None,
    });
}

fn chunk(text: &'static str) -> Chunk {
    Chunk {
        bytes: Bytes::from_static(text.as_bytes()),
        lines: 1,
    }
}

fn take_all(queue: &Queue) -> String {
    let mut taken = VecDeque::new();
    while queue.take(1, &mut taken) {}
    taken
        .iter()
        .map(|chunk| std::str::from_utf8(&chunk.bytes).unwrap())
        .collect()
}

#[tokio::test]
async fn chunks_leave_in_order() {
    let queue = queue(9, WhenFull::DropOldest);
    for text in ["a\n", "b\n", "c\n"] {
        queue.push(chunk(text)).await;
    }
    assert_eq!(lines_queued(&queue), 3);
    assert_eq!(take_all(&queue), "a\nb\nc\n");
    assert_eq!(lines_queued(&queue), 3);
    deliver(&queue, 3);
    assert_eq!((lines_queued(&queue), queue.lines_dropped()), (0, 0));
}

#[tokio::test]
async fn a_full_queue_drops_its_oldest_and_counts() {
    let queue = queue(2, WhenFull::DropOldest);
    for text in ["a\n", "b\n", "c\n", "d\n"] {
        queue.push(chunk(text)).await;
    }
    assert_eq!(queue.lines_dropped(), 2);
    assert_eq!(take_all(&queue), "c\nd\n");
}

#[tokio::test]
async fn a_chunk_larger_than_the_queue_still_passes() {
    let queue = queue(1, WhenFull::PauseSenders);
    queue.push(chunk("a line that is longer than two bytes\n")).await;
    assert_eq!(take_all(&queue), "a line that is longer than two bytes\n");
}

#[tokio::test]
async fn a_full_queue_makes_senders_wait() {
    let queue = Arc::new(queue(2, WhenFull::PauseSenders));
    queue.push(chunk("a\n")).await;
    queue.push(chunk("b\n")).await;
    let pushing = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.push(chunk("c\n")).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!pushing.is_finished());
    let mut taken = VecDeque::new();
    assert!(queue.take(1, &mut taken));
    deliver(&queue, 1);
    pushing.await.unwrap();
    assert_eq!(take_all(&queue), "b\nc\n");
    assert_eq!(queue.lines_dropped(), 0);
}

#[tokio::test]
async fn what_is_abandoned_is_counted() {
    let queue = queue(9, WhenFull::DropOldest);
    queue.push(chunk("a\n")).await;
    queue.push(chunk("b\n")).await;
    let mut taken = VecDeque::new();
    queue.take(1, &mut taken);
    queue.abandon(DropReason::Shutdown);
    queue.push(chunk("c\n")).await;
    assert_eq!((queue.lines_dropped(), lines_queued(&queue)), (3, 0));
    assert_eq!(take_all(&queue), "");
}
