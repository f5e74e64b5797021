//! What judging costs: time for a sample, and memory for a series.
//!
//! Series of a day's wave with noise, a sample in half an hour, known for two weeks, so that everything is in use. They are
//! visited in an order that no prefetching guesses; once one by one, and once as a shard of the relay does it: it touches what 16
//! series will read before it judges the first, and then what that points at.

use std::time::Instant;

use skyrelay::{
    detect::{
        Context, Definition, Elsewhere, Engine as AnyEngine, Kind, Subject,
        adaptive::{Engine, Settings, State},
    },
    window::{Point, Scratch, Window},
};

/// Series that do not fit into a cache, and some that do.
pub(crate) const MANY: usize = 100_000;
const FEW: usize = 16;
/// Series that are touched before the first of them is judged, as `shard` does.
const AHEAD: usize = 16;

/// Samples that a series is known for: two weeks.
const KNOWN_SAMPLES: i64 = 14 * 48;
const STEP_S: i64 = 1800;
/// Rounds over all series.
const ROUNDS: i64 = 10;
/// Samples that are timed together, so that a machine that is busy now and then takes few of these times.
const PIECE: usize = 1000;

/// Time for a sample (nanoseconds), in the cache, out of it, and touched ahead, and memory for a series (bytes).
pub(crate) struct Cost {
    pub(crate) in_cache_ns: f64,
    pub(crate) out_of_cache_ns: f64,
    /// The same, touched some samples ahead.
    pub(crate) touched_ahead_ns: f64,
    pub(crate) state_bytes: usize,
}

/// Measures the adaptive detector.
pub(crate) fn of_adaptive() -> Cost {
    let mut engine = Engine::new(Settings::default());
    let known = known(&mut engine);
    let state_bytes = known.memory_bytes();
    Cost {
        in_cache_ns: sample_ns(&mut engine, &mut vec![known.clone(); FEW], MANY / FEW, 1),
        out_of_cache_ns: sample_ns(&mut engine, &mut vec![known.clone(); MANY], 1, 1),
        touched_ahead_ns: sample_ns(&mut engine, &mut vec![known; MANY], 1, AHEAD),
        state_bytes,
    }
}

fn known(engine: &mut Engine) -> State {
    let mut state = State::default();
    for sample in 0..KNOWN_SAMPLES {
        engine.observe(&mut state, point(sample, 0));
    }
    state
}

/// `turns` samples for each of `states`, over and over, `ahead` of them touched before the first is judged: the time that a sample
/// took in half of all pieces.
#[expect(clippy::cast_precision_loss, reason = "a count of samples")]
fn sample_ns(engine: &mut Engine, states: &mut [State], turns: usize, ahead: usize) -> f64 {
    // Prime to the count, and far from 1.
    let stride = 61_803;
    let mut pieces = Vec::new();
    let (mut told, mut judged) = (0_usize, 0);
    let mut begun = Instant::now();
    let first = KNOWN_SAMPLES;
    for sample in first..first + ROUNDS * i64::try_from(turns).expect("few") {
        let mut at = 0;
        for series in 0..states.len() {
            if ahead > 1 && series.is_multiple_of(ahead) {
                let places = || (1..=ahead).map(|steps| (at + steps * stride) % states.len());
                std::hint::black_box(places().fold(0, |touched, place| touched ^ states[place].touch()));
                std::hint::black_box(places().fold(0, |touched, place| touched ^ states[place].touch_behind()));
            }
            at = (at + stride) % states.len();
            told += usize::from(engine.observe(&mut states[at], point(sample, series)).alert);
            judged += 1;
            if judged == PIECE {
                pieces.push(begun.elapsed().as_secs_f64() * 1e9 / PIECE as f64);
                (judged, begun) = (0, Instant::now());
            }
        }
    }
    std::hint::black_box(told);
    let middle = pieces.len() / 2;
    *pieces.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Cheap to work out: a triangle over the day, and noise.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn point(sample: i64, series: usize) -> Point {
    let mixed = (sample.cast_unsigned() ^ (series as u64) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    Point {
        timestamp: sample * STEP_S,
        value: 100.0 + 4.0 * (sample % 48 - 24).abs() as f64 + mixed as f64 / 6553.6,
    }
}

/// Time for a sample (nanoseconds) of a detector that looks ahead from 60 days of hours, at one in `step_s` seconds for a week; what the
/// window costs is in it.
pub(crate) fn of_ahead(kind: Kind, step_s: i64) -> f64 {
    let definition = Definition {
        name: "ahead".into(),
        kind,
    };
    let mut engine = AnyEngine::all(&[definition], &Elsewhere::default()).remove(0);
    let mut state = engine.new_state(Subject::new("a"));
    let (mut window, mut scratch) = (Window::new(86_400), Scratch::default());
    let value = |timestamp: i64| point(timestamp / STEP_S, 0).value;
    let mut push = |timestamp: i64, window: &mut Window| {
        let value = value(timestamp);
        window
            .push(Point { timestamp, value }, &mut scratch, |_| {})
            .expect("time goes on");
    };
    for timestamp in (0..60 * 86_400).step_by(1800) {
        push(timestamp, &mut window);
        engine.learn(&mut state, &context(&window, timestamp));
    }
    let week: Vec<i64> = (60 * 86_400..67 * 86_400)
        .step_by(usize::try_from(step_s).expect("above 0"))
        .collect();
    let begin = Instant::now();
    for &timestamp in &week {
        push(timestamp, &mut window);
        std::hint::black_box(engine.observe(&mut state, &context(&window, timestamp)));
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
    let samples = week.len() as f64;
    begin.elapsed().as_secs_f64() * 1e9 / samples
}

fn context(window: &Window, now: i64) -> Context<'_> {
    Context { window, now, said: &[] }
}
