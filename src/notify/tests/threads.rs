//! The notifier with its threads, and channels that misbehave.

use std::{
    fs,
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{
        Channel, ChannelKind, ChannelSettings, Failure, Notifier, Settings, Sources, Surroundings, json_lines,
        worker::{Post, Worker},
    },
    *,
};

const SOON: Duration = Duration::from_secs(20);

#[track_caller]
fn wait_until(holds: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "it has not come about");
        thread::sleep(Duration::from_millis(2));
    }
}

fn channel(name: &str, path: &Path) -> ChannelSettings {
    ChannelSettings {
        name: name.to_owned(),
        kind: ChannelKind::JsonLines(json_lines::Settings::File(path.to_owned())),
        rate_limit: None,
    }
}

fn everything_to(channels: Vec<ChannelSettings>, to: usize) -> Settings {
    Settings {
        channels,
        alerts: vec![Alert::everything("all", vec![to])],
        ..Settings::default()
    }
}

fn start(settings: &Settings) -> (Notifier, Arc<Board>, Metrics) {
    let metrics = Metrics::new();
    let board = Arc::new(Board::new(100, groups::Settings::default(), metrics.anomaly.clone()));
    let sources = Sources {
        board: Arc::clone(&board),
        marks: Arc::new(|_| Marks::default()),
        surroundings: Surroundings::default(),
        metrics: metrics.clone(),
    };
    let notifier = Notifier::start(settings, sources).unwrap();
    notifier.resume();
    (notifier, board, metrics)
}

fn tell(notifier: &Notifier, board: &Board, series: &str, change: Change) {
    let notice = board.record(Office::event(series, change, None, 1)).unwrap();
    notifier.tell(&Arc::new(notice));
}

fn told(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        format!(
            "{} {}",
            line["event"].as_str().unwrap(),
            line["series"].as_str().unwrap()
        )
    };
    text.lines().map(line).collect()
}

#[test]
fn channels_come_and_go_while_people_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (notifier, board, metrics) = start(&everything_to(vec![channel("a", &at("a")), channel("b", &at("b"))], 0));
    tell(&notifier, &board, "first", Change::Opened);
    wait_until(|| told(&at("a")).len() == 1);
    // One stays at another place, one is another by the same name, and one is new.
    let changed = everything_to(
        vec![
            channel("c", &at("c")),
            channel("a", &at("moved")),
            channel("b", &at("b")),
        ],
        2,
    );
    notifier.change(notifier.prepare(&changed).unwrap());
    tell(&notifier, &board, "second", Change::Opened);
    // What was prepared in vain leaves everything as it is.
    drop(
        notifier
            .prepare(&everything_to(vec![channel("d", &at("d"))], 0))
            .unwrap(),
    );
    let mut last = everything_to(changed.channels, 1);
    notifier.change(notifier.prepare(&last).unwrap());
    // One that has left is shown no more.
    last.channels.push(channel("e", &at("e")));
    notifier.change(notifier.prepare(&last).unwrap());
    last.channels.pop();
    notifier.change(notifier.prepare(&last).unwrap());
    let shows = |name: &str| {
        metrics
            .encode()
            .contains(&format!("skyrelay_notifications_queued{{channel=\"{name}\"}}"))
    };
    assert!(shows("e"));
    wait_until(|| {
        notifier.forget_those_who_have_left();
        !shows("e")
    });
    assert!(["a", "b", "c"].into_iter().all(shows));
    tell(&notifier, &board, "third", Change::Opened);
    // Whoever was told that it has opened is told that it is over, by the name that they have.
    tell(&notifier, &board, "first", Change::Closed);
    wait_until(|| told(&at("moved")).len() == 2);
    assert!(notifier.stop(SOON));
    assert_eq!(told(&at("a")), ["open first"]);
    assert_eq!(told(&at("b")), ["open second"]);
    assert_eq!(told(&at("moved")), ["open third", "close first"]);
    assert_eq!((told(&at("c")).len(), told(&at("d")).len()), (0, 0));
}

