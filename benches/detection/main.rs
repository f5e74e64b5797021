//! How well detectors detect: labelled series through the product's own engine, scored as published.
//!
//! `cargo bench --bench detection` replays the development sets and prints one Markdown table: the score of the Numenta
//! Anomaly Benchmark in its three profiles, and precision, recall and F1 of events with the false alarms of a metric in a
//! day, and what judging costs. Where the sets are absent it says so and has measured nothing.
//!
//! ```text
//! cargo bench --bench detection                        # the default detector
//! cargo bench --bench detection -- --detector skyline  # Skyline's nine
//! cargo bench --bench detection -- --by-series         # what was found and what was false, series by series
//! cargo bench --bench detection -- forecast            # forecasts of a day against the day before; --by-series as well
//! cargo bench --bench detection -- trend               # how often intervals about the time until a value hold the true one,
//!                                                      # and what is told over two months
//! cargo bench --bench detection -- fleet               # incidents in a generated fleet of 10,000 series, as groups
//! cargo bench --bench detection -- calm                # generated series without trouble: how often is something told?
//! ```
#![expect(clippy::print_stdout, reason = "the table is the output")]

mod calm;
mod cost;
mod events;
mod fleet;
mod forecasts;
mod labelled;
mod nab;
mod paces;
mod replay;
mod scores;
mod stories;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use cost::Cost;
use events::Events;
use labelled::{SETS, Set};
use nab::PROFILES;
use scores::Scores;
use skyrelay::detect::{Kind, adaptive, forecast, skyline, trend};

/// The relay's, so that what is learnt of a series lies as it does there: from a cache line on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Scores a detector.
#[derive(Debug, Parser)]
struct Options {
    /// Something else than detectors of anomalies
    #[arg(value_enum)]
    what: Option<What>,
    /// Which one
    #[arg(long, value_enum, default_value_t = Detector::Adaptive)]
    detector: Detector,
    /// Show what was found and what was false, series by series
    #[arg(long)]
    by_series: bool,
    /// What cargo says.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Trends, against series whose future is known
    Trend,
    /// Incidents in a generated fleet, as groups
    Fleet,
    /// Generated series without trouble
    Calm,
    /// Forecasts of the development sets, against the day before
    Forecast,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Detector {
    Adaptive,
    Skyline,
}

impl Detector {
    fn kind(self) -> Kind {
        match self {
            Self::Adaptive => Kind::Adaptive(adaptive::Settings::default()),
            Self::Skyline => Kind::Skyline(skyline::Settings::default()),
        }
    }

