//! Single stages of the way of a line: `cargo bench --bench stages`.
//!
//! A time is that of one line or sample, as is a throughput. Shards are fed batches as readers make them, of chunks of
//! 64 KiB; only `Shard::apply` is timed, and its time includes expiry and sealing. Full windows hold 24 h at 10 s (8,640
//! samples). `recorded` values come from the detection data, where it is present.
//!
//! `cold` cycles through more state than the last cache holds: 8,000 series, some 140 MB; `SKYRELAY_BENCH_SERIES` sets
//! another number. Filling their windows takes half a minute for each benchmark.

#[path = "relay/traffic.rs"]
#[expect(dead_code, reason = "copies of series are for whole programs")]
mod traffic;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use skyrelay::{
    anomaly::{Board, groups},
    detect::{
        Definition, Kind, Verdict,
        expression::{self, Model, Sources},
        skyline, threshold,
    },
    glob::Glob,
    intake::{ForwardInvalid, Sorter},
    line,
    metrics::Metrics,
    shard::{Batch, Census, Change, Event, Reading, Settings, Shard, Tally, Verbosity, Watch},
    window::{Point, Scratch, Window},
};
use traffic::{DAY_SAMPLES, Recordings, STEP_S, Traffic};

const CHUNK_BYTES: usize = 64 * 1024;
const LINE_BYTES_MAX: usize = 16_384;
const BEGIN: i64 = 1_700_000_000;
/// By the clock of the relay: ahead of all samples.
const RECEIVED: i64 = 4_000_000_000;
const SPAN_S: i64 = 24 * 3600;
const COLD_SERIES: usize = 8_000;
/// Samples that a window compresses together.
const BLOCK_SAMPLES: usize = 2_048;
/// Samples of one series that make a chunk.
const ONE_SERIES_CHUNK: usize = 1_024;

criterion_group!(benches, reader, window, shard, expressions, board);
criterion_main!(benches);

/// What every line costs on the thread that reads it.
fn reader(criterion: &mut Criterion) {
    let mut lines = Vec::new();
    Traffic::new(0..1_000, BEGIN, None).round(&mut lines);
    let chunk = chunks(&lines).swap_remove(0);
    let count = memchr::memchr_iter(b'\n', &chunk).count() as u64;
    let mut group = criterion.benchmark_group("reader");
    group.throughput(Throughput::Elements(count));
    group.bench_function("scan", |bencher| {
        bencher.iter(|| {
            line::scan(&chunk, LINE_BYTES_MAX, |scanned| {
                black_box(scanned);
            });
        });
    });
    for shards in [1, 2, 8] {
        let sorter = Sorter::new(shards, LINE_BYTES_MAX, ForwardInvalid::Forward);
        group.bench_function(format!("sort/{shards}-shards"), |bencher| {
            bencher.iter(|| sorter.sort(black_box(&chunk), RECEIVED));
        });
    }
    let fields: Vec<_> = lines_of(&chunk)
        .map(|line| &line[line.iter().position(|&byte| byte == b' ').expect("fields")..])
        .collect();
    group.bench_function("parse_fields", |bencher| {
        bencher.iter(|| {
            for fields in &fields {
                black_box(line::parse_fields(fields, RECEIVED).expect("it is well-formed"));
            }
        });
    });
    group.finish();
}

/// Full windows without a detector, and without a look ahead at what the next push will read.
fn window(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("window");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for (heat, count) in [
        ("hot".to_owned(), 1),
        (format!("cold/{}-windows", cold_series()), cold_series()),
    ] {
        for (kind, statistics) in [("samples", false), ("statistics", true)] {
            let mut prepared = None;
            group.bench_function(format!("push/{heat}/{kind}"), |bencher| {
                let windows = prepared.get_or_insert_with(|| Pushed::full(count, statistics));
                bencher.iter_custom(|samples| windows.time_pushes(samples));
            });
        }
    }
    group.finish();
}

/// Windows, and what is pushed to them.
struct Pushed {
    windows: Vec<Window>,
    traffic: Traffic,
    scratch: Scratch,
}

