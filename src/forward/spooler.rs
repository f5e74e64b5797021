//! The thread between one upstream's queue and its spool. It alone waits for the disk.
//!
//! Lines go to disk while the upstream is away, or is so far behind that half of the queue is full; the older ones are read
//! back as it takes them, and when none is left on disk the way is straight again. So order holds: what is in front of the
//! disk is older than what is on it, and what arrives is newer.
//!
//! When the disk does not take lines, they wait in memory, and what the upstream takes goes there straight as soon as
//! nothing older is on disk. Only when there is no room in memory either do the oldest lines give way, those on disk.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{
    DropReason, Queue, SpoolSettings, Sync,
    piece::Piece,
    queue::Work,
    spool::{AppendError, Bounds, Count, Place, Spool},
};

/// Bytes taken from the queue at a time.
const WRITE_BYTES: usize = 4 << 20;
/// Bytes of lines that make a record, as far as there are as many.
const RECORD_BYTES: usize = 64 << 10;
/// Bytes read back before the thread looks at what has arrived.
const READ_BYTES: usize = 4 << 20;
/// Time between two looks at a queue that is silent, while something is on disk.
const TICK: Duration = Duration::from_millis(100);
/// Time between two attempts to use a disk that fails.
const RETRY: Duration = Duration::from_secs(1);
/// Time for which the same trouble is not logged again.
const SAID_FOR: Duration = Duration::from_secs(60);

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Spooler {
    upstream: String,
    queue: Arc<Queue>,
    place: Place,
    settings: SpoolSettings,
    pace: Pace,
    /// Lines cannot go to disk before then.
    retry_at: Option<Instant>,
    /// Was that for want of room?
    is_full: bool,
    /// When trouble was last logged.
    said_at: Option<Instant>,
    /// When it was last logged that the upstream is behind, and was it caught up with since?
    behind_at: Option<Instant>,
    is_behind: bool,
    synced_at: Instant,
}

/// How fast lines are read back.
#[derive(Clone, Copy, Debug)]
struct Pace {
    lines_per_second: Option<u32>,
    /// Lines that may be read now; below 0, some were read ahead of their time.
    allowance: f64,
    at: Instant,
}

