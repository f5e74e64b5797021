//! Blocks to which samples are added, and whose first samples go.

use super::*;

fn decoded(block: &Block) -> Vec<(i64, u64)> {
    let mut decoded = Vec::new();
    block.decode(|timestamp, value| decoded.push((timestamp, value.to_bits())));
    decoded
}

/// All ways to the samples of a block lead to these.
#[track_caller]
fn holds(block: &Block, expected: &[(i64, u64)]) {
    same(&decoded(block), expected);
    same(&stepped(block), expected);
    assert_eq!(block.len(), expected.len());
    let ends = (block.first_timestamp(), block.last_timestamp());
    assert_eq!(ends, (expected[0].0, expected[expected.len() - 1].0));
    assert_eq!(Block::from_bytes(block.as_bytes().into()).as_ref(), Ok(block));
}

/// A block that came from outside can be cut and added to like any other.
#[track_caller]
pub(super) fn survives(block: &Block, samples: &[(i64, u64)]) {
    let mut block = block.clone();
    let middle = samples[(samples.len() - 1) / 2].0;
    if middle < block.last_timestamp() {
        let (gone, _) = block.cut(middle);
        same(&decoded(&block), &samples[gone..]);
    }
    let added = (block.last_timestamp().wrapping_add(10), 1.0);
    if let Some(mut end) = block.end()
        && added.0 > block.last_timestamp()
        && block.extend(&mut end, &[added.0], &[added.1], usize::MAX, &mut Scratch::default()) > 0
    {
        assert_eq!(decoded(&block).last(), Some(&(added.0, added.1.to_bits())));
    }
}

/// Takes the samples of a block, a few at a time, from a place that was made when it was another.
struct Follower {
    cursor: Cursor,
    passed: usize,
}

impl Follower {
    fn read(&mut self, block: &Block, count: u32, samples: &[(i64, u64)]) {
        let mut read = Vec::new();
        self.cursor
            .take(block, count, |timestamp, value| read.push((timestamp, value.to_bits())));
        same(&read, &samples[self.passed..self.passed + read.len()]);
        self.passed += read.len();
    }
}

/// Seals the first samples, adds the others in steps of so many where it can, and lets go of what is older than the last
/// `kept` now and then. Returns how often samples were added and cut.
#[track_caller]
fn lives(timestamps: &[i64], values: &[f64], first: usize, step: usize, kept: usize) -> (usize, usize) {
    let seal = |timestamps: &[i64], values: &[f64]| Block::seal(timestamps, values, &mut Scratch::default());
    lives_from(seal, timestamps, values, first, step, kept)
}