impl Pushed {
    fn full(count: usize, statistics: bool) -> Self {
        let new = if statistics {
            Window::with_statistics
        } else {
            Window::new
        };
        let mut pushed = Self {
            windows: (0..count).map(|_| new(SPAN_S)).collect(),
            traffic: Traffic::new(0..count, BEGIN, None),
            scratch: Scratch::default(),
        };
        // So that not all compress a block in the same round.
        for (place, window) in pushed.windows.iter_mut().enumerate() {
            for age in (1..i64::try_from(place % BLOCK_SAMPLES).expect("few")).rev() {
                let point = Point {
                    timestamp: BEGIN - age * STEP_S,
                    value: 0.0,
                };
                window.push(point, &mut pushed.scratch, |_| {}).expect("it is newer");
            }
        }
        for _ in 0..=DAY_SAMPLES {
            pushed.push(1);
        }
        pushed
    }

    /// Pushes at least so many samples, and gives the time that so many took.
    fn time_pushes(&mut self, samples: u64) -> Duration {
        let mut elapsed = Duration::ZERO;
        let mut pushed = 0;
        while pushed < samples {
            let rounds = (ONE_SERIES_CHUNK / self.windows.len()).max(1);
            elapsed += self.push(rounds);
            pushed += (rounds * self.windows.len()) as u64;
        }
        share(elapsed, samples, pushed)
    }

    /// Pushes the next samples to all windows. Gives the time that took.
    fn push(&mut self, rounds: usize) -> Duration {
        let mut lines = Vec::new();
        for _ in 0..rounds {
            self.traffic.round(&mut lines);
        }
        let points: Vec<Point> = lines_of(&lines)
            .map(|line| line::parse(line, RECEIVED).expect("it is well-formed"))
            .map(|sample| Point {
                timestamp: sample.timestamp,
                value: sample.value,
            })
            .collect();
        let begun = Instant::now();
        for round in points.chunks(self.windows.len()) {
            for (window, &point) in self.windows.iter_mut().zip(round) {
                window
                    .push(point, &mut self.scratch, |old| {
                        black_box(old);
                    })
                    .expect("it is newer");
            }
        }
        begun.elapsed()
    }
}

/// What every anomaly costs, from the event of its shard to what people are told; opened and closed count as one.
fn board(criterion: &mut Criterion) {
    const SERIES: u32 = 10_000;
    let name = |number: u32| -> Arc<str> {
        let (host, metric) = (number / 40, number % 40);
        format!("servers.web{host:03}.disk.sd{}.m{metric}", metric % 4).into()
    };
    let names: Vec<Arc<str>> = (0..SERIES).map(name).collect();
    let mut group = criterion.benchmark_group("board");
    group.throughput(Throughput::Elements(1));
    // A thousand a day, as false alarms come, and a hundred thousand a minute.
    for (what, per_day) in [("quiet", 1_000), ("storm", 144_000_000)] {
        let board = Board::new(10_000, groups::Settings::default(), Metrics::new().anomaly);
        board.count(&Census {
            series: i64::from(SERIES),
            subtrees: (0..SERIES / 40)
                .map(|host| (format!("servers.web{host:03}").into(), 40))
                .collect(),
        });
        let mut number: i64 = 0;
        group.bench_function(what, |bencher| {
            bencher.iter(|| {
                number += 1;
                let series = usize::try_from(number * 7919 % i64::from(SERIES)).expect("a place");
                for change in [Change::Opened, Change::Closed] {
                    let timestamp = BEGIN + number * 86_400 / per_day;
                    black_box(board.record(event(&names[series], change, timestamp)));
                }
            });
        });
    }
    group.finish();
}

fn event(series: &Arc<str>, change: Change, timestamp: i64) -> Event {
    Event {
        series: Arc::clone(series),
        detector: "default".into(),
        change: Some(change),
        verdict: Verdict {
            timestamp,
            value: 1.0,
            score: 1.5,
            anomalous: change == Change::Opened,
            alert: change == Change::Opened,
            reason: String::new(),
            ..Verdict::default()
        },
    }
}

