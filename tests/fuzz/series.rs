//! What shards have saved of their series, changed: a series is loaded as a whole or not at all, and one that is
//! loaded can be saved and loaded again, and takes samples.
//!
//! This is what checksums keep from readers, so that they need not be guessed.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use proptest::{prelude::*, sample::Index};
use skyrelay::{
    config::Config,
    line::Timestamp,
    save::Saved,
    shard::{Batch, LineRef, Loaded, Origin, Place, Portion, Settings, Shard, Tally, Unanalysed, Verbosity},
};

use crate::{
    changes::{self, changes},
    harness::{Allowed, Turn, overflow},
};

/// By the clock of the relay.
const NOW: Timestamp = 1_700_000_000;

/// How long before that the first sample was taken (seconds): more than the longest series lasts.
const LASTS_S: i64 = 30_000;

/// The samples of a block that says that it has many, a few hundred times over; engines and their tables are in it.
const ALLOWED: Allowed = Allowed {
    heap_bytes: 64 << 20,
    panics: overflow,
};

const ADAPTIVE: &str = "";
const SKYLINE: &str = "[window]\nspan = \"6h\"\n[detector.default]\nkind = \"skyline\"\nconsensus = 2\nfirst_hour_average.older_than = \"5h\"\n";
const RATES: &str = "[window]\nspan = \"1h\"\n[detector.nine]\nkind = \"skyline\"\n[detector.default]\nkind = \"adaptive\"\nsilent_for = \"0s\"\n\
                     [[watch]]\nmatch = [\"**\"]\ndetectors = [\"default\", \"nine\"]\nas = \"rate\"\n";

/// A series that was saved, and under which settings.
#[derive(Clone, Debug)]
pub(crate) struct Good {
    pub(crate) settings: Arc<Settings>,
    pub(crate) bytes: Vec<u8>,
    /// The time of its last sample.
    last: Timestamp,
}

/// Short and long, calm and not, and a dormant one.
static GOOD: LazyLock<Vec<Good>> = LazyLock::new(|| {
    let mut good = Vec::new();
    for text in [ADAPTIVE, SKYLINE, RATES] {
        let settings = settings(text);
        for samples in [2, 40, 300, 2500] {
            good.push(saved(&settings, samples, false));
        }
    }
    good.push(saved(&settings(RATES), 2500, true));
    good
});

pub(crate) fn settings(text: &str) -> Arc<Settings> {
    Arc::new(Config::parse(Path::new("f.toml"), text).unwrap().shard)
}

fn new_shard(settings: &Arc<Settings>) -> Shard {
    Shard::new(Arc::clone(settings), Verbosity::Changes, Arc::default())
}

fn saved(settings: &Arc<Settings>, samples: i32, is_dormant: bool) -> Good {
    let mut shard = new_shard(settings);
    let mut last = NOW - LASTS_S;
    for step in 0..samples {
        let wave = f64::from(step % 17) + (f64::from(step) / 40.0).sin();
        let value = match step {
            150 => 1e9,
            200..260 => f64::from(step * step),
            1000.. => 40.0 + (wave * 10.0).round() / 10.0,
            _ => wave,
        };
        last += if step % 97 == 0 { 73 } else { 10 };
        let tally = send(&mut shard, "a.b", value, last);
        assert_eq!(tally.analysed + tally.unanalysed(Unanalysed::Priming), 1, "{tally:?}");
    }
    assert!(last < NOW);
    if is_dormant {
        shard.sweep(NOW + settings.expire_after_s + 1, 10, &mut Vec::new());
        assert_eq!((shard.series_count(), shard.dormant_count()), (0, 1));
    }
    let bytes = save(&shard).pop().expect("a series");
    Good {
        settings: Arc::clone(settings),
        bytes,
        last,
    }
}

