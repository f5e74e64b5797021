//! Random series with what real ones have: noise, steps, spikes, flat stretches, ramps, gaps, irregular steps.

use proptest::prelude::*;

use crate::window::Point;

/// A stretch of a series.
#[derive(Clone, Debug)]
enum Stretch {
    Noise {
        level: i32,
        amplitude: u16,
    },
    Flat {
        level: i32,
    },
    Ramp {
        level: i32,
        slope: i8,
    },
    /// Few values, as a counter of rare things has.
    Coarse {
        level: i32,
    },
}

/// A series: stretches with their samples, a spike at the end of some, a gap behind others.
#[derive(Clone, Debug)]
struct Piece {
    stretch: Stretch,
    samples: usize,
    spike: Option<(i32, usize)>,
    gap_s: i64,
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let level = prop_oneof![4 => 90..110, 1 => -2000..2000];
    let stretch = prop_oneof![
        5 => (level.clone(), 1u16..40).prop_map(|(level, amplitude)| Stretch::Noise { level, amplitude }),
        2 => level.clone().prop_map(|level| Stretch::Flat { level }),
        1 => (level.clone(), -5i8..5).prop_map(|(level, slope)| Stretch::Ramp { level, slope }),
        1 => level.prop_map(|level| Stretch::Coarse { level }),
    ];
    let spike = prop::option::weighted(0.6, (prop_oneof![20..600, -600..-20], 1..16usize));
    let gap = prop_oneof![6 => Just(0i64), 1 => 1..900i64, 1 => 900..4000i64];
    let piece = (stretch, 1..120usize, spike, gap).prop_map(|(stretch, samples, spike, gap_s)| Piece {
        stretch,
        samples,
        spike,
        gap_s,
    });
    prop::collection::vec(piece, 1..9)
}

/// A random series. Every other one has a sample in ten seconds, the rest one now and then.
pub(super) fn series() -> impl Strategy<Value = Vec<Point>> {
    let scale = prop_oneof![4 => Just(1.0), 1 => Just(1e-3), 1 => Just(1e6)];
    (pieces(), any::<bool>(), any::<u64>(), scale).prop_map(|(pieces, regular, seed, scale)| {
        let mut dice = Dice(seed);
        let mut timestamp = 1_700_000_000;
        let mut points = Vec::new();
        for piece in pieces {
            let spiky = piece.spike.map_or(0, |(_, samples)| samples);
            for place in 0..piece.samples + spiky {
                timestamp += if regular { 10 } else { 1 + dice.below(30) };
                let mut value = piece.stretch.value(place, &mut dice);
                if place >= piece.samples {
                    value += piece.spike.map_or(0.0, |(height, _)| f64::from(height));
                }
                let value = value * scale;
                points.push(Point { timestamp, value });
            }
            timestamp += piece.gap_s;
        }
        points
    })
}

impl Stretch {
    fn value(&self, place: usize, dice: &mut Dice) -> f64 {
        let place = f64::from(u32::try_from(place).unwrap());
        match *self {
            Self::Noise { level, amplitude } => f64::from(level) + f64::from(amplitude) * dice.fraction(),
            Self::Flat { level } => f64::from(level),
            Self::Ramp { level, slope } => f64::from(level) + f64::from(slope) * (place + dice.fraction()),
            Self::Coarse { level } => f64::from(level) + if dice.below(8) == 0 { 1.0 } else { 0.0 },
        }
    }
}

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> i64 {
        i64::from(self.next() % bound)
    }

    /// From 0 up to 1, in steps that make many values equal.
    fn fraction(&mut self) -> f64 {
        f64::from(self.next() % 1000) / 1000.0
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()
    }
}