/// What every sample costs on the thread of its shard.
fn shard(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shard");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    group.measurement_time(Duration::from_secs(5));
    let recordings = Recordings::read();

    bench_samples(&mut group, "nine/hot", || Fed::full(1, nine(), None));
    if recordings.is_some() {
        bench_samples(&mut group, "nine/hot/recorded", || {
            Fed::full(8, nine(), recordings.as_ref())
        });
    }
    let series = cold_series();
    bench_samples(&mut group, &format!("nine/cold/{series}-series"), || {
        Fed::full(series, nine(), None)
    });
    if recordings.is_some() {
        bench_samples(&mut group, &format!("nine/cold/{series}-series/recorded"), || {
            Fed::full(series, nine(), recordings.as_ref())
        });
    }
    bench_samples(&mut group, "nine/young/10000-series", || Fed::new(10_000, nine(), None));
    bench_samples(&mut group, "unwatched/10000-series", || {
        Fed::new(10_000, Vec::new(), None)
    });
    bench_watches(&mut group);
    bench_anomaly(&mut group);
    group.finish();
}

fn bench_samples(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, fed: impl Fn() -> Fed) {
    let mut prepared = None;
    group.bench_function(name, |bencher| {
        let fed = prepared.get_or_insert_with(&fed);
        bencher.iter_custom(|samples| fed.time_samples(samples));
    });
}

/// What a sample costs that a model judges, beside a detector of each kind that it may ask: one series in cache. What a model
/// costs by itself is what it takes above `value`.
fn expressions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("expression");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    let mut row = |name: &str, when: &str| {
        bench_samples(&mut group, name, || Fed::full(1, expression(when), None));
    };
    row("value", "value > 1e300");
    for number in NUMBERS {
        row(number, &format!("{number} > 1e300"));
    }
    for (name, when) in MODELS {
        row(name, when);
    }
    group.finish();
}

/// How many watches there are, of which the last matches: that is looked for when a series is new, and not at its samples.
fn bench_watches(group: &mut BenchmarkGroup<'_, WallTime>) {
    const SERIES: usize = 10_000;
    for watches in [1, 200] {
        bench_samples(group, &format!("watches/{watches}/sample"), || {
            Fed::watching(SERIES, watching(watches), None)
        });
        // The first round of new shards, all of whose series are new.
        group.bench_function(format!("watches/{watches}/new-series"), |bencher| {
            bencher.iter_custom(|series| {
                let rounds = series.div_ceil(SERIES as u64);
                let first = |_| Fed::watching(SERIES, watching(watches), None).apply(1);
                share((0..rounds).map(first).sum(), series, rounds * SERIES as u64)
            });
        });
    }
}

/// So many watches for a threshold: the last for everything, those before it for nobody here, as globs of a service are.
fn watching(watches: usize) -> Settings {
    let globs = |number: usize| match number % 4 {
        0 => format!("shop{number}.*.errors"),
        1 => format!("servers.db{number}-[0-9]*.*.{{used,percent}}"),
        2 => format!("servers.*.queue{number}.**"),
        _ => format!("**.gateway{number}.latency"),
    };
    let watch = |pattern: &str| Watch {
        globs: vec![Glob::new(pattern).expect("it is a pattern")],
        detectors: vec![0],
        reading: Reading::Value,
    };
    Settings {
        detectors: vec![Definition {
            name: "bound".into(),
            kind: Kind::Threshold(threshold::Settings::new(threshold::Bounds::Above(1e300))),
        }],
        watches: (1..watches)
            .map(|number| watch(&globs(number)))
            .chain([watch("**")])
            .collect(),
        ..Settings::default()
    }
}

/// A series in an anomaly: cheap votes leave the outcome open, so the costly algorithms are asked at every sample.
fn bench_anomaly(group: &mut BenchmarkGroup<'_, WallTime>) {
    /// Few enough of a window to stay outliers, many enough to make up for sorting it.
    const ANOMALOUS: usize = 300;
    let mut prepared = None;
    group.bench_function("nine/in-an-anomaly", |bencher| {
        let fed = prepared.get_or_insert_with(|| Fed::full(1, nine(), None));
        bencher.iter_custom(|samples| {
            let turns = samples.div_ceil(ANOMALOUS as u64);
            let mut elapsed = Duration::ZERO;
            for _ in 0..turns {
                for _ in 0..DAY_SAMPLES.div_ceil(ONE_SERIES_CHUNK) {
                    fed.apply(ONE_SERIES_CHUNK);
                }
                let lines = fed.shifted(ANOMALOUS);
                let before = fed.events;
                elapsed += fed.apply_lines(&lines);
                assert!(fed.events > before, "an anomaly opens");
            }
            share(elapsed, samples, turns * ANOMALOUS as u64)
        });
    });
}

