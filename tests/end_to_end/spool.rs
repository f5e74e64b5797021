//! Lines on disk: what an upstream does not take waits there, over restarts and `kill -9`, and comes out whole and in order.

use crate::harness::{
    SOON, assert_same_bytes,
    net::{free_port, loopback},
    sink::Sink,
    skyrelay::{PROGRAM, Skyrelay},
    unix_now, wait_for,
};
use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

fn settings(directory: &Path, more: &str) -> String {
    format!(
        "[spool]\ndirectory = \"{}\"\nkeep_free = \"0 B\"\n{more}\n",
        directory.display()
    )
}

/// A relay whose upstream `sink` is not there yet, and the port where it will be.
fn start_before_upstream(settings: &str) -> (Skyrelay, u16) {
    let port = free_port();
    (Skyrelay::start(&[("sink", port)], settings), port)
}

/// Numbered lines of eight series.
fn lines(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let now = unix_now();
    let line = |number: u64| format!("spool.series{} {number} {now}\n", number % 8);
    numbers.map(line).collect::<String>().into_bytes()
}

/// What a line carries.
fn number(line: &str) -> u64 {
    let value = line.split(' ').nth(1);
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{line:?} is a line"))
}

/// Waits until so many lines wait on disk and none in memory.
#[track_caller]
fn wait_until_spooled(relay: &Skyrelay, upstream: &str, lines: u64) {
    wait_for(&format!("{lines} lines on disk"), 3 * SOON, || {
        let metrics = relay.metrics();
        let (spooled, queued) = (metrics.spooled(upstream), metrics.queued(upstream));
        if (spooled, queued) != (lines, 0) {
            return Err(format!("{spooled} on disk, {queued} in memory"));
        }
        metrics.books_balance(&[upstream])
    });
}

/// Waits until one line of the log has all of `words`.
#[track_caller]
fn wait_until_said(relay: &Skyrelay, words: &[&str]) {
    wait_for(&format!("{words:?} in the log"), SOON, || {
        let log = relay.stderr();
        let says = |line: &String| words.iter().all(|word| line.contains(word));
        log.iter().any(says).then_some(()).ok_or(format!("{log:?}"))
    });
}

fn send(relay: &Skyrelay, lines: &[u8]) {
    relay.connect().write_all(lines).expect("the relay reads on");
}

/// Files of the spool of the upstream `sink` with this ending.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory.join("sink"))
        .expect("the spool has its directory")
        .map(|entry| entry.expect("a file of it").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    files
}

/// Waits until everything has come: the numbers of the lines of all connections.
#[track_caller]
fn wait_for_numbers(upstream: &Sink, last: u64) -> Vec<u64> {
    wait_for(&format!("line {last}"), 3 * SOON, || {
        let bytes = upstream.bytes();
        let text = String::from_utf8_lossy(&bytes);
        // The rest of the last line may be on its way.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let numbers: Vec<u64> = whole.lines().map(number).collect();
        match numbers.last() {
            Some(&is) if is == last && whole == text => Ok(numbers),
            other => Err(format!("{other:?} was the last")),
        }
    })
}

#[test]
fn what_an_absent_upstream_missed_is_delivered_in_order_after_kill_9_and_new_lines_behind_it() {
    const BEFORE: u64 = 100_000;
    const AFTER: u64 = 150_000;
    let directory = TempDir::new().unwrap();
    let settings = settings(directory.path(), "");
    let (mut relay, port) = start_before_upstream(&settings);
    let want = lines(0..AFTER);
    let before = lines(0..BEFORE).len();
    send(&relay, &want[..before]);
    wait_until_spooled(&relay, "sink", BEFORE);
    relay.kill();

    let relay = Skyrelay::start(&[("sink", port)], &settings);
    wait_until_spooled(&relay, "sink", BEFORE);
    assert_eq!(relay.metrics().recovered("sink"), BEFORE);
    send(&relay, &want[before..]);
    wait_until_spooled(&relay, "sink", AFTER);
    let upstream = Sink::start_on(port);
    upstream.wait_for_exactly(&want);
    let metrics = relay.wait_until_through(AFTER - BEFORE, &["sink"]);
    assert_eq!((metrics.forwarded("sink"), metrics.dropped("sink")), (AFTER, 0));
    // The way is straight again.
    let next = lines(AFTER..AFTER + 10);
    send(&relay, &next);
    upstream.wait_for_exactly(&[want, next].concat());
}

