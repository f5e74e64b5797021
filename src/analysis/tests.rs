//! Queues and threads: what gives when they are full, and what becomes of what was given.

use std::{
    fmt::Write as _,
    future::Future,
    sync::mpsc::{Receiver, Sender, channel},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::{inbox::BYTES_PER_WEIGHT, *};
use crate::shard::{LineRef, Unanalysed};

const NOW: Timestamp = 1_700_000_000;
const SOON: Duration = Duration::from_secs(20);

/// Lines that the only shard's queue holds.
const ROOM: usize = 10;

/// An analysis with one shard, which waits at a gate behind every batch.
struct Bench {
    analysis: Arc<Analysis>,
    /// Lets one batch pass; dropped, all.
    gate: Sender<()>,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    tally: Tally,
    events: Vec<Event>,
    series: i64,
}

struct Gated {
    gate: Receiver<()>,
    told: Arc<Mutex<Told>>,
}

impl Sink for Gated {
    fn events(&mut self, events: &mut Vec<Event>) {
        self.told.lock().unwrap().events.append(events);
    }

    fn tally(&mut self, tally: &Tally) {
        self.told.lock().unwrap().tally.add(tally);
        // Open for good once the sender is gone.
        let _ = self.gate.recv();
    }

    fn census(&mut self, census: Census) {
        self.told.lock().unwrap().series += census.series;
    }
}

impl Bench {
    fn new(when_behind: WhenBehind) -> Self {
        let settings = Settings {
            when_behind,
            shards: 1,
            queue_lines_max: ROOM,
            memory_bytes_max: None,
        };
        let (gate, closed) = channel();
        let told = Arc::default();
        let mut sink = Some(Gated {
            gate: closed,
            told: Arc::clone(&told),
        });
        let shard_settings = Arc::new(shard::Settings::default());
        let analysis = Analysis::start(settings, &shard_settings, || sink.take().expect("one shard")).unwrap();
        Self {
            analysis: Arc::new(analysis),
            gate,
            told,
        }
    }

    async fn give(&self, batch: Batch) -> Result<(), Batch> {
        self.analysis.give(0, batch).await
    }

    /// Opens the gate for good, waits for the end, and gives what was told.
    async fn finish(self) -> Tally {
        drop(self.gate);
        assert!(self.analysis.stop(SOON).await, "nothing is left");
        self.told.lock().unwrap().tally.clone()
    }
}

/// Samples of one series, one a second from `from` on.
fn batch(from: i64, lines: usize) -> Batch {
    padded(from, lines, 0)
}

/// The same with so many blanks before each value.
fn padded(from: i64, lines: usize, blanks: usize) -> Batch {
    let (mut text, mut refs) = (String::new(), Vec::new());
    for timestamp in (NOW + from..).take(lines) {
        let begin = text.len();
        write!(text, "a {}1 {timestamp}", " ".repeat(blanks)).unwrap();
        refs.push(LineRef::new(7, &(begin..begin + 1), text.len()));
        text.push('\n');
    }
    Batch {
        chunk: Bytes::from(text),
        received: NOW + from,
        lines: refs,
    }
}

/// Has the runtime at hand run `test`, and fails when it hangs.
#[track_caller]
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(SOON, test).await.expect("it does not hang") });
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn it_is_known_beforehand_that_a_chunk_would_be_shed() {
    for when_behind in [WhenBehind::Shed, WhenBehind::Wait] {
        run(async {
            let bench = Bench::new(when_behind);
            bench.give(batch(0, 6)).await.unwrap();
            assert!(!bench.analysis.would_shed(4 * BYTES_PER_WEIGHT));
            assert_eq!(
                bench.analysis.would_shed(5 * BYTES_PER_WEIGHT),
                when_behind == WhenBehind::Shed
            );
            if when_behind == WhenBehind::Shed {
                bench
                    .give(padded(6, 1, 5 * BYTES_PER_WEIGHT))
                    .await
                    .expect_err("there is room for four");
            }
            bench.finish().await;
        });
    }
}