#[test]
fn a_channel_that_is_down_hears_later_and_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let journals = directory.path().join("journals");
    let (missing, good) = (directory.path().join("missing/file"), directory.path().join("good"));
    let settings = Settings {
        alerts: vec![Alert::everything("all", vec![0, 1])],
        directory: Some(journals.clone()),
        ..everything_to(vec![channel("down", &missing), channel("good", &good)], 0)
    };
    let (notifier, board, metrics) = start(&settings);
    for series in ["a", "b"] {
        tell(&notifier, &board, series, Change::Opened);
    }
    tell(&notifier, &board, "a", Change::Closed);
    wait_until(|| told(&good).len() == 3);
    let down = metrics.notify.of("down", &[], &[], &[]);
    wait_until(|| down.retried.get() > 0);
    assert_eq!(down.losses("refused"), 0);
    // Somebody else cannot take the directory meanwhile.
    let sources = Sources {
        board: Arc::clone(&board),
        marks: Arc::new(|_| Marks::default()),
        surroundings: Surroundings::default(),
        metrics: Metrics::new(),
    };
    let taken = Notifier::start(&settings, sources).unwrap_err().to_string();
    assert!(taken.contains("another process uses it"), "{taken}");
    // It waits on disk, so nothing is lost when the relay stops.
    assert!(notifier.stop(SOON));
    drop(notifier);
    fs::create_dir(directory.path().join("missing")).unwrap();
    let (notifier, _, _) = start(&settings);
    wait_until(|| told(&missing).len() == 3);
    assert_eq!(told(&missing), ["open a", "open b", "close a"]);
    assert!(notifier.stop(SOON));
    assert_eq!(told(&good).len(), 3, "nobody is told again");

    // A channel that is taken out takes with it what it could not be told.
    drop(notifier);
    let (notifier, _, _) = start(&settings);
    notifier.change(
        notifier
            .prepare(&everything_to(vec![channel("good", &good)], 0))
            .unwrap(),
    );
    wait_until(|| !journals.join("down.journal").exists());
    assert!(notifier.stop(SOON));
}

#[test]
fn without_a_directory_what_a_channel_has_not_taken_is_lost_and_counted() {
    let missing = Path::new("/nonexistent/file");
    let (notifier, board, metrics) = start(&everything_to(vec![channel("down", missing)], 0));
    tell(&notifier, &board, "a", Change::Opened);
    let down = metrics.notify.of("down", &[], &[], &[]);
    wait_until(|| down.retried.get() == 1);
    assert!(!notifier.stop(SOON));
    assert_eq!((down.losses("left"), down.notified.get()), (1, 0));
}

/// A channel that does as it is told, and remembers what it was given.
struct Fake {
    script: Vec<Result<(), Failure>>,
    given: Arc<Mutex<Vec<String>>>,
}

impl Channel for Fake {
    fn deliver(&mut self, messages: &[Arc<Message>]) -> Result<(), Failure> {
        let names: Vec<&str> = messages.iter().map(|message| &*message.series).collect();
        self.given.lock().unwrap().push(names.join(" "));
        let outcome = if self.script.is_empty() {
            Ok(())
        } else {
            self.script.remove(0)
        };
        assert!(
            outcome != Err(Failure::lasting(Cause::Local, "panic")),
            "a defect of the channel"
        );
        outcome
    }

    fn batch_max(&self) -> usize {
        3
    }

    fn beat_every(&self) -> Option<Duration> {
        Some(Duration::from_millis(20))
    }

    fn beat(&mut self, open: &[Arc<Message>]) -> Result<(), Failure> {
        let names: Vec<&str> = open.iter().map(|message| &*message.series).collect();
        self.given.lock().unwrap().push(format!("beat: {}", names.join(" ")));
        Err(Failure::passing(Cause::Unreachable, "a beat that fails does no harm"))
    }
}

#[test]
fn a_thread_does_what_a_failure_asks_for() {
    let given = Arc::new(Mutex::new(Vec::new()));
    let metrics = Metrics::new()
        .notify
        .of("fake", &Loss::NAMES, &Cause::NAMES, &Hold::NAMES);
    let post = Post::new(Mailbox::in_memory(unbounded(), metrics.clone()));
    let fake = Fake {
        script: vec![
            Err(Failure::passing(Cause::Timeout, "x")
                .delivered(2)
                .after(Duration::from_millis(1))),
            Err(Failure::lasting(Cause::Refused, "x").delivered(1)),
            Err(Failure::lasting(Cause::Local, "panic")),
        ],
        given: Arc::clone(&given),
    };
    let worker = Worker::new("fake".to_owned(), Arc::clone(&post), Box::new(fake), metrics.clone());
    let mut office = Office::new(vec![route("ops", "**", &[0])], 1);
    office.down.insert(0);
    for series in ["a", "b", "c", "d", "e", "f"] {
        office.opens(series);
    }
    let waiting = office.mailboxes[0].take(10);
    let outgoing = waiting.into_iter().map(|message| crate::notify::mailbox::Outgoing {
        message,
        resolve: true,
        not_before: None,
    });
    post.push(outgoing, NOON);
    post.with_mailbox(|mailbox| {
        mailbox.set_bounds(Bounds {
            keep_s: i64::MAX,
            ..unbounded()
        });
    });
    let thread = thread::spawn(move || worker.run());
    let all = || given.lock().unwrap().clone();
    wait_until(|| all().iter().any(|given| given.starts_with("beat")));
    // c was refused behind a and b, and d in a panic behind it; e and f are told, and are open.
    let deliveries: Vec<String> = all().into_iter().filter(|given| !given.starts_with("beat")).collect();
    assert_eq!(deliveries, ["a b c", "c d e", "e f", "f"][..deliveries.len()].to_vec());
    wait_until(|| all().iter().filter(|given| given.starts_with("beat")).count() > 1);
    assert_eq!(metrics.notified.get() + metrics.losses("refused"), 6);
    post.end_soon();
    thread.join().unwrap();
}
