//! Pictures of a series: its samples, what was usual, and where it was anomalous; as SVG for pages and as PNG for mail.
//!
//! Knows nothing of detectors at work, windows or channels: what is to be seen is handed in.
//!
//! * Nothing is hidden by down-sampling: each column of pixels shows the extremes of its samples, so a spike of one sample in
//!   a million is there at its full height. The band and what was expected are means.
//! * A picture is bounded, whatever it shows: some 20 KB of SVG at the usual size, 300 KB at worst, and 50 KB of PNG.
//! * Titles, and what is said of anomalies, are hostile text.
//! * An SVG has neither script nor style of its own, and asks for nothing. Its text has the colour of the text around it
//!   (`currentColor`); all else has the colours `--plot-samples`, `--plot-band`, `--plot-expected`, `--plot-info`,
//!   `--plot-warning` and `--plot-critical`, or, where a page does not set these, some that are seen on white and on black.

mod axis;
mod png;
mod scene;
mod svg;
mod track;

pub use axis::{number, time, zone_name};
use jiff::tz::TimeZone;
use scene::Scene;
pub use track::{Column, Sample, Track};

use crate::{detect::Severity, line::Timestamp};

/// Columns that a plot has use for: about as many as pixels.
pub const COLUMNS: usize = 1200;

/// Characters of what is said of a mark.
const TIP_CHARS: usize = 200;

/// What is to be seen.
#[derive(Clone, Debug)]
pub struct Plot<'a> {
    /// What it is called.
    pub title: &'a str,
    /// The samples, the oldest first; those out of the times below are not shown.
    pub columns: &'a [Column],
    /// Where it was anomalous.
    pub marks: &'a [Mark],
    /// The left end.
    pub from: Timestamp,
    /// The right end, later than the left one.
    pub until: Timestamp,
    /// Whose clocks the times are those of.
    pub zone: &'a TimeZone,
    /// Width and height (pixels, 200 to 2000 and 100 to 1000).
    pub size: (u16, u16),
}

/// An anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When it opened.
    pub from: Timestamp,
    /// When it closed; `None`: it is open.
    pub until: Option<Timestamp>,
    /// The sample that opened it.
    pub value: f64,
    /// How much it matters.
    pub severity: Severity,
    /// What is said of it.
    pub text: String,
}

