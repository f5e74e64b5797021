//! Cost as work grows: lines per second by series and by senders, as a table and as a plot.

use std::{fmt::Write as _, fs};

use crate::{
    Options, first_timestamp,
    load::Senders,
    process::{Program, Setup},
    report::{Spread, Table},
    throughput::{DEFAULT, NINE, UNWATCHED, run_once},
};

pub(crate) const CASE: &str = "grow";

const SERIES: [usize; 3] = [10_000, 100_000, 1_000_000];
const SENDERS: [usize; 3] = [1, 8, 64];
/// What stays while the other grows.
const USUAL_SERIES: usize = 100_000;
const USUAL_SENDERS: usize = 8;
const SETUPS: [(&str, Setup); 3] = [
    ("nothing watched", UNWATCHED),
    ("the default detector", DEFAULT),
    ("the nine", NINE),
];

/// Lines per second for one number of series and of senders.
struct Point {
    series: usize,
    senders: usize,
    /// As [`SETUPS`].
    lines_per_s: [Spread; SETUPS.len()],
}

/// Runs the case if it is asked for. False when a line was lost or changed.
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) || !options.runs(Program::Skyrelay) {
        return true;
    }
    let mut columns = vec!["series", "senders"];
    for (name, _) in SETUPS {
        columns.extend([name, "CPU s / M lines"]);
    }
    columns.push("intact");
    let table = Table::begin("Lines per second as work grows", &columns);
    let by_series = SERIES.map(|series| (series, USUAL_SENDERS));
    let by_senders = SENDERS.map(|senders| (USUAL_SERIES, senders));
    let mut sizes: Vec<_> = by_series.into_iter().chain(by_senders).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut points = Vec::new();
    let mut intact = true;
    for (series, senders) in sizes {
        let mut traffic = Senders::new(series, senders, first_timestamp(), None);
        let warm = traffic.build((1_000_000 / series).clamp(2, 30));
        let measured = traffic.build((options.lines / series).max(1));
        let mut runs = [const { Vec::new() }; SETUPS.len()];
        for round in 1..=options.rounds {
            for ((name, setup), runs) in SETUPS.iter().zip(&mut runs) {
                let run = run_once(Program::Skyrelay, *setup, &warm, None, &measured);
                eprintln!(
                    "grow {series} series, {senders} senders {round}/{}, {name}: {:.2} M lines/s",
                    options.rounds,
                    run.lines_per_s / 1e6
                );
                runs.push(run);
            }
        }
        let is_intact = runs
            .iter()
            .flatten()
            .all(|run| !run.is_wrong && run.lost == 0 && run.shed == 0);
        let lines_per_s = runs
            .each_ref()
            .map(|runs| Spread::of(runs.iter().map(|run| run.lines_per_s)));
        let mut cells = vec![series.to_string(), senders.to_string()];
        for (runs, lines_per_s) in runs.iter().zip(lines_per_s) {
            let cpu_s = Spread::of(runs.iter().map(|run| run.cpu_s)).median;
            cells.extend([format!("{:.2} M", lines_per_s.median / 1e6), format!("{cpu_s:.2}")]);
        }
        cells.push(if is_intact { "yes" } else { "NO" }.to_owned());
        table.row(&cells);
        intact &= is_intact;
        points.push(Point {
            series,
            senders,
            lines_per_s,
        });
    }
    if let Some(path) = &options.svg {
        fs::write(path, plot(&points)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    intact
}

/// Width and height of the plot, and of what is left of a panel for its curves (pixels).
const SIZE: (f64, f64) = (690.0, 300.0);
const PANEL: (f64, f64) = (250.0, 200.0);
const PANELS_LEFT: [f64; 2] = [60.0, 400.0];
const PANEL_TOP: f64 = 40.0;
/// Lines per second at the ends of the upright axis.
const RATES: (f64, f64) = (5e5, 4e7);
const TICKS: [(f64, &str); 6] = [
    (5e5, "0.5 M"),
    (1e6, "1 M"),
    (2e6, "2 M"),
    (5e6, "5 M"),
    (1e7, "10 M"),
    (2e7, "20 M"),
];
/// Middling tones, so that they are seen on white and on black.
const COLOURS: [&str; SETUPS.len()] = ["#2f81f7", "#1f9d55", "#c2690f"];
const GREY: &str = "#808890";

/// A panel by series, and one by senders, both axes logarithmic.
fn plot(points: &[Point]) -> String {
    let (width, height) = SIZE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"{GREY}\">\n\
         <title>Lines per second as series and senders grow</title>\n"
    );
    let by_series = points.iter().filter(|point| point.senders == USUAL_SENDERS);
    let by_senders = points.iter().filter(|point| point.series == USUAL_SERIES);
    panel(
        &mut svg,
        PANELS_LEFT[0],
        &format!("lines/s by series, {USUAL_SENDERS} senders"),
        &by_series.map(|point| (point.series, point)).collect::<Vec<_>>(),
    );
    panel(
        &mut svg,
        PANELS_LEFT[1],
        &format!("lines/s by senders, {} series", short(USUAL_SERIES)),
        &by_senders.map(|point| (point.senders, point)).collect::<Vec<_>>(),
    );
    svg + "</svg>\n"
}

fn panel(svg: &mut String, left: f64, title: &str, points: &[(usize, &Point)]) {
    let (Some(&(first, _)), Some(&(last, _))) = (points.first(), points.last()) else {
        return;
    };
    let (right, bottom) = (left + PANEL.0, PANEL_TOP + PANEL.1);
    let y = |rate: f64| bottom - PANEL.1 * (rate / RATES.0).ln() / (RATES.1 / RATES.0).ln();
    let x = |size: usize| left + PANEL.0 * log_of(size, first) / log_of(last, first).max(1e-9);
    let mut say = |text: std::fmt::Arguments| writeln!(svg, "{text}").expect("a String takes it");
    say(format_args!(
        "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{title}</text>",
        PANEL_TOP - 16.0
    ));
    for (rate, name) in TICKS {
        let y = y(rate);
        say(format_args!(
            "<path d=\"M{left} {y:.1}H{right}\" stroke=\"{GREY}\" stroke-opacity=\"0.35\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            left - 6.0,
            y + 4.0
        ));
    }
    for &(size, _) in points {
        say(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(size),
            bottom + 18.0,
            short(size)
        ));
    }
    for (place, ((name, _), colour)) in SETUPS.iter().zip(COLOURS).enumerate() {
        let at = |&(size, point): &(usize, &Point)| (x(size), y(point.lines_per_s[place].median.max(RATES.0)));
        let path: Vec<_> = points.iter().map(at).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        say(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        ));
        for (x, y) in points.iter().map(at) {
            say(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
            ));
        }
        // Named below, in a row: curves may lie on each other.
        let (x, y) = (
            PANELS_LEFT[0] + 200.0 * f64::from(u8::try_from(place).expect("a few")),
            bottom + 48.0,
        );
        if left == PANELS_LEFT[0] {
            say(format_args!(
                "<circle cx=\"{x}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{y:.1}\">{name}</text>",
                y - 4.0,
                x + 10.0
            ));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a million at most")]
fn log_of(size: usize, first: usize) -> f64 {
    (size as f64 / first as f64).ln()
}

fn short(count: usize) -> String {
    match count {
        1_000_000.. => format!("{} M", count / 1_000_000),
        1_000.. => format!("{} k", count / 1_000),
        _ => count.to_string(),
    }
}