/// Shards, and what they are fed.
struct Fed {
    parts: Vec<(Shard, Traffic)>,
    sorter: Sorter,
    /// Events so far.
    events: usize,
}

impl Fed {
    /// Empty windows.
    fn new(series: usize, detectors: Vec<Definition>, recordings: Option<&Arc<Recordings>>) -> Self {
        let watched = (0..detectors.len()).collect();
        let settings = Settings {
            detectors,
            watches: vec![Watch {
                globs: vec![Glob::everything()],
                detectors: watched,
                reading: Reading::Value,
            }],
            ..Settings::default()
        };
        Self::watching(series, settings, recordings)
    }

    /// The same by these settings.
    fn watching(series: usize, settings: Settings, recordings: Option<&Arc<Recordings>>) -> Self {
        let settings = Arc::new(settings);
        let shard = || Shard::new(Arc::clone(&settings), Verbosity::Changes, Arc::default());
        // Two, so that two threads can fill them; they are measured in turn, by one.
        let mut ranges = vec![0..series / 2, series / 2..series];
        ranges.retain(|range| !range.is_empty());
        let part = |range| (shard(), Traffic::new(range, BEGIN, recordings));
        Self {
            parts: ranges.into_iter().map(part).collect(),
            sorter: Sorter::new(1, LINE_BYTES_MAX, ForwardInvalid::Forward),
            events: 0,
        }
    }

    /// Full windows.
    fn full(series: usize, detectors: Vec<Definition>, recordings: Option<&Arc<Recordings>>) -> Self {
        let mut fed = Self::new(series, detectors, recordings);
        std::thread::scope(|scope| {
            for (shard, traffic) in &mut fed.parts {
                let sorter = &fed.sorter;
                scope.spawn(move || {
                    let mut lines = Vec::new();
                    for _ in 0..=DAY_SAMPLES {
                        lines.clear();
                        traffic.round(&mut lines);
                        apply(shard, &batches(sorter, &lines));
                    }
                });
            }
        });
        fed
    }

    /// Feeds at least so many samples, and gives the time that so many took.
    fn time_samples(&mut self, samples: u64) -> Duration {
        let mut elapsed = Duration::ZERO;
        let mut fed = 0;
        while fed < samples {
            let series: usize = self.parts.iter().map(|(_, traffic)| traffic.series()).sum();
            let rounds = (ONE_SERIES_CHUNK / series).max(1);
            elapsed += self.apply(rounds);
            fed += (rounds * series) as u64;
        }
        share(elapsed, samples, fed)
    }

    /// Feeds the next samples of all series. Gives the time that the shards took.
    fn apply(&mut self, rounds: usize) -> Duration {
        let mut elapsed = Duration::ZERO;
        for (shard, traffic) in &mut self.parts {
            let mut lines = Vec::new();
            for _ in 0..rounds {
                traffic.round(&mut lines);
            }
            let (time, events) = apply(shard, &batches(&self.sorter, &lines));
            elapsed += time;
            self.events += events;
        }
        elapsed
    }

    fn apply_lines(&mut self, lines: &[u8]) -> Duration {
        let (elapsed, events) = apply(&mut self.parts[0].0, &batches(&self.sorter, lines));
        self.events += events;
        elapsed
    }

    /// The next samples of the first part, with values far above all others.
    fn shifted(&mut self, rounds: usize) -> Vec<u8> {
        let mut lines = Vec::new();
        for _ in 0..rounds {
            self.parts[0].1.round(&mut lines);
        }
        let shift = |line: &[u8]| {
            let mut line = line.to_vec();
            let value = line.iter().position(|&byte| byte == b' ').expect("fields") + 1;
            line.splice(value..value, *b"9");
            line.push(b'\n');
            line
        };
        lines_of(&lines).flat_map(shift).collect()
    }
}

/// Has a shard take in batches: the time that took, and the events that came of it.
fn apply(shard: &mut Shard, batches: &[Batch]) -> (Duration, usize) {
    let mut events: Vec<Event> = Vec::new();
    let mut tally = Tally::default();
    let begun = Instant::now();
    for batch in batches {
        shard.apply(batch, &mut events, &mut tally);
    }
    let elapsed = begun.elapsed();
    let lines: usize = batches.iter().map(|batch| batch.lines.len()).sum();
    let unwatched = tally.unanalysed(skyrelay::shard::Unanalysed::Unwatched);
    assert_eq!(tally.analysed + unwatched, lines as u64, "all are taken: {tally:?}");
    (elapsed, events.len())
}