#[test]
fn a_full_queue_sheds_and_gives_the_batch_back() {
    run(async {
        let bench = Bench::new(WhenBehind::Shed);
        // What is at work counts until it is done.
        bench.give(batch(0, 4)).await.unwrap();
        bench.give(batch(4, 6)).await.unwrap();
        assert_eq!(bench.analysis.queued_weight(), ROOM);
        let shed = bench.give(batch(10, 1)).await.expect_err("there is no room");
        assert_eq!((shed.lines.len(), &*shed.chunk), (1, b"a 1 1700000010\n".as_slice()));
        assert_eq!(bench.analysis.queued_weight(), ROOM);

        // Four lines done are room for four.
        bench.gate.send(()).unwrap();
        while bench.analysis.queued_weight() == ROOM {
            tokio::task::yield_now().await;
        }
        bench.give(batch(20, 5)).await.expect_err("there is room for four");
        bench.give(batch(30, 4)).await.unwrap();
        assert_eq!(bench.finish().await.analysed, 4 + 6 + 4);
    });
}

#[test]
fn a_full_queue_makes_givers_wait_when_told_to() {
    run(async {
        let bench = Bench::new(WhenBehind::Wait);
        bench.give(batch(0, ROOM)).await.unwrap();
        {
            let mut waiting = std::pin::pin!(bench.give(batch(10, 1)));
            for _ in 0..100 {
                assert!(poll(waiting.as_mut()).is_pending(), "there is no room yet");
                tokio::task::yield_now().await;
            }
            bench.gate.send(()).unwrap();
            waiting.await.unwrap();
        }
        assert_eq!(bench.finish().await.analysed, 11);
    });
}

#[test]
fn long_lines_weigh_by_their_bytes_and_one_batch_always_fits() {
    run(async {
        let bench = Bench::new(WhenBehind::Shed);
        // Weighs twenty times what there is room for.
        bench.give(padded(0, 1, 20 * ROOM * BYTES_PER_WEIGHT)).await.unwrap();
        assert_eq!(bench.analysis.queued_weight(), ROOM);
        bench.give(batch(1, 1)).await.expect_err("there is no room beside it");
        bench.gate.send(()).unwrap();
        while bench.analysis.queued_weight() > 0 {
            tokio::task::yield_now().await;
        }
        bench.give(padded(1, 1, 4 * BYTES_PER_WEIGHT)).await.unwrap();
        assert_eq!(bench.analysis.queued_weight(), 4);
        assert_eq!(bench.finish().await.analysed, 2);
    });
}

#[test]
fn batches_are_judged_in_the_order_in_which_they_were_given() {
    run(async {
        let bench = Bench::new(WhenBehind::Wait);
        let Bench { analysis, gate, told } = bench;
        drop(gate);
        for number in 0..500 {
            analysis.give(0, batch(3 * number, 3)).await.unwrap();
        }
        assert!(analysis.stop(SOON).await);
        let tally = told.lock().unwrap().tally.clone();
        assert_eq!((tally.analysed, tally.unanalysed(Unanalysed::Late)), (1500, 0));
    });
}

#[test]
fn a_question_is_answered_between_the_batches_it_was_asked_between() {
    run(async {
        let bench = Bench::new(WhenBehind::Shed);
        let samples = |shard: &mut Shard| shard.look_up(7, "a").map_or(0, |(_, points)| points.len());
        assert_eq!(bench.analysis.ask(0, samples).await, Ok(0));
        bench.give(batch(0, 2)).await.unwrap();
        let mut asked = std::pin::pin!(bench.analysis.ask(0, samples));
        assert!(poll(asked.as_mut()).is_pending(), "the shard is at work");
        bench.give(batch(2, 3)).await.unwrap();
        let mut asked_later = std::pin::pin!(bench.analysis.ask(0, samples));
        assert!(poll(asked_later.as_mut()).is_pending());
        bench.gate.send(()).unwrap();
        assert_eq!(asked.await, Ok(2));
        assert_eq!(bench.analysis.queued_weight(), 3, "the next batch is not done");
        bench.gate.send(()).unwrap();
        assert_eq!(asked_later.await, Ok(5));
    });
}

