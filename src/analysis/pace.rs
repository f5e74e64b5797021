//! How far a thread that analyses stands back while lines are shed.
//!
//! A shard that is behind always has work: it takes what is left of every processor between two steps of forwarding, and
//! leaves cold caches behind. So while lines are shed it works in short turns and pauses in between, as long as all of this
//! holds: it has lately waited for a processor, so there are none to spare, and the rest of the relay keeps more than half
//! a processor busy, so lines come far faster than they could be judged. What is left to it then is a tenth of a processor.
//! Where processors are free, or forwarding takes little, it does not pause, and judges as much as it can.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// How long it works, pauses aside, before it looks at the clocks.
const TURN: Duration = Duration::from_millis(2);
/// It pauses for so many times what it has used.
const PAUSES: u32 = 9;
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// A turn in which it waited for a processor says something about those after it.
const WAIT_COUNTS_FOR: Duration = Duration::from_millis(100);

/// Processor time of all threads that analyse, as far as they have looked (nanoseconds).
#[derive(Debug, Default)]
pub(super) struct Used(AtomicU64);

/// The turns of one thread.
#[derive(Debug)]
pub(super) struct Pace {
    used: Arc<Used>,
    /// At the end of the last turn.
    last: Clocks,
    /// When this turn began, after the pause.
    begun: Instant,
    /// When it was last seen that a processor was waited for.
    waited: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Clocks {
    now: Instant,
    /// Processor time of this thread.
    own: Duration,
    /// Of all that analyse.
    analysis: Duration,
    /// Of the whole process.
    process: Duration,
}

impl Pace {
    /// For the thread that calls this.
    pub(super) fn new(used: Arc<Used>) -> Self {
        let now = Instant::now();
        let last = Clocks::read(now, Duration::ZERO, &used);
        Self {
            used,
            last,
            begun: now,
            waited: None,
        }
    }

    /// To be called between messages: pauses if it is time to.
    pub(super) fn step(&mut self, is_behind: impl FnOnce() -> bool) {
        let now = Instant::now();
        if now - self.begun < TURN {
            return;
        }
        let clocks = Clocks::read(now, self.last.own, &self.used);
        if let Some(pause) = self.end_turn(clocks, is_behind()) {
            std::thread::sleep(pause);
            self.begun = Instant::now();
        }
    }

    /// Ends a turn, and gives how long to pause.
    fn end_turn(&mut self, clocks: Clocks, is_behind: bool) -> Option<Duration> {
        let last = std::mem::replace(&mut self.last, clocks);
        let worked = clocks.now - std::mem::replace(&mut self.begun, clocks.now);
        if !is_behind {
            self.waited = None;
            return None;
        }
        let own = clocks.own.saturating_sub(last.own);
        // While it is behind it waits for nothing else.
        if own < worked * 3 / 4 {
            self.waited = Some(clocks.now);
        }
        let analysis = clocks.analysis.saturating_sub(last.analysis);
        let rest = clocks.process.saturating_sub(last.process).saturating_sub(analysis);
        let is_short = self.waited.is_some_and(|at| clocks.now - at < WAIT_COUNTS_FOR);
        let is_forwarding_much = rest > (clocks.now - last.now) / 2;
        (is_short && is_forwarding_much).then(|| (own * PAUSES).min(PAUSE_MAX))
    }
}

impl Clocks {
    /// Reads those of the thread that calls this, which had used `own_before` when it last did.
    fn read(now: Instant, own_before: Duration, used: &Used) -> Self {
        let own = processor_time(ClockId::ThreadCPUTime);
        Self {
            now,
            own,
            analysis: used.add(own.saturating_sub(own_before)),
            process: processor_time(ClockId::ProcessCPUTime),
        }
    }
}

impl Used {
    /// Adds what one thread has used, and gives the sum.
    fn add(&self, more: Duration) -> Duration {
        let more = u64::try_from(more.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.0.fetch_add(more, Ordering::Relaxed).saturating_add(more))
    }
}

fn processor_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    struct Day {
        pace: Pace,
        clocks: Clocks,
    }

    impl Day {
        fn begin() -> Self {
            let begun = Instant::now();
            let clocks = Clocks {
                now: begun,
                own: Duration::ZERO,
                analysis: Duration::ZERO,
                process: Duration::ZERO,
            };
            let pace = Pace {
                used: Arc::default(),
                last: clocks,
                begun,
                waited: None,
            };
            Self { pace, clocks }
        }

        /// A turn of so many milliseconds, in which this thread and the rest of the relay have used that much. Gives the
        /// pause behind it, in which the rest uses nothing.
        fn turn(&mut self, worked: u32, own: u32, rest: u32, is_behind: bool) -> Option<Duration> {
            self.clocks.now += worked * MS;
            self.clocks.own += own * MS;
            // Another one analyses as much.
            self.clocks.analysis += 2 * own * MS;
            self.clocks.process += (2 * own + rest) * MS;
            let pause = self.pace.end_turn(self.clocks, is_behind);
            self.clocks.now += pause.unwrap_or_default();
            self.pace.begun = self.clocks.now;
            pause
        }
    }

    #[test]
    fn it_pauses_where_processors_are_short_and_forwarding_takes_much() {
        assert_eq!(Day::begin().turn(4, 2, 3, true), Some(18 * MS));
        assert_eq!(Day::begin().turn(40, 20, 30, true), Some(PAUSE_MAX));
        assert_eq!(Day::begin().turn(4, 2, 3, false), None, "it is not behind");
        assert_eq!(Day::begin().turn(4, 4, 3, true), None, "it has a processor to itself");
        assert_eq!(Day::begin().turn(4, 2, 1, true), None, "forwarding takes little");
    }

    #[test]
    fn what_forwarding_takes_is_seen_over_the_pause_as_well() {
        let mut day = Day::begin();
        assert_eq!(day.turn(4, 2, 3, true), Some(18 * MS));
        assert_eq!(day.turn(4, 2, 10, true), None, "ten of 22 milliseconds");
        assert_eq!(day.turn(4, 2, 3, true), Some(18 * MS));
        assert_eq!(day.turn(4, 2, 12, true), Some(18 * MS));
    }

    #[test]
    fn that_it_waited_counts_for_a_while() {
        let mut day = Day::begin();
        assert_eq!(day.turn(4, 2, 4, true), Some(18 * MS));
        let mut paused = Duration::ZERO;
        while let Some(pause) = day.turn(2, 2, 20, true) {
            paused += pause;
        }
        assert!((60 * MS..120 * MS).contains(&paused), "{paused:?}");
        assert_eq!(day.turn(2, 2, 20, true), None);
        day.turn(4, 2, 4, true);
        day.turn(2, 2, 20, false);
        assert_eq!(day.turn(2, 2, 20, true), None, "it had not been behind in between");
    }

    #[test]
    fn all_threads_are_added_up() {
        let used = Arc::new(Used::default());
        let work = || {
            let mut pace = Pace::new(Arc::clone(&used));
            while pace.last.own < 5 * MS {
                pace.step(|| false);
            }
        };
        std::thread::scope(|scope| [scope.spawn(work), scope.spawn(work)].map(|thread| thread.join().unwrap()));
        let all = used.add(Duration::ZERO);
        assert!(all >= 10 * MS, "{all:?}");
        assert!(all <= processor_time(ClockId::ProcessCPUTime));
    }
}
