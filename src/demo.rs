//! The demonstration: a small fleet that sends to the relay over a real connection, and has an incident now and then.
//!
//! Yesterday comes first, at one sample in ten seconds and in the end at one a second, so that there is a past to compare
//! with; then one sample a second, live. Every incident touches one host for a few seconds and is over before the next.

use std::{
    f64::consts::TAU,
    fmt::Write as _,
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use tracing::{info, warn};

use crate::{clock, line::Timestamp};

const HOSTS: u32 = 8;
const HISTORY_S: i64 = 24 * 3600;
const HISTORY_STEP_S: usize = 10;
/// The end of yesterday, at the pace that is to follow: what is usual at another pace has to be learnt.
const RECENT_S: i64 = 300;
/// An incident begins this often (seconds), and lasts this long.
const INCIDENT_EVERY_S: i64 = 20;
const INCIDENT_LASTS_S: i64 = 8;

/// What the hosts measure.
const METRICS: [Metric; 4] = [
    Metric {
        name: "load",
        mean: 1.2,
        swing: 0.6,
        noise: 0.15,
        incident: 14.0,
    },
    Metric {
        name: "requests",
        mean: 240.0,
        swing: 120.0,
        noise: 18.0,
        incident: 2600.0,
    },
    Metric {
        name: "latency_ms",
        mean: 35.0,
        swing: 6.0,
        noise: 3.0,
        incident: 900.0,
    },
    Metric {
        name: "errors",
        mean: 2.0,
        swing: 1.0,
        noise: 1.0,
        incident: 85.0,
    },
];

/// A metric: a day's swing around a mean, noise, and what it is while something is wrong.
struct Metric {
    name: &'static str,
    mean: f64,
    swing: f64,
    noise: f64,
    incident: f64,
}

/// A small generator (SplitMix64): the same fleet every time.
struct Dice(u64);

/// Starts sending to `address`, on a thread that ends with the process or its connection.
pub fn start(address: SocketAddr) {
    let thread = std::thread::Builder::new().name("demo".to_owned());
    let started = thread.spawn(move || {
        if let Err(error) = send(address) {
            warn!(%error, "the demonstration has ended");
        }
    });
    if let Err(error) = started {
        warn!(%error, "there is no demonstration");
    }
}

fn send(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let mut dice = Dice(1);
    let began = clock::now();
    let mut lines = String::new();
    let recent = began - RECENT_S;
    for timestamp in (began - HISTORY_S..recent).step_by(HISTORY_STEP_S).chain(recent..began) {
        write_lines(&mut lines, timestamp, None, &mut dice);
        if lines.len() > 1 << 16 {
            stream.write_all(lines.as_bytes())?;
            lines.clear();
        }
    }
    info!(
        hosts = HOSTS,
        "yesterday has been sent; an incident begins every {INCIDENT_EVERY_S} s"
    );
    let mut sent = began - 1;
    loop {
        let now = clock::now();
        for timestamp in sent + 1..=now {
            write_lines(&mut lines, timestamp, incident(timestamp - began), &mut dice);
        }
        sent = sent.max(now);
        stream.write_all(lines.as_bytes())?;
        lines.clear();
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The host that something is wrong with, `age` seconds after the beginning.
fn incident(age: i64) -> Option<u32> {
    let (number, since) = (age / INCIDENT_EVERY_S, age % INCIDENT_EVERY_S);
    let wrong = age >= INCIDENT_EVERY_S / 2 && since >= INCIDENT_EVERY_S - INCIDENT_LASTS_S;
    wrong.then(|| u32::try_from(number).unwrap_or(0) * 3 % HOSTS)
}

fn write_lines(lines: &mut String, timestamp: Timestamp, incident: Option<u32>, dice: &mut Dice) {
    #[expect(clippy::cast_precision_loss, reason = "a second of the day")]
    let day = timestamp.rem_euclid(86_400) as f64 / 86_400.0;
    for host in 0..HOSTS {
        let phase = f64::from(host) / 40.0;
        for metric in &METRICS {
            let usual = metric.mean + metric.swing * (TAU * (day + phase)).sin() + metric.noise * dice.normal();
            let value = if incident == Some(host) {
                metric.incident + metric.noise * dice.normal()
            } else {
                usual
            };
            let name = metric.name;
            writeln!(lines, "demo.web{host}.{name} {:.3} {timestamp}", value.max(0.0))
                .expect("a String takes all that is written to it");
        }
    }
}

impl Dice {
    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let fraction = (mixed >> 11) as f64;
        fraction / 9_007_199_254_740_992.0
    }

    /// About normal with mean 0 and deviation 1: the sum of twelve uniform numbers (Irwin-Hall).
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;

    #[test]
    fn there_is_an_incident_within_half_a_minute_and_an_end_to_it() {
        let wrong: Vec<bool> = (0..60).map(|age| incident(age).is_some()).collect();
        assert!(wrong[..30].contains(&true));
        assert_eq!(wrong.iter().filter(|&&wrong| wrong).count(), 24);
        assert_ne!(incident(15), incident(35));
    }

    #[test]
    fn its_lines_are_lines() {
        let mut lines = String::new();
        write_lines(&mut lines, 1_700_000_000, Some(0), &mut Dice(1));
        assert_eq!(lines.lines().count(), 32);
        for sent in lines.lines() {
            assert_eq!(line::parse(sent.as_bytes(), 0).unwrap().timestamp, 1_700_000_000);
        }
    }
}