impl Plot<'_> {
    /// As SVG, to be put into a page as it is.
    pub fn svg(&self) -> String {
        svg::draw(&Scene::of(self))
    }

    /// As PNG, on white, of twice as many pixels each way, for screens that have them.
    pub fn png(&self) -> Vec<u8> {
        png::draw(&Scene::of(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static UTC: TimeZone = TimeZone::UTC;

    /// A day at a sample a minute, with a spike of one sample, a gap, and a band.
    fn day() -> Track {
        let sample = |minute: i64| {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let usual = 50.0 + 20.0 * (minute as f64 / 1440.0 * std::f64::consts::TAU).sin();
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let noise = (minute * 7919 % 101) as f64 / 25.0 - 2.0;
            Sample {
                timestamp: 1_700_000_000 + 60 * minute,
                value: if minute == 777 { 160.0 } else { usual + noise },
                expected: Some(usual),
                lower: (minute > 200).then_some(usual - 6.0),
                upper: (minute > 200).then_some(usual + 6.0),
            }
        };
        (0..1440)
            .filter(|minute| !(900..960).contains(minute))
            .map(sample)
            .collect()
    }

    fn marks() -> Vec<Mark> {
        vec![Mark {
            from: 1_700_000_000 + 60 * 777,
            until: Some(1_700_000_000 + 60 * 820),
            value: 160.0,
            severity: Severity::Critical,
            text: "spike 4.97: <b>a step</b> up".to_owned(),
        }]
    }

    fn plot<'a>(title: &'a str, track: &'a Track, marks: &'a [Mark]) -> Plot<'a> {
        Plot {
            title,
            columns: track.columns(),
            marks,
            from: 1_700_000_000,
            until: 1_700_000_000 + 86_400,
            zone: &UTC,
            size: (720, 240),
        }
    }

    #[test]
    fn an_svg_shows_all_and_asks_for_nothing() {
        let (track, marks) = (day(), marks());
        let svg = plot("servers.web1.load", &track, &marks).svg();
        for part in [
            "servers.web1.load",
            ">09:00<",
            ">150<",
            "&lt;b&gt;a step",
            "var(--plot-band",
            "UTC",
        ] {
            assert!(svg.contains(part), "no {part}");
        }
        let (_, behind_namespace) = svg.split_once("http://www.w3.org/2000/svg").unwrap();
        for part in ["http", "url(", "href", "<script", "<style", "style=", "onload"] {
            assert!(!behind_namespace.contains(part), "{part}: {svg}");
        }
        assert!(svg.len() < 60_000, "{}", svg.len());
    }

    #[test]
    fn a_hostile_title_stays_text() {
        let (track, marks) = (day(), marks());
        let svg = plot(
            "</title></svg><script>alert(1)</script>\u{1b}\u{202e}'\"",
            &track,
            &marks,
        )
        .svg();
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"), "{svg}");
        assert_eq!(svg.matches("</svg>").count(), 1);
        assert!(!svg.contains(['\u{1b}', '\u{202e}']));
    }

    #[test]
    fn a_spike_of_one_sample_in_a_million_is_there() {
        let samples = (0..1_000_000).map(|second| Sample {
            timestamp: second,
            value: if second == 654_321 { 1000.0 } else { 1.0 },
            ..Sample::default()
        });
        let track: Track = samples.collect();
        let mut plot = plot("a", &track, &[]);
        (plot.from, plot.until) = (0, 1_000_000);
        let svg = plot.svg();
        let samples = svg.lines().find(|line| line.contains("--plot-samples")).unwrap();
        let path = samples.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
        // What follows a comma, or a V, is a height.
        let heights = path.split([',', 'V']).skip(1);
        let heights = heights.filter_map(|rest| rest.split(['M', 'L', 'H', 'V', 'h']).next()?.parse::<f64>().ok());
        let (top, bottom) = heights.fold((f64::MAX, f64::MIN), |(top, bottom), height| {
            (top.min(height), bottom.max(height))
        });
        assert!(bottom - top > 150.0, "{top} to {bottom}");
        assert!(svg.len() < 20_000, "{}", svg.len());
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let samples = (0..200_000_i64).map(|place| Sample {
            timestamp: place * 7,
            #[expect(clippy::cast_precision_loss, reason = "small")]
            value: (place.wrapping_mul(6_364_136_223_846_793_005) >> 32) as f64,
            #[expect(clippy::cast_precision_loss, reason = "small")]
            upper: Some((place.wrapping_mul(2_862_933_555_777_941_757) >> 30) as f64),
            expected: Some(0.0),
            lower: None,
        });
        let track: Track = samples.collect();
        let marks: Vec<_> = (0..5000)
            .map(|place| Mark {
                from: place * 280,
                until: (place % 2 == 0).then_some(place * 280 + 100),
                value: 1.0,
                severity: Severity::Info,
                text: "<".repeat(10_000),
            })
            .collect();
        let title = "&".repeat(100_000);
        let mut plot = plot(&title, &track, &marks);
        (plot.from, plot.until, plot.size) = (0, 1_400_000, (2000, 1000));
        assert!(plot.svg().len() < 1_500_000, "{}", plot.svg().len());
        plot.size = (720, 240);
        assert!(plot.svg().len() < 300_000, "{}", plot.svg().len());
        assert!(plot.png().len() < 300_000, "{}", plot.png().len());
    }

    #[test]
    fn odd_series_are_drawn() {
        let of = |values: &[f64]| -> Track {
            let sample = |(timestamp, &value)| Sample {
                timestamp,
                value,
                lower: Some(-f64::MAX),
                upper: Some(f64::INFINITY),
                ..Sample::default()
            };
            (1_700_000_000..).zip(values).map(sample).collect()
        };
        for values in [
            &[][..],
            &[0.0],
            &[5.0, 5.0],
            &[f64::MAX, -f64::MAX, 0.0],
            &[f64::MIN_POSITIVE / 4.0, 0.0],
            &[1e16, 1e16 + 2.0],
        ] {
            let (track, marks) = (of(values), marks());
            let svg = plot("odd", &track, &marks).svg();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}: {svg}");
            assert!(plot("odd", &track, &[]).png().starts_with(b"\x89PNG"));
        }
    }

    /// For people to look at: with `SKYRELAY_PICTURES`, where to put them.
    #[test]
    fn a_png_is_of_twice_the_size() {
        let (track, marks) = (day(), marks());
        let plot = plot("servers.web1.load", &track, &marks);
        let png = plot.png();
        // The header of PNG: width and height, in the order of networks.
        assert_eq!(png[16..24], [0, 0, 5, 160, 0, 0, 1, 224]);
        if let Some(folder) = std::env::var_os("SKYRELAY_PICTURES") {
            let folder = std::path::Path::new(&folder);
            std::fs::write(folder.join("day.png"), png).unwrap();
            std::fs::write(folder.join("day.svg"), plot.svg()).unwrap();
        }
    }
}