    /// The channels that tell on their own.
    fn channels(self) -> &'static [&'static str] {
        match self {
            Self::Adaptive => &["level", "spike"],
            Self::Skyline => &[],
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(What::Trend) = options.what {
        print_paces();
        print_stories();
        print_ahead(&Kind::Trend(trend::Settings {
            over_s: *trend::OVER_S.end(),
            ..trend::Settings::new(1000.0)
        }));
        return ExitCode::SUCCESS;
    }
    if let Some(What::Fleet) = options.what {
        print_fleet();
        return ExitCode::SUCCESS;
    }
    if let Some(What::Calm) = options.what {
        print_calm();
        return ExitCode::SUCCESS;
    }
    let Some(directory) = labelled::directory() else {
        eprintln!("SKIPPED: no detection/dev under $SKYRELAY_DATA or ../shared/data; nothing was scored");
        return ExitCode::SUCCESS;
    };
    if let Some(What::Forecast) = options.what {
        print_forecasts(&directory, options.by_series);
        print_ahead(&Kind::Forecast(forecast::Settings::default()));
        return ExitCode::SUCCESS;
    }
    let sets: Vec<Set> = SETS.iter().map(|name| labelled::read(&directory, name)).collect();
    let title = format!("{:?}", options.detector).to_lowercase();
    let (kind, channels) = (options.detector.kind(), options.detector.channels());
    if options.by_series {
        for set in &sets {
            print_series(set, &kind);
        }
    }
    print_table(&sets, &scores::of(&title, &kind, channels, &sets));
    if matches!(options.detector, Detector::Adaptive) {
        print_cost(&cost::of_adaptive());
    }
    ExitCode::SUCCESS
}

/// Sets of which there are weeks.
const FORETOLD: [&str; 2] = ["nab", "kpi"];
/// Hours between cuts: no divisor of a day, so that all hours of the day come first.
const EVERY: i64 = 5;

fn print_forecasts(directory: &std::path::Path, by_series: bool) {
    println!(
        "| set | series | hours | scaled error, by the day before | by the week before | of the next hour | 90 % hold |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let row = |set, name: &str, foretold: &forecasts::Foretold| {
        let forecasts::Foretold {
            hours,
            by_day,
            by_week,
            next,
            held,
        } = foretold;
        println!(
            "| {set} | {name} | {hours} | {by_day:.3} | {by_week:.3} | {next:.3} | {:.1} % |",
            100.0 * held
        );
    };
    for name in FORETOLD {
        let set = labelled::read(directory, name);
        let all = forecasts::of_set(&set, EVERY);
        for (series, foretold) in all.iter().filter(|_| by_series) {
            row(name, series, foretold);
        }
        row(
            name,
            &format!("{} of {}", all.len(), set.series.len()),
            &forecasts::mean(&all),
        );
    }
}

/// Series of each shape and length.
const PACES: usize = 500;

/// What a sample costs a detector that looks ahead.
fn print_ahead(kind: &Kind) {
    println!("\n| samples every | a sample, with its window |\n| --- | --- |");
    for step_s in [10, 60, 3600] {
        println!("| {step_s} s | {:.0} ns |", cost::of_ahead(kind.clone(), step_s));
    }
}

fn print_paces() {
    println!(
        "| history | series | the interval of 90 % holds the time | the pace | has an end | its length | half width, of the pace |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for days in [4, 7, 14, 30, 60] {
        for shape in paces::SHAPES {
            let held = paces::held(shape, 24 * days, PACES);
            let percent = |count| 100.0 * held.share(count);
            println!(
                "| {days} days | {shape:?} | {:.1} % | {:.1} % | {:.1} % | {:.0} h | {:.2} |",
                percent(held.time),
                percent(held.pace),
                percent(held.sure),
                held.hours,
                held.width
            );
        }
    }
}

/// Series of each story.
const TOLD: usize = 10;

fn print_stories() {
    println!(
        "\n| story of two months | series | told falsely | reach it | told of before | hours before: fewest | half | most |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for story in stories::STORIES {
        let told = stories::told(story, TOLD);
        let hours = |place: usize| {
            told.hours
                .get(place)
                .map_or(String::new(), |hours| format!("{hours:.1}"))
        };
        println!(
            "| {story:?} | {} | {} | {} | {} | {} | {} | {} |",
            told.series,
            told.falsely,
            told.reached,
            told.ahead,
            hours(0),
            hours(told.hours.len() / 2),
            hours(told.hours.len().saturating_sub(1))
        );
    }
}

fn print_fleet() {
    println!(
        "| samples every | series | touched by incidents | told of | later than ten minutes | in the group | of the worst incident | groups that are incidents, of {} | their other members | false groups a day | false alarms a day |",
        fleet::DAYS
    );
    println!("|{}", " --- |".repeat(11));
    for step_s in fleet::STEPS_S {
        let found = fleet::watched(step_s);
        let days = f64::from(i32::try_from(fleet::DAYS).expect("few"));
        let a_day = |count: usize| f64::from(u32::try_from(count).expect("few")) / days;
        let share = |part: usize| 100.0 * a_day(part) / a_day(found.touched);
        println!(
            "| {step_s} s | {} | {} | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {} | {} | {:.1} | {:.0} |",
            fleet::SERIES,
            found.touched,
            share(found.told),
            share(found.late),
            share(found.members),
            100.0 * found.least,
            found.groups,
            found.strangers,
            a_day(found.false_groups),
            a_day(found.false_alarms)
        );
    }
}

/// Series of each shape without trouble, and how far apart their samples are (seconds).
const CALM: usize = 28;
const CALM_STEPS_S: [i64; 3] = [10, 60, 300];

fn print_calm() {
    println!(
        "| anomalies a day of 100 series without trouble; in brackets, but for routine |{} |",
        CALM_STEPS_S
            .map(|step_s| format!(" {step_s} s: second day | days 3 to 14 | days 15 to 42"))
            .join(" |")
    );
    println!("|{}", " --- |".repeat(1 + 3 * CALM_STEPS_S.len()));
    let mut sums = vec![(0.0, 0.0); 3 * CALM_STEPS_S.len()];
    let cell = |(all, news): (f64, f64)| format!(" {:.1} ({:.1}) |", 100.0 * all, 100.0 * news);
    for shape in calm::SHAPES {
        print!("| {shape:?} |");
        for (step, step_s) in CALM_STEPS_S.into_iter().enumerate() {
            let told = calm::told(shape, step_s, CALM);
            for (part, days) in [1..2, 2..14, 14..calm::DAYS].into_iter().enumerate() {
                let a_day = told.a_day(days);
                let sum = &mut sums[3 * step + part];
                *sum = (sum.0 + a_day.0, sum.1 + a_day.1);
                print!("{}", cell(a_day));
            }
        }
        println!();
    }
    let shapes = f64::from(u32::try_from(calm::SHAPES.len()).expect("few"));
    let means = sums.into_iter().map(|(all, news)| cell((all / shapes, news / shapes)));
    println!("| mean |{}", means.collect::<String>());
}

fn print_table(sets: &[Set], scores: &[Scores]) {
    let nab = PROFILES.iter().map(|profile| format!("NAB {}", profile.name));
    let events = sets.iter().flat_map(|set| {
        ["precision", "recall", "F1", "false alarms a day"].map(|column| format!("{} {column}", set.name))
    });
    let head: Vec<String> = std::iter::once("detector".to_owned())
        .chain(nab)
        .chain(events)
        .collect();
    println!("| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
    for row in scores {
        let nab = row.nab.iter().map(|score| format!("{score:.1}"));
        let cells: Vec<String> = nab.chain(row.events.iter().flat_map(cells)).collect();
        println!("| {} | {} |", row.title, cells.join(" | "));
    }
}

fn print_cost(cost: &Cost) {
    println!("\n| cost | |\n| --- | --- |");
    println!("| a sample, in the cache | {:.0} ns |", cost.in_cache_ns);
    println!(
        "| a sample, {} series, in no order | {:.0} ns |",
        cost::MANY,
        cost.out_of_cache_ns
    );
    println!(
        "| the same, touched 16 samples ahead | {:.0} ns |",
        cost.touched_ahead_ns
    );
    println!(
        "| state of a series, season and week included | {} bytes |",
        cost.state_bytes
    );
}

fn cells(events: &Events) -> [String; 4] {
    [
        events.precision(),
        events.recall(),
        events.f1(),
        events.false_alarms_per_day(),
    ]
    .map(|figure| format!("{figure:.3}"))
}

fn print_series(set: &Set, kind: &Kind) {
    println!(
        "| {} | samples | events | found | false alarms |\n| --- | --- | --- | --- | --- |",
        set.name
    );
    for (series, alerts) in set.series.iter().zip(replay::alerts(set, kind)) {
        let places: Vec<usize> = alerts.iter().map(|alert| alert.place).collect();
        let mut events = Events::default();
        events.add(series, set.slack_points, &places);
        println!(
            "| {} | {} | {} | {} | {} |",
            series.name,
            series.points.len(),
            events.found + events.missed,
            events.found,
            events.false_alarms
        );
    }
    println!();
}
