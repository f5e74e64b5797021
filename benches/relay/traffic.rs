//! Lines as servers send them: names of hosts and processors, values that wander or were recorded, time that goes on.

use std::{
    fs,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::read::GzDecoder;

/// Time between two samples of a series (seconds).
pub(crate) const STEP_S: i64 = 10;
/// A day has so many samples of a series.
pub(crate) const DAY_SAMPLES: usize = 8_640;

const SERIES_PER_HOST: usize = 32;
const KINDS: [&str; 8] = [
    "user",
    "system",
    "idle",
    "wait",
    "nice",
    "steal",
    "softirq",
    "interrupt",
];
const KINDS_PER_DECIMALS: [usize; 8] = [2, 2, 2, 3, 3, 0, 3, 0];
/// Places between two series that read the same recording: a prime, so that they do not fall into step.
const RECORDING_STRIDE: usize = 997;

/// Series that are sampled round by round.
#[derive(Clone)]
pub(crate) struct Traffic {
    numbers: Range<usize>,
    names: Vec<Box<str>>,
    values: Values,
    /// Of the next round.
    timestamp: i64,
}

/// Values of real operations: the development half of the detection data.
pub(crate) struct Recordings {
    /// Values as they are written in the files, in order.
    series: Vec<Vec<Box<str>>>,
}

#[derive(Clone)]
enum Values {
    MadeUp(Vec<MadeUp>, Dice),
    Recorded {
        recordings: Arc<Recordings>,
        first: usize,
        round: usize,
    },
}

/// A daily season, and a wandering that returns to it.
#[derive(Clone, Copy)]
struct MadeUp {
    level: f64,
    season: f64,
    phase: f64,
    noise: f64,
    wander: f64,
    decimals: usize,
}

/// Marsaglia's xorshift: fast, and the same in every run.
#[derive(Clone)]
struct Dice(u64);

impl Traffic {
    /// The series with these numbers; their first samples are at `timestamp`. Values are made up without `recordings`.
    pub(crate) fn new(numbers: Range<usize>, timestamp: i64, recordings: Option<&Arc<Recordings>>) -> Self {
        let values = if let Some(recordings) = recordings {
            Values::Recorded {
                recordings: Arc::clone(recordings),
                first: numbers.start,
                round: 0,
            }
        } else {
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (numbers.start as u64 + 1));
            let series = numbers.clone().map(|number| MadeUp::new(number, &mut dice));
            Values::MadeUp(series.collect(), dice)
        };
        Self {
            names: numbers.clone().map(name).collect(),
            numbers,
            values,
            timestamp,
        }
    }

    /// The same samples from now on, of the series whose numbers are so much higher.
    pub(crate) fn renumbered(&self, by: usize) -> Self {
        let numbers = self.numbers.start + by..self.numbers.end + by;
        Self {
            names: numbers.clone().map(name).collect(),
            numbers,
            ..self.clone()
        }
    }

    /// How many series there are.
    pub(crate) fn series(&self) -> usize {
        self.names.len()
    }

    /// Writes the next sample of every series.
    pub(crate) fn round(&mut self, lines: &mut Vec<u8>) {
        let mut time = Vec::with_capacity(12);
        time.push(b' ');
        write_digits(&mut time, self.timestamp.unsigned_abs(), 1);
        time.push(b'\n');
        for (place, name) in self.names.iter().enumerate() {
            lines.extend_from_slice(name.as_bytes());
            lines.push(b' ');
            match &mut self.values {
                Values::MadeUp(series, dice) => series[place].write(self.timestamp, dice, lines),
                Values::Recorded {
                    recordings,
                    first,
                    round,
                } => lines.extend_from_slice(recordings.value(*first + place, *round).as_bytes()),
            }
            lines.extend_from_slice(&time);
        }
        if let Values::Recorded { round, .. } = &mut self.values {
            *round += 1;
        }
        self.timestamp += STEP_S;
    }
}

impl Recordings {
    /// Reads them where `SKYRELAY_DATA` points, or beside the project. `None`, and a word on stderr, when there are none.
    pub(crate) fn read() -> Option<Arc<Self>> {
        let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
        let data = std::env::var_os("SKYRELAY_DATA").map_or_else(beside, PathBuf::from);
        let mut files = Vec::new();
        for set in ["kpi", "nab", "cloudmon"] {
            find_recordings(&data.join("detection/dev").join(set), &mut files);
        }
        files.sort();
        let series: Vec<_> = files.iter().map(read_values).collect();
        if series.is_empty() {
            eprintln!(
                "NO RECORDED VALUES in {}: set SKYRELAY_DATA. Values are made up.",
                data.display()
            );
            return None;
        }
        Some(Arc::new(Self { series }))
    }

    fn value(&self, number: usize, round: usize) -> &str {
        let values = &self.series[number % self.series.len()];
        let begin = number / self.series.len() * RECORDING_STRIDE;
        &values[(begin + round) % values.len()]
    }
}

impl MadeUp {
    fn new(number: usize, dice: &mut Dice) -> Self {
        let level = 20.0 + 60.0 * dice.fraction();
        Self {
            level,
            season: level * 0.3 * dice.fraction(),
            phase: 86_400.0 * dice.fraction(),
            noise: 0.05 + 0.5 * dice.fraction(),
            wander: 0.0,
            decimals: KINDS_PER_DECIMALS[number % KINDS.len()],
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a time of this century")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to some 100,000"
    )]
    fn write(&mut self, timestamp: i64, dice: &mut Dice, lines: &mut Vec<u8>) {
        let step = dice.fraction() + dice.fraction() + dice.fraction() - 1.5;
        self.wander = 0.97 * self.wander + self.noise * step;
        let turn = (timestamp as f64 + self.phase) / 86_400.0 * std::f64::consts::TAU;
        let value = (self.level + self.season * turn.sin() + self.wander).max(0.0);
        let unit = [1_u32, 10, 100, 1000][self.decimals];
        let scaled = (value * f64::from(unit)).round() as u64;
        let unit = u64::from(unit);
        write_digits(lines, scaled / unit, 1);
        if self.decimals > 0 {
            lines.push(b'.');
            write_digits(lines, scaled % unit, self.decimals);
        }
    }
}

impl Dice {
    /// From 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn fraction(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Some 40 bytes, so that lines have about 64. All begin with the same byte, which the sink's checksum needs.
pub(crate) fn name(number: usize) -> Box<str> {
    let (host, place) = (number / SERIES_PER_HOST, number % SERIES_PER_HOST);
    let (processor, kind) = (place / KINDS.len(), KINDS[place % KINDS.len()]);
    format!(
        "servers.rack{:02}.web{host:06}.cpu.{processor}.percent.{kind}",
        host % 40
    )
    .into()
}

fn write_digits(out: &mut Vec<u8>, mut number: u64, at_least: usize) {
    let mut digits = [b'0'; 20];
    let mut begin = digits.len();
    while number > 0 || digits.len() - begin < at_least {
        begin -= 1;
        digits[begin] = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
    }
    out.extend_from_slice(&digits[begin..]);
}

fn find_recordings(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find_recordings(&path, files);
        } else if path.to_string_lossy().ends_with(".csv.gz") {
            files.push(path);
        }
    }
}

/// The second column.
fn read_values(file: impl AsRef<Path>) -> Vec<Box<str>> {
    let file = file.as_ref();
    let packed = fs::File::open(file).expect("it was just listed");
    let mut text = String::new();
    GzDecoder::new(packed)
        .read_to_string(&mut text)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let values = text.lines().skip(1).filter_map(|line| line.split(',').nth(1));
    values.map(Box::from).collect()
}