fn batches(sorter: &Sorter, lines: &[u8]) -> Vec<Batch> {
    let batch = |chunk: Bytes| sorter.sort(&chunk, RECEIVED).take_batch(0, &chunk, RECEIVED);
    chunks(lines).into_iter().filter_map(batch).collect()
}

/// Whole lines, as much as a read gives.
fn chunks(lines: &[u8]) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let read = rest.len().min(CHUNK_BYTES);
        let end = memchr::memrchr(b'\n', &rest[..read]).map_or(rest.len(), |end| end + 1);
        chunks.push(Bytes::copy_from_slice(&rest[..end]));
        rest = &rest[end..];
    }
    chunks
}

fn lines_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

fn nine() -> Vec<Definition> {
    vec![Definition {
        name: "nine".into(),
        kind: Kind::Skyline(skyline::Settings::default()),
    }]
}

/// Each function of the language.
const NUMBERS: [&str; 35] = [
    "previous",
    "rate()",
    "age() / '1s'",
    "hour()",
    "minute()",
    "weekday()",
    "count('1h')",
    "sum('1h')",
    "mean('1h')",
    "mean(30)",
    "mean('1h', '22h')",
    "stddev('1h')",
    "min('1h')",
    "max('6h')",
    "median('10m')",
    "median('1h')",
    "median('6h')",
    "median('24h')",
    "quantile(0.99, '1h')",
    "quantile(0.99, '6h')",
    "quantile(0.99, '24h')",
    "mad('1h')",
    "mad('6h')",
    "mad('24h')",
    "slope('6h')",
    "line('6h')",
    "line_stddev('6h')",
    "ewma(50)",
    "ew_stddev(50)",
    "log(abs(value)) + exp(-value) + sqrt(value) + floor(value) + ceil(value) + round(value)",
    "pow(value, 1.5)",
    "t_quantile(0.99, 100)",
    "min(value, previous) + max(value, previous)",
    "detector('bound').score",
    "series('shop.requests').value",
];
/// Conditions, and what is in the examples.
const MODELS: [(&str, &str); 8] = [
    (
        "twenty steps",
        "let x = (value - previous) / 2; (x > 1e300 or -x > 1e300) and hour() in 8..20 and not (value in [1e301, 1e302])",
    ),
    ("node", "node(2) == 'web1' or node(-1) in ['load', 'cpu']"),
    ("known", "not known(value / previous)"),
    ("choice", "(if hour() in 8..20 then value else previous) > 1e300"),
    (
        "example: checkout errors",
        "let usual = median('1h'); value > 3 * usual and value >= 1e300 and hour() in 8..20 and weekday() in 1..6",
    ),
    ("example: logins", "mean('15m') < 1e-9 * mean('15m', '23h')"),
    (
        "example: failure rate",
        "let share = value / series('shop.requests').value; share > 0.05",
    ),
    ("deviations", "abs(value - median('24h')) > 1e9 * mad('24h')"),
];

fn expression(when: &str) -> Vec<Definition> {
    let sources = Sources {
        when: when.to_owned(),
        ..Sources::default()
    };
    let model = Model::new(sources, SPAN_S).expect("it is a model");
    let kinds = [
        (
            "bound",
            Kind::Threshold(threshold::Settings::new(threshold::Bounds::Above(1e300))),
        ),
        ("expression", Kind::Expression(expression::Settings::new(model))),
    ];
    kinds
        .map(|(name, kind)| Definition {
            name: name.into(),
            kind,
        })
        .into()
}

/// Series that are more than a cache holds.
fn cold_series() -> usize {
    std::env::var("SKYRELAY_BENCH_SERIES").map_or(COLD_SERIES, |series| {
        series.parse().expect("SKYRELAY_BENCH_SERIES is a number")
    })
}

/// The time of `wanted` samples, when `all` took `elapsed`.
#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(elapsed: Duration, wanted: u64, all: u64) -> Duration {
    elapsed.mul_f64(wanted as f64 / all as f64)
}

const _: () = assert!(SPAN_S / STEP_S == 8_640 && DAY_SAMPLES == 8_640, "a day of samples");