impl Spooler {
    /// Starts the thread for `upstream`, whose spool is in `place`.
    pub(super) fn start(
        upstream: &str,
        queue: Arc<Queue>,
        place: Place,
        settings: SpoolSettings,
    ) -> io::Result<JoinHandle<()>> {
        let spooler = Self {
            upstream: upstream.to_owned(),
            queue,
            place,
            pace: Pace::new(settings.drain_lines_per_second),
            settings,
            retry_at: None,
            is_full: false,
            said_at: None,
            behind_at: None,
            is_behind: false,
            synced_at: Instant::now(),
        };
        thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || spooler.run())
    }

    fn run(mut self) {
        let Some(mut spool) = self.open() else {
            return;
        };
        let recovered = spool.unread().fresh;
        if recovered > 0 {
            info!(
                upstream = self.upstream,
                lines = recovered,
                "lines of an earlier run wait on disk"
            );
        }
        self.queue.count_recovered(&spool);
        self.queue.show_spool(&mut spool);
        let mut timeout = Some(Duration::ZERO);
        loop {
            let work = self.queue.wait_for_work(timeout);
            if let Some(mark) = work.delivered {
                let committed = spool.commit(mark);
                self.check(committed);
            }
            if work.is_ending {
                self.save(spool);
                return;
            }
            let goes_on = self.work(&mut spool, work);
            self.sync(&mut spool);
            self.queue.show_spool(&mut spool);
            timeout = if goes_on {
                Some(Duration::ZERO)
            } else if work.is_spooling || !spool.is_empty() {
                Some(self.pace.wait().min(TICK))
            } else {
                None
            };
        }
    }

    /// Opens the spool, and goes on trying while lines pass it by. `None` when that was to the end.
    fn open(&mut self) -> Option<Spool> {
        let bounds = Bounds {
            bytes_max: self.settings.bytes_max,
            keep_free_bytes: self.settings.keep_free_bytes,
            sync_names: self.settings.sync != Sync::Never,
        };
        loop {
            match Spool::open(&self.place, bounds) {
                Ok(spool) => {
                    self.retry_at = None;
                    return Some(spool);
                }
                Err(error) => {
                    self.fail(&error.into());
                    self.queue.give_up_disk();
                }
            }
            if self.queue.wait_for_work(Some(RETRY)).is_ending {
                self.queue.finish_unsaved();
                return None;
            }
            self.queue.end_spooling(false);
        }
    }

    /// Does some of what there is to do. True when there is more.
    fn work(&mut self, spool: &mut Spool, work: Work) -> bool {
        let is_time = self.retry_at.is_none_or(|retry_at| retry_at <= Instant::now());
        let takes = is_time || (self.is_full && work.gives_way);
        if !work.is_spooling {
            let begins = takes && (work.wants_spool || !spool.is_drained());
            if begins {
                self.queue.begin_spooling();
                self.say_behind(work.is_away);
            } else if work.wants_spool {
                // Whoever pushes would wake us for nothing.
                thread::sleep(TICK);
            }
            return begins;
        }
        if spool.is_drained() && self.queue.end_spooling(takes) {
            if std::mem::take(&mut self.is_behind) {
                info!(upstream = self.upstream, "nothing is left on disk");
            }
            return false;
        }
        let mut goes_on = false;
        if takes {
            if work.is_away {
                self.secure(spool);
            }
            goes_on = self.write(spool);
        }
        (!work.is_away && self.read(spool)) || goes_on
    }

    /// Writes what has arrived. True when there may be more.
    fn write(&mut self, spool: &mut Spool) -> bool {
        let mut pieces = self.queue.take_arriving(WRITE_BYTES);
        let (mut fresh, mut weight) = (0, 0);
        let goes_on = !pieces.is_empty();
        let mut failure = None;
        // No more than one segment at a time: there may be room in memory then.
        let mut may_drop = self.queue.gives_way();
        while !pieces.is_empty() {
            let (length, count) = record_length(&pieces);
            if let Err(error) = self.append(spool, &pieces, length, count, &mut may_drop) {
                failure = Some(error);
                break;
            }
            fresh += count.fresh;
            for piece in pieces.drain(..length) {
                weight += piece.weight();
                if let Some(mark) = piece.mark {
                    // It was on disk before, further in front.
                    let committed = spool.commit(mark);
                    self.check(committed);
                }
            }
        }
        if self.settings.sync == Sync::Always {
            let synced = spool.sync();
            self.check(synced);
        }
        self.queue.count_written(fresh, weight, spool);
        if let Some(error) = failure {
            self.queue.put_back(pieces);
            self.fail(&error);
            if !self.is_full || spool.is_empty() {
                self.queue.give_up_disk();
            }
            return false;
        }
        if goes_on {
            self.retry_at = None;
        }
        goes_on
    }

    /// Writes a record; where there is no room, the oldest segment gives way if it `may_drop`, once.
    fn append(
        &mut self,
        spool: &mut Spool,
        pieces: &VecDeque<Piece>,
        length: usize,
        count: Count,
        may_drop: &mut bool,
    ) -> Result<(), AppendError> {
        loop {
            let lines = pieces.iter().take(length).map(|piece| &piece.bytes[..]);
            let error = match spool.append(lines, count) {
                Err(error @ (AppendError::Full | AppendError::DiskFull)) => error,
                other => return other,
            };
            if !std::mem::take(may_drop) {
                return Err(error);
            }
            match spool.drop_oldest()? {
                Some(dropped) => self.queue.count_dropped(DropReason::SpoolFull, dropped),
                None => return Err(error),
            }
        }
    }

    /// Reads back what the upstream may have. True when there may be more.
    fn read(&mut self, spool: &mut Spool) -> bool {
        let mut bytes = 0;
        while bytes < READ_BYTES {
            if spool.is_drained() || !self.queue.has_room_for_ready() || !self.pace.allows() {
                return false;
            }
            let Some(record) = spool.read() else {
                return false;
            };
            self.pace.take(record.count.sum());
            bytes += record.lines.len();
            let piece = Piece {
                bytes: record.lines,
                lines: record.count.sum(),
                attempts: u8::from(record.count.again > 0),
                mark: Some(record.mark),
            };
            self.queue.give_ready(piece, spool);
        }
        true
    }

    /// Puts what was taken from the queue and has no connection to go to in front of what is on disk, where it stays until
    /// it is delivered.
    fn secure(&mut self, spool: &mut Spool) {
        let Some((connections, pieces)) = self.queue.unsaved() else {
            return;
        };
        let records: Vec<_> = pieces
            .into_iter()
            .map(|piece| (vec![piece.bytes.clone()], piece.count()))
            .collect();
        match spool.prepend(&records) {
            Ok(marks) => {
                if self.queue.mark_saved(connections, &marks) {
                    if let Some(&last) = marks.last() {
                        spool.skip_to(last);
                    }
                } else {
                    // They are on their way.
                    let dropped = spool.drop_oldest();
                    self.check(dropped.map(|_| ()));
                }
            }
            Err(error) => self.fail(&error.into()),
        }
    }

    /// Puts everything on disk.
    fn save(&mut self, mut spool: Spool) {
        self.secure(&mut spool);
        while self.write(&mut spool) {}
        let finished = spool.finish_segment();
        self.check(finished);
        self.queue.show_spool(&mut spool);
        let lines = self.queue.finish_saving(&spool);
        if lines > 0 {
            info!(upstream = self.upstream, lines, "lines wait on disk for the next start");
        }
    }

    fn sync(&mut self, spool: &mut Spool) {
        let Sync::Every(pause) = self.settings.sync else {
            return;
        };
        if spool.is_synced() {
            return;
        }
        let now = Instant::now();
        if now.duration_since(self.synced_at) >= pause {
            let synced = spool.sync();
            self.check(synced);
            self.synced_at = now;
        }
    }

    /// Counts what went wrong beside the lines themselves.
    fn check(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.queue.count_spool_failure();
            if self.is_news() {
                warn!(upstream = self.upstream, %error, "the spool has trouble with its disk");
            }
        }
    }

    /// Lines cannot be put on disk.
    fn fail(&mut self, error: &AppendError) {
        self.is_full = matches!(error, AppendError::Full | AppendError::DiskFull);
        let is_expected = matches!(error, AppendError::Full);
        if !is_expected {
            self.queue.count_spool_failure();
        }
        if self.is_news() {
            let directory = self.place.directory().display();
            warn!(upstream = self.upstream, %directory, %error, "lines cannot go to disk, and wait in memory");
        }
        self.retry_at = Some(Instant::now() + if is_expected { TICK } else { RETRY });
    }

    /// Logs that lines go to disk; one that is away has been logged already.
    fn say_behind(&mut self, is_away: bool) {
        let now = Instant::now();
        if !is_away && self.behind_at.is_none_or(|at| now.duration_since(at) >= SAID_FOR) {
            warn!(upstream = self.upstream, "the upstream is slow: lines go to disk");
            self.behind_at = Some(now);
            self.is_behind = true;
        }
    }

    /// Is this to be logged, as nothing has been for a while?
    fn is_news(&mut self) -> bool {
        let now = Instant::now();
        let is_news = self
            .said_at
            .is_none_or(|said_at| now.duration_since(said_at) >= SAID_FOR);
        if is_news {
            self.said_at = Some(now);
        }
        is_news
    }
}