#[test]
fn kill_9_while_the_spool_drains_loses_nothing_and_repeats_little() {
    const LINES: u64 = 400_000;
    let directory = TempDir::new().unwrap();
    let settings = settings(
        directory.path(),
        "max_bytes = \"64 MiB\"\ndrain_lines_per_second = 100_000",
    );
    let (mut relay, port) = start_before_upstream(&settings);
    send(&relay, &lines(0..LINES));
    wait_until_spooled(&relay, "sink", LINES);
    let upstream = Sink::start_on(port);
    wait_for("half of the lines", 2 * SOON, || {
        match relay.metrics().forwarded("sink") {
            few if few < LINES / 2 => Err(format!("{few}")),
            _ => Ok(()),
        }
    });
    relay.kill();
    let relay = Skyrelay::start(&[("sink", port)], &settings);
    let numbers = wait_for_numbers(&upstream, LINES - 1);
    let back = numbers.windows(2).position(|pair| pair[1] <= pair[0]);
    let (first, second) = numbers.split_at(back.map_or(numbers.len(), |last| last + 1));
    assert!(first.iter().copied().eq(0..first.len() as u64), "before the kill");
    let begin = second.first().copied().unwrap_or(LINES);
    assert!(second.iter().copied().eq(begin..LINES), "after it");
    assert!(begin <= first.len() as u64, "{begin} after {}", first.len());
    // A megabyte may not have arrived, and a tenth of a second may not have been noted down.
    let repeated = numbers.len() as u64 - LINES;
    assert!(repeated < 100_000, "{repeated} lines came twice");
    let metrics = relay.wait_until_through(0, &["sink"]);
    assert_eq!(metrics.recovered("sink"), LINES - begin);
}

#[test]
fn sigterm_while_the_upstream_is_away_puts_all_on_disk_and_exits_with_0_at_once() {
    const LINES: u64 = 200_000;
    let directory = TempDir::new().unwrap();
    let settings = settings(directory.path(), "");
    let (mut relay, port) = start_before_upstream(&settings);
    let want = lines(0..LINES);
    send(&relay, &want);
    wait_for("receipt", SOON, || match relay.metrics().received() {
        LINES => Ok(()),
        other => Err(format!("{other} received")),
    });
    let begin = std::time::Instant::now();
    let status = relay.terminate(SOON);
    assert_eq!(status.code(), Some(0), "{status}: {:?}", relay.stderr());
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    let upstream = Sink::start_on(port);
    let relay = Skyrelay::start(&[("sink", port)], &settings);
    upstream.wait_for_exactly(&want);
    let metrics = relay.wait_until_through(0, &["sink"]);
    assert_eq!(metrics.recovered("sink"), LINES);
}

#[test]
fn a_slow_upstream_overflows_to_disk_and_holds_up_no_other() {
    const LINES: u64 = 600_000; // more than the sockets on the way and its queue hold
    let directory = TempDir::new().unwrap();
    let (slow, quick) = (Sink::start(), Sink::start());
    let settings = format!(
        "queue = \"2 MiB\"\n{}",
        settings(directory.path(), "max_bytes = \"1 GiB\"")
    );
    let relay = Skyrelay::start(&[("quick", quick.port), ("slow", slow.port)], &settings);
    let want = lines(0..LINES);
    slow.pause();
    send(&relay, &want);
    quick.wait_for_exactly(&want);
    let on_disk = wait_for("lines on disk", 2 * SOON, || {
        let metrics = relay.metrics();
        match metrics.spooled("slow") {
            0 => Err("none".to_owned()),
            lines => metrics.books_balance(&["quick", "slow"]).map(|()| lines),
        }
    });
    assert!(on_disk > LINES / 10, "{on_disk} lines");
    slow.resume();
    let metrics = relay.wait_until_through(LINES, &["quick", "slow"]);
    assert_eq!((metrics.dropped("slow"), metrics.dropped("quick")), (0, 0));
    slow.wait_for_exactly(&want);
}