/// The same, but for how the first samples are sealed: nearly all of them.
#[track_caller]
fn lives_from(
    seal: impl Fn(&[i64], &[f64]) -> Block,
    timestamps: &[i64],
    values: &[f64],
    first: usize,
    step: usize,
    kept: usize,
) -> (usize, usize) {
    let bits = values.iter().map(|value| value.to_bits());
    let samples: Vec<_> = timestamps.iter().copied().zip(bits).collect();
    let mut scratch = Scratch::default();
    let (mut begin, mut end) = (0, first.min(samples.len()));
    let mut block = seal(&timestamps[..end], &values[..end]);
    end = block.len();
    let mut follower = Follower {
        cursor: block.cursor(),
        passed: 0,
    };
    let (mut added, mut cuts) = (0, 0);
    let mut place = block.end();
    while end < samples.len() {
        let next = samples.len().min(end + step);
        let before = block.clone();
        let Some(place) = &mut place else { break };
        // There is not always room for all.
        let bytes_max = before.as_bytes().len() + 5 * step;
        let more = block.extend(
            place,
            &timestamps[end..next],
            &values[end..next],
            bytes_max,
            &mut scratch,
        );
        assert!(block.as_bytes().len() <= bytes_max);
        if more == 0 {
            assert_eq!(block, before);
            break;
        }
        added += 1;
        end += more;
        holds(&block, &samples[begin..end]);
        assert_eq!(block.end(), Some(*place));
        if let Some(old) = end.checked_sub(kept + 1).filter(|&old| old >= begin) {
            // What is about to go has been read.
            follower.read(&block, u32::try_from(end - kept).unwrap(), &samples);
            let (gone, due) = block.cut(samples[old].0);
            assert!(due > samples[old].0 && gone <= end - kept - begin);
            cuts += usize::from(gone > 0);
            begin += gone;
            holds(&block, &samples[begin..end]);
            assert_eq!(block.end(), Some(*place));
        }
        follower.read(&block, 3, &samples);
    }
    follower.read(&block, u32::MAX, &samples);
    assert_eq!(follower.passed, end);
    (added, cuts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_added_comes_out_and_what_is_cut_does_not(
        (timestamps, values) in samples(),
        first in 1_usize..100,
        step in 1_usize..70,
        kept in 1_usize..500,
    ) {
        lives(&timestamps, &values, first, step, kept);
    }

    #[test]
    fn what_is_added_to_a_block_for_long_comes_out(
        (timestamps, values) in samples(),
        first in 1_usize..100,
        step in 1_usize..70,
        kept in 1_usize..500,
    ) {
        let seal = |timestamps: &[i64], values: &[f64]| Block::seal_for_long(timestamps, values, &mut Scratch::default()).0;
        lives_from(seal, &timestamps, &values, first, step, kept);
    }

    #[test]
    fn the_first_samples_of_any_block_go((timestamps, values) in samples(), step in 1_usize..100) {
        let (mut block, len) = Block::seal_for_long(&timestamps, &values, &mut Scratch::default());
        let samples = decoded(&block);
        let mut follower = Follower { cursor: block.cursor(), passed: 0 };
        let mut begin = 0;
        for old in (0..len - 1).step_by(step) {
            follower.read(&block, u32::try_from(old + 1 - follower.passed.min(old + 1)).unwrap(), &samples);
            let bytes = block.as_bytes().len();
            let (gone, due) = block.cut(samples[old].0);
            prop_assert!(due > samples[old].0 && begin + gone <= old + 1);
            prop_assert!(gone == 0 || block.as_bytes().len() < bytes);
            begin += gone;
            holds(&block, &samples[begin..]);
            follower.read(&block, 2, &samples);
        }
    }

    #[test]
    fn damage_to_what_is_left_is_refused_or_decodes_to_something(
        (timestamps, values) in samples(),
        old in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        head in any::<bool>(),
    ) {
        let (mut block, len) = Block::seal_for_long(&timestamps, &values, &mut Scratch::default());
        let old = decoded(&block)[old.index(len)].0;
        if old < block.last_timestamp() {
            block.cut(old);
        }
        let mut bytes = block.as_bytes().to_vec();
        for (at, to) in damage {
            let within = if head { bytes.len().min(32) } else { bytes.len() };
            bytes[at.index(within)] = to;
        }
        super::survives(bytes);
    }
}

#[test]
fn samples_like_those_before_are_added() {
    let values: Vec<f64> = numbers(1000, 1024).map(|k| (4000.0 + k) / 100.0).collect();
    let (added, cuts) = lives(&every_10_s(&values), &values, 64, 16, 300);
    assert_eq!(added, (1000_usize - 64).div_ceil(16));
    assert!(cuts > 5, "{cuts}");
    let jitter = noise(1000, 3).zip((1_700_000_000..).step_by(10));
    let timestamps: Vec<i64> = jitter.map(|(off, at)| at + i64::try_from(off).unwrap()).collect();
    let (added, cuts) = lives(&timestamps, &values, 64, 16, 300);
    assert!(added == 59 && cuts > 5, "{added} {cuts}");
}

#[test]
fn fractions_are_added_to_fractions() {
    let seal = |timestamps: &[i64], values: &[f64]| {
        let (block, _) = Block::seal_for_long(timestamps, values, &mut Scratch::default());
        assert!(block.is_of_fractions());
        block
    };
    for (unit, most) in [(1.0, 30), (1.0, 9000), (100.0, 300)] {
        let values: Vec<f64> = numbers(1000, 1024)
            .zip(noise(2000, most).skip(1000))
            .map(|(sum, n)| {
                let n = (n + most) as f64;
                unit * (500.0 * n + sum).round() / n
            })
            .collect();
        let (added, cuts) = lives_from(seal, &every_10_s(&values), &values, 150, 16, 400);
        assert!(added >= (1000_usize - 150).div_ceil(16) && cuts > 3, "{added} {cuts}");
    }
}

#[test]
fn samples_of_another_kind_are_not_added() {
    let mut values: Vec<f64> = numbers(128, 100).collect();
    for value in &mut values[64..] {
        *value = (*value / 7.0).sqrt();
    }
    assert_eq!(lives(&every_10_s(&values), &values, 64, 16, 300), (0, 0));
    // A step of time that is another.
    let values: Vec<f64> = numbers(128, 100).collect();
    let mut timestamps = every_10_s(&values);
    timestamps[80..].iter_mut().for_each(|at| *at += 5);
    assert_eq!(lives(&timestamps, &values, 64, 16, 300), (1, 0));
}

#[test]
fn a_block_is_cut_as_long_as_it_pays() {
    let values: Vec<f64> = numbers(1000, 1024).collect();
    let (mut block, len) = Block::seal_for_long(&every_10_s(&values), &values, &mut Scratch::default());
    let samples = decoded(&block);
    let (mut due, mut looks, mut cuts) = (0, 0, 0);
    for (old, &(timestamp, _)) in samples[..len - 1].iter().enumerate() {
        if timestamp >= due {
            looks += 1;
            let (gone, next) = block.cut(timestamp);
            due = next;
            cuts += usize::from(gone > 0);
        }
        // Ten bits each, a header, and a sixteenth of what is left; allocations may take a quarter more.
        let left = (len - old - 1) * 10 / 8;
        assert!(
            block.as_bytes().len() <= left + left * 5 / 16 + 100,
            "{old}: {}",
            block.as_bytes().len()
        );
    }
    assert!(cuts > 10 && looks < 2 * cuts + 5, "{looks} looks, {cuts} cuts");
}

#[test]
fn gaps_wait_for_no_sample_to_come() {
    let gap = |place: i64, seconds: i64| move |at: i64| if at >= place { seconds } else { 0 };
    let (first, second) = (gap(6, 5), gap(10, -5));
    let timestamps: Vec<i64> = (0..40).map(|at| 1000 + 10 * at + first(at) + second(at)).collect();
    let values: Vec<f64> = numbers(40, 1024).collect();
    let block = Block::seal(&timestamps, &values, &mut Scratch::default());
    let at = block
        .as_bytes()
        .windows(6)
        .position(|bytes| bytes == [2, 6, 0, 5, 10, 0]);
    let at = at.expect("two gaps, and their places");
    // Places behind the last sample, where seconds that sum up to nothing leave the last timestamp as it is; the same place twice, out of
    // order, at no sample.
    for (places, seconds) in [([45, 46], 25), ([6, 6], 5), ([10, 6], 5), ([0, 6], 5), ([6, 40], 5)] {
        let mut bytes = block.as_bytes().to_vec();
        (bytes[at + 1], bytes[at + 3]) = (places[0], seconds);
        (bytes[at + 4], bytes[at + 6]) = (places[1], seconds.wrapping_neg());
        assert!(Block::from_bytes(bytes.into()).is_err(), "{places:?}");
    }
    assert_eq!(Block::from_bytes(block.as_bytes().into()).as_ref(), Ok(&block));
}