/// Pieces that make a record: either none of them was sent, or all were.
fn record_length(pieces: &VecDeque<Piece>) -> (usize, Count) {
    let were_sent = pieces.front().is_some_and(|piece| piece.attempts > 0);
    let (mut length, mut bytes, mut count) = (0, 0, Count::default());
    for piece in pieces {
        if (piece.attempts > 0) != were_sent || bytes >= RECORD_BYTES {
            break;
        }
        length += 1;
        bytes += piece.bytes.len();
        count.add(piece.count());
    }
    (length, count)
}

impl Pace {
    fn new(lines_per_second: Option<u32>) -> Self {
        Self {
            lines_per_second,
            allowance: 0.0,
            at: Instant::now(),
        }
    }

    /// May more lines be read?
    fn allows(&mut self) -> bool {
        let Some(rate) = self.lines_per_second.map(f64::from) else {
            return true;
        };
        let now = Instant::now();
        let earned = now.duration_since(self.at).as_secs_f64() * rate;
        // What was not used is used up, but for that of a tick.
        self.allowance = (self.allowance + earned).min((rate * TICK.as_secs_f64()).max(1.0));
        self.at = now;
        self.allowance >= 1.0
    }

    #[expect(clippy::cast_precision_loss, reason = "lines of a record")]
    fn take(&mut self, lines: u64) {
        self.allowance -= lines as f64;
    }

    /// Time until more lines may be read.
    fn wait(&self) -> Duration {
        let missing = (1.0 - self.allowance).max(0.0);
        self.lines_per_second
            .map_or(Duration::MAX, |rate| Duration::from_secs_f64(missing / f64::from(rate)))
    }
}