#[test]
fn a_full_spool_gives_up_the_oldest_lines_and_counts_them() {
    const LINES: u64 = 300_000;
    let directory = TempDir::new().unwrap();
    let settings = settings(directory.path(), "max_bytes = \"2 MiB\"");
    let (relay, port) = start_before_upstream(&format!("queue = \"1 MiB\"\n{settings}"));
    send(&relay, &lines(0..LINES));
    let dropped = wait_for("an account of every line", 2 * SOON, || {
        let metrics = relay.metrics();
        let waiting = metrics.sum("skyrelay_senders_paused", &[]);
        match (metrics.received(), waiting) {
            (LINES, 0) => metrics.books_balance(&["sink"]).map(|()| metrics.dropped("sink")),
            other => Err(format!("{other:?} received and waiting")),
        }
    });
    wait_until_said(&relay, &["lines are lost", "spool_full"]);
    let metrics = relay.metrics();
    let reason = [("upstream", "sink"), ("reason", "spool_full")];
    assert_eq!(metrics.sum("skyrelay_lines_dropped_total", &reason), dropped);
    assert!(metrics.sum("skyrelay_spool_bytes", &[]) <= 2 << 20, "{metrics:?}");
    assert!(dropped > LINES / 2);
    let upstream = Sink::start_on(port);
    let numbers = wait_for_numbers(&upstream, LINES - 1);
    assert!(numbers.into_iter().eq(dropped..LINES), "the newest, in order");
}

#[test]
fn a_full_spool_loses_nothing_as_long_as_there_is_room_in_memory() {
    const LINES: u64 = 300_000;
    let directory = TempDir::new().unwrap();
    let settings = settings(directory.path(), "max_bytes = \"2 MiB\"");
    let (relay, port) = start_before_upstream(&format!("queue = \"32 MiB\"\n{settings}"));
    let want = lines(0..LINES);
    send(&relay, &want);
    wait_for("a full spool", SOON, || {
        let metrics = relay.metrics();
        match (metrics.received(), metrics.spooled("sink")) {
            (LINES, 50_000..) => Ok(()),
            other => Err(format!("{other:?} received and on disk")),
        }
    });
    let upstream = Sink::start_on(port);
    upstream.wait_for_exactly(&want);
    let metrics = relay.wait_until_through(LINES, &["sink"]);
    assert_eq!(metrics.dropped("sink"), 0);
}

#[test]
fn a_burst_larger_than_the_queue_waits_for_the_disk_and_is_not_lost() {
    const LINES: u64 = 400_000;
    let directory = TempDir::new().unwrap();
    let settings = settings(directory.path(), "");
    let (relay, port) = start_before_upstream(&format!("queue = \"1 MiB\"\n{settings}"));
    let want = lines(0..LINES);
    send(&relay, &want);
    wait_until_spooled(&relay, "sink", LINES);
    assert_eq!(relay.metrics().dropped("sink"), 0);
    let upstream = Sink::start_on(port);
    upstream.wait_for_exactly(&want);
}

#[test]
fn a_full_spool_makes_senders_wait_where_it_is_so_configured() {
    const LINES: u64 = 400_000;
    let directory = TempDir::new().unwrap();
    let settings = settings(directory.path(), "max_bytes = \"2 MiB\"");
    let (relay, port) = start_before_upstream(&format!("when_full = \"pause-senders\"\nqueue = \"1 MiB\"\n{settings}"));
    let want = lines(0..LINES);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(&relay, &want));
        wait_for("a full spool", SOON, || {
            let metrics = relay.metrics();
            let bytes = metrics.sum("skyrelay_spool_bytes", &[]);
            let says = relay.stderr().iter().any(|line| line.contains("the spool is full"));
            (bytes > 1_800_000 && says)
                .then_some(())
                .ok_or(format!("{bytes} bytes"))
        });
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(!sender.is_finished(), "it waits");
        assert_eq!(
            relay.metrics().sum("skyrelay_senders_paused", &[("upstream", "sink")]),
            1
        );
        wait_until_said(&relay, &["senders wait for room"]);
        let upstream = Sink::start_on(port);
        upstream.wait_for_exactly(&want);
        sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let metrics = relay.wait_until_through(LINES, &["sink"]);
    assert_eq!(metrics.dropped("sink"), 0);
}

