//! Runs a target: makes inputs for a while, watches time, memory and panics, and makes an input that fails small.
//!
//! Targets run one after the other, so that what is measured is theirs.

use std::{
    env,
    fmt::Debug,
    io::Write as _,
    panic,
    sync::{
        Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use peak_alloc::PeakAlloc;
use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestCaseResult, TestError, TestRng, TestRunner},
};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// How long each target is run (seconds), unless `SKYRELAY_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 8;

/// Time after which an input hangs: others may be using the machine.
const HANGS: Duration = Duration::from_secs(60);

/// Inputs between two looks at the clock.
const ROUND: u32 = 64;

/// How often an input that fails is made smaller.
const SHRINKS_MAX: u32 = 20_000;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Is an input being looked at? Then panics are counted and kept rather than shown.
static LOOKING: AtomicBool = AtomicBool::new(false);
static PANICS: AtomicU64 = AtomicU64::new(0);
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());
/// Which of them are not counted.
static ALLOWED_PANICS: Mutex<fn(&str) -> bool> = Mutex::new(none);

/// What an input may cost, and what may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// Memory, at its peak (bytes).
    pub(crate) heap_bytes: usize,
    /// Which panics may come, by their message, so long as they are caught and answered.
    pub(crate) panics: fn(&str) -> bool,
}

/// For [`Allowed::panics`]: none.
pub(crate) fn none(_: &str) -> bool {
    false
}

/// For [`Allowed::panics`]: numbers that a checksum vouches for are not all checked once more, and sums of them may go
/// beyond their type. In a release build they wrap.
pub(crate) fn overflow(message: &str) -> bool {
    message.contains("with overflow")
}

/// The turn of one test. It is to be taken before anything is made for it, as memory is watched in all threads together.
pub(crate) struct Turn(MutexGuard<'static, ()>);

impl Turn {
    /// Waits for it.
    pub(crate) fn take() -> Self {
        Self(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `check` on `inputs` for a while.
    ///
    /// # Panics
    /// When it fails on one: with the smallest that it fails on.
    pub(crate) fn fuzz<S>(self, target: &str, allowed: Allowed, inputs: &S, check: impl Fn(&S::Value) -> TestCaseResult)
    where
        S: Strategy,
        S::Value: Clone + Debug + Send,
    {
        let Self(_until_the_end) = self;
        keep_panics();
        let seconds = number("SKYRELAY_FUZZ_SECONDS").unwrap_or(SECONDS);
        let seed = number("SKYRELAY_FUZZ_SEED").unwrap_or_else(seed_by_the_clock);
        let begun = Instant::now();
        let (looked_at, current) = (AtomicU64::new(0), Mutex::new(None));
        let (done, ended) = channel::<()>();
        let failure = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut before = 0;
                let mut since = Instant::now();
                // Moved in, so that it hears of the end.
                let ended = ended;
                while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                    let now = looked_at.load(Ordering::Relaxed);
                    if now != before {
                        (before, since) = (now, Instant::now());
                    } else if since.elapsed() > HANGS {
                        let input: Option<S::Value> = current.lock().ok().and_then(|mut input| input.take());
                        say(&format!(
                            "{target}, seed {seed}: this input takes over {HANGS:?}: {input:?}"
                        ));
                        // Nothing stops a thread that does not end.
                        std::process::abort();
                    }
                }
            });
            let mut round = 0_u64;
            let mut failure = None;
            while failure.is_none() && (round == 0 || begun.elapsed().as_secs() < seconds) {
                let looked = TestRunner::new_with_rng(config(), random(seed, round)).run(inputs, |input| {
                    looked_at.fetch_add(1, Ordering::Relaxed);
                    *current.lock().unwrap() = Some(input.clone());
                    look(allowed, || check(&input))
                });
                failure = looked.err();
                round += 1;
            }
            drop(done);
            failure
        });
        let looked_at = looked_at.into_inner();
        let took = begun.elapsed();
        match failure {
            None => say(&format!("fuzz {target}: {looked_at} inputs in {took:.1?}, seed {seed}")),
            Some(TestError::Fail(reason, input)) => panic!("{target}, seed {seed}: {reason}\nfor {input:?}"),
            Some(TestError::Abort(reason)) => panic!("{target}, seed {seed}: {reason}"),
        }
    }
}

/// One look at one input.
fn look(allowed: Allowed, check: impl Fn() -> TestCaseResult) -> TestCaseResult {
    *ALLOWED_PANICS.lock().unwrap_or_else(PoisonError::into_inner) = allowed.panics;
    let panics = PANICS.load(Ordering::Relaxed);
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    LOOKING.store(true, Ordering::Relaxed);
    let outcome = panic::catch_unwind(panic::AssertUnwindSafe(check));
    LOOKING.store(false, Ordering::Relaxed);
    let heap_bytes = HEAP.peak_usage().saturating_sub(before);
    let last_panic = || LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let outcome = outcome.map_err(|_| TestCaseError::fail(last_panic()))?;
    if PANICS.load(Ordering::Relaxed) > panics {
        return Err(TestCaseError::fail(format!("it was caught: {}", last_panic())));
    }
    if heap_bytes > allowed.heap_bytes {
        return Err(TestCaseError::fail(format!("it takes {heap_bytes} bytes of memory")));
    }
    outcome
}

fn keep_panics() {
    static KEEPING: Once = Once::new();
    KEEPING.call_once(|| {
        let show = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if LOOKING.load(Ordering::Relaxed) {
                let message = panic.to_string();
                if !ALLOWED_PANICS.lock().unwrap_or_else(PoisonError::into_inner)(&message) {
                    PANICS.fetch_add(1, Ordering::Relaxed);
                }
                *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = message;
            } else {
                show(panic);
            }
        }));
    });
}

fn config() -> Config {
    Config {
        cases: ROUND,
        max_shrink_iters: SHRINKS_MAX,
        failure_persistence: None,
        ..Config::default()
    }
}

fn random(seed: u64, round: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&round.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is {text}, expected a number")),
    )
}

fn seed_by_the_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs()
}

/// Says it even of a test that passes.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

#[test]
#[should_panic(expected = "bytes of memory")]
fn memory_is_watched() {
    let turn = Turn::take();
    let allowed = Allowed {
        heap_bytes: 500_000,
        panics: none,
    };
    turn.fuzz(
        "memory",
        allowed,
        &proptest::strategy::Just(1_000_000_usize),
        |&bytes| {
            std::hint::black_box(vec![1_u8; bytes]);
            Ok(())
        },
    );
}

#[test]
#[should_panic(expected = "it was caught")]
fn panics_are_watched_on_every_thread() {
    let turn = Turn::take();
    let allowed = Allowed {
        heap_bytes: 1 << 20,
        panics: none,
    };
    turn.fuzz("panics", allowed, &proptest::strategy::Just(()), |()| {
        let _caught = std::thread::spawn(|| panic!("of a thread")).join();
        Ok(())
    });
}

#[test]
#[should_panic(expected = "for 77")]
fn an_input_that_fails_is_made_small() {
    let turn = Turn::take();
    let allowed = Allowed {
        heap_bytes: 1 << 20,
        panics: none,
    };
    turn.fuzz("numbers", allowed, &(0..1_000_000_u32), |&number| {
        assert!(number < 77);
        Ok(())
    });
}