#[test]
fn a_question_that_nobody_waits_for_does_no_harm() {
    run(async {
        let bench = Bench::new(WhenBehind::Shed);
        bench.give(batch(0, 1)).await.unwrap();
        {
            let mut asked = std::pin::pin!(bench.analysis.ask(0, |_| ()));
            assert!(poll(asked.as_mut()).is_pending());
        }
        bench.give(batch(1, 1)).await.unwrap();
        assert_eq!(bench.finish().await.analysed, 2);
    });
}

#[test]
fn a_stop_drains_what_was_given_before_and_refuses_what_comes_after() {
    run(async {
        let bench = Bench::new(WhenBehind::Wait);
        for number in 0..5 {
            bench.give(batch(2 * number, 2)).await.unwrap();
        }
        assert!(
            !bench.analysis.stop(Duration::from_millis(20)).await,
            "the gate is closed"
        );
        let Bench { analysis, gate, told } = bench;
        drop(gate);
        while told.lock().unwrap().tally.analysed < 10 {
            tokio::task::yield_now().await;
        }
        while analysis.ask(0, |_| ()).await.is_ok() {}
        analysis.give(0, batch(100, 1)).await.expect_err("it has ended");
        assert_eq!(analysis.ask(0, |_| ()).await, Err(Stopped));
        assert_eq!(analysis.queued_weight(), 0);
        assert_eq!(told.lock().unwrap().tally.analysed, 10);
    });
}

#[test]
fn what_is_given_during_a_stop_is_judged_or_given_back() {
    run(async {
        let bench = Bench::new(WhenBehind::Shed);
        bench.give(batch(0, 1)).await.unwrap();
        let mut stopping = std::pin::pin!(bench.analysis.stop(SOON));
        assert!(poll(stopping.as_mut()).is_pending(), "the gate is closed");
        let given = bench.give(batch(1, 1)).await;
        let mut asked = std::pin::pin!(bench.analysis.ask(0, |_| ()));
        let _ = poll(asked.as_mut());
        bench.gate.send(()).unwrap();
        bench.gate.send(()).unwrap();
        assert!(stopping.await);
        let _ = asked.await;
        let expected = if given.is_ok() { 2 } else { 1 };
        assert_eq!(bench.told.lock().unwrap().tally.analysed, expected);
    });
}

#[test]
fn all_shards_sweep_and_tell_of_what_closes() {
    run(async {
        let bench = Bench::new(WhenBehind::Shed);
        let Bench { analysis, gate, told } = bench;
        drop(gate);
        analysis.give(0, batch(0, 1)).await.unwrap();
        assert_eq!(analysis.ask(0, |shard| shard.series_count()).await, Ok(1));
        assert_eq!(analysis.series_count(), 1);
        analysis.sweep(NOW + 24 * 3600 + 1);
        assert_eq!(analysis.ask(0, |shard| shard.series_count()).await, Ok(0));
        assert_eq!(analysis.series_count(), 0);
        assert!(told.lock().unwrap().events.is_empty(), "nothing was open");
    });
}

#[test]
fn a_shard_that_hangs_is_noticed() {
    run(async {
        let bench = Bench::new(WhenBehind::Shed);
        let mut done = Vec::new();
        let moves_on = async |done: &mut Vec<u64>| {
            let moves_on = bench.analysis.moves_on(done);
            bench.analysis.ask(0, |_| ()).await.unwrap();
            moves_on
        };
        for _ in 0..3 {
            assert!(moves_on(&mut done).await);
        }
        // The gate is closed behind it.
        bench.give(batch(0, 1)).await.unwrap();
        bench.analysis.moves_on(&mut done);
        std::thread::sleep(Duration::from_millis(50));
        bench.analysis.moves_on(&mut done);
        assert!(!bench.analysis.moves_on(&mut done), "it has done nothing since");
        bench.gate.send(()).unwrap();
        bench.analysis.ask(0, |_| ()).await.unwrap();
        assert!(bench.analysis.moves_on(&mut done));
        let analysis = Arc::clone(&bench.analysis);
        bench.finish().await;
        assert!(!analysis.moves_on(&mut done), "it has ended");
    });
}