#[test]
fn a_torn_record_is_dropped_alone_and_a_damaged_segment_is_set_aside() {
    const LINES: u64 = 50_000;
    let directory = TempDir::new().unwrap();
    let settings = settings(directory.path(), "max_bytes = \"16 MiB\"");
    let (mut relay, port) = start_before_upstream(&settings);
    send(&relay, &lines(0..LINES));
    wait_until_spooled(&relay, "sink", LINES);
    relay.kill();
    let segments = files(directory.path(), ".segment");
    assert!(segments.len() >= 3, "{segments:?}");
    // In the middle of the second, and the end of the last.
    let mut bytes = fs::read(&segments[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segments[1], bytes).unwrap();
    let last = fs::read(&segments[segments.len() - 1]).unwrap();
    fs::write(&segments[segments.len() - 1], &last[..last.len() - 5]).unwrap();

    let relay = Skyrelay::start(&[("sink", port)], &settings);
    let cut_off = wait_for("torn record", SOON, || {
        let metrics = relay.metrics();
        match metrics.sum("skyrelay_spool_torn_total", &[]) {
            1 => Ok(LINES - metrics.recovered("sink")),
            other => Err(format!("{other} torn")),
        }
    });
    assert!(cut_off > 0 && cut_off < 5_000, "{cut_off} lines are torn off");
    let upstream = Sink::start_on(port);
    let numbers = wait_for_numbers(&upstream, LINES - cut_off - 1);
    let metrics = relay.wait_until_through(0, &["sink"]);
    let damaged = metrics.dropped("sink");
    assert_eq!(numbers.len() as u64, LINES - cut_off - damaged);
    assert!(damaged > 0 && damaged < LINES / 2, "{damaged}");
    assert!(numbers.is_sorted());
    assert_eq!(metrics.sum("skyrelay_spool_damaged_total", &[]), 1);
    let says = |what: &str| relay.stderr().iter().any(|line| line.contains(what));
    assert!(
        says("a segment is damaged") && says("what a crash had left"),
        "{:?}",
        relay.stderr()
    );
    // Enough is sent behind it that it has certainly arrived.
    send(&relay, &lines(LINES..2 * LINES));
    wait_for("segment set aside", SOON, || {
        match files(directory.path(), ".damaged").len() {
            1 => Ok(()),
            other => Err(format!("{other} set aside")),
        }
    });
}

#[test]
fn what_a_broken_connection_may_not_have_delivered_is_sent_again_and_counted_once() {
    const LINES: u64 = 5_000;
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let relay = Skyrelay::start(&[("sink", port)], "");
    let want = lines(0..LINES);
    let (mut first, _) = listener.accept().unwrap();
    send(&relay, &want);
    relay.wait_until_through(LINES, &["sink"]);
    let mut read = vec![0; want.len() / 2];
    first.read_exact(&mut read).unwrap();
    assert_same_bytes("first connection", &read, &want[..read.len()]);
    drop(listener);
    // With bytes that were not read, this is a break.
    drop(first);
    let upstream = Sink::start_on(port);
    upstream.wait_for_exactly(&want);
    let metrics = relay.metrics();
    assert_eq!((metrics.resent("sink"), metrics.forwarded("sink")), (LINES, LINES));
    metrics.books_balance(&["sink"]).unwrap();
    let broken = [("upstream", "sink"), ("reason", "broken")];
    assert_eq!(metrics.sum("skyrelay_upstream_failures_total", &broken), 1);
}

#[test]
fn a_directory_in_use_or_unusable_is_one_sentence_at_the_start() {
    let directory = TempDir::new().unwrap();
    let config = |spool: &Path| {
        let file = directory.path().join("second.toml");
        let text = format!(
            "[listen]\ntcp = [\"127.0.0.1:0\"]\nudp = []\n[http]\nlisten = \"off\"\n[[forward]]\nname = \"sink\"\naddress = \"127.0.0.1:1\"\n{}",
            settings(spool, "")
        );
        fs::write(&file, text).unwrap();
        let output = Command::new(PROGRAM).arg("--config").arg(file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let spool = directory.path().join("spool");
    let _relay = Skyrelay::start(&[("sink", free_port())], &settings(&spool, ""));
    let stderr = config(&spool);
    assert!(stderr.contains("spool/sink is in use by another process"), "{stderr}");
    fs::write(directory.path().join("file"), "").unwrap();
    let stderr = config(&directory.path().join("file"));
    assert!(stderr.contains("file/sink: ") && stderr.contains("[spool]"), "{stderr}");
}

#[test]
fn no_more_lines_a_second_are_read_back_than_allowed() {
    const LINES: u64 = 30_000;
    let directory = TempDir::new().unwrap();
    let settings = settings(directory.path(), "drain_lines_per_second = 10_000");
    let (relay, port) = start_before_upstream(&settings);
    let want = lines(0..LINES);
    send(&relay, &want);
    wait_until_spooled(&relay, "sink", LINES);
    let begin = std::time::Instant::now();
    let upstream = Sink::start_on(port);
    upstream.wait_for_exactly(&want);
    let took = begin.elapsed().as_secs_f64();
    assert!((2.0..10.0).contains(&took), "{took} s");
    relay.wait_until_through(LINES, &["sink"]);
    assert_same_bytes("upstream", &upstream.bytes(), &want);
}