fn send(shard: &mut Shard, name: &str, value: f64, timestamp: Timestamp) -> Tally {
    let line = format!("{name} {value} {timestamp}");
    let batch = Batch {
        lines: vec![LineRef::new(hash(name), &(0..name.len()), line.len())],
        chunk: Bytes::from(line),
        received: NOW,
    };
    let mut tally = Tally::default();
    shard.apply(&batch, &mut Vec::new(), &mut tally);
    tally
}

/// Shards take any hash, so long as it is the same.
fn hash(name: &str) -> u64 {
    name.bytes()
        .fold(7, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

fn save(shard: &Shard) -> Vec<Vec<u8>> {
    let mut portion = Portion::default();
    for (place, next) in [(Place::Awake(0), Some(Place::Dormant(0))), (Place::Dormant(0), None)] {
        assert_eq!(shard.save(place, usize::MAX, usize::MAX, NOW, &mut portion), next);
    }
    portion.pieces().map(<[u8]>::to_vec).collect()
}

/// A shard with what could be loaded of `bytes`, which were saved under `settings`.
fn load(settings: &Arc<Settings>, bytes: &[u8]) -> (Shard, Loaded) {
    let mut shard = new_shard(settings);
    let heirs = Origin::new(settings).heirs(settings);
    let mut loaded = Loaded::default();
    let name = Saved::new(bytes).text().unwrap_or_default();
    shard.load(bytes, hash(name), &heirs, NOW, &mut loaded);
    (shard, loaded)
}

#[test]
fn series() {
    let turn = Turn::take();
    for good in &*GOOD {
        let (shard, loaded) = load(&good.settings, &good.bytes);
        assert_eq!(loaded.series + loaded.dormant, 1, "{loaded:?}");
        assert_eq!(save(&shard), [&good.bytes[..]]);
    }
    let inputs = (any::<Index>(), changes(1..5), any::<bool>()).prop_map(|(good, changes, is_near_the_end)| {
        let Good {
            settings,
            mut bytes,
            last,
        } = good.get(&GOOD[..]).clone();
        if is_near_the_end {
            // States stand behind the samples, which take most of the bytes.
            let mut end = bytes.split_off(bytes.len().saturating_sub(1500));
            changes::apply(&changes, &mut end);
            bytes.append(&mut end);
        } else {
            changes::apply(&changes, &mut bytes);
        }
        Good { settings, bytes, last }
    });
    turn.fuzz("series", ALLOWED, &inputs, check);
}

fn check(input: &Good) -> Result<(), TestCaseError> {
    let Good { settings, bytes, last } = input;
    let (mut shard, loaded) = load(settings, bytes);
    let kept = loaded.series + loaded.dormant;
    let outcomes =
        kept + loaded.too_old + loaded.over_max_series + loaded.unwatched + loaded.read_otherwise + loaded.damaged;
    prop_assert_eq!(outcomes, 1);
    prop_assert_eq!(shard.series_count() as u64, loaded.series);
    let bytes = save(&shard);
    prop_assert_eq!(bytes.len() as u64, kept);
    let Some(bytes) = bytes.first() else {
        return Ok(());
    };
    let name = Saved::new(bytes).text().unwrap().to_owned();
    let (again, loaded) = load(settings, bytes);
    prop_assert_eq!(loaded.series + loaded.dormant, 1, "{:?}", loaded);
    prop_assert_eq!(&save(&again), std::slice::from_ref(bytes));
    let points = shard
        .look_up(hash(&name), &name)
        .map_or(Vec::new(), |(_, points)| points);
    prop_assert!(points.is_sorted_by_key(|point| point.timestamp));
    // It goes on.
    let next = points.last().map_or(*last, |point| point.timestamp.max(*last));
    for (step, value) in (1..).zip([1.0, 40.5, 1e9, -3.0]) {
        send(&mut shard, &name, value, next + 10 * step);
    }
    prop_assert_eq!((shard.series_count(), shard.dormant_count()), (1, 0));
    Ok(())
}
