//! The examples under `config/examples`: `check` takes each of them, and each tells what its story says, by a backtest.
//!
//! Every kind of detector has its file here, which makes up lines and says what is to be told of them. Times are minutes
//! from the first line on.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod absence;
mod ensembles;
mod expressions;
mod forecast;
mod thresholds;
mod trend;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use skyrelay::{
    backtest::{self, Input, Options},
    config::Config,
    shard::Verbosity,
};

/// Midnight before a Wednesday.
const BEGIN: i64 = 1_699_999_200 - 1_699_999_200 % 86_400;

/// An example, and what is to come of it.
struct Example {
    /// Name of the file, without what is behind the dot.
    name: &'static str,
    /// Carbon lines.
    lines: String,
    /// What is told, as in `30 opens room rooms.a.temperature`, `again` and `closes` as well.
    told: Vec<&'static str>,
}

fn all() -> Vec<Example> {
    vec![
        absence::example(),
        thresholds::example(),
        ensembles::example(),
        expressions::example(),
        trend::example(),
        forecast::example(),
    ]
}

/// Values of a series at one sample a minute, from the first minute on.
fn minutely(name: &str, values: impl IntoIterator<Item = f64>) -> Vec<(i64, String)> {
    let line = |(minute, value): (i64, f64)| (minute, format!("{name} {value} {}\n", BEGIN + 60 * minute));
    (0..).zip(values).map(line).collect()
}

/// The lines of all series, in the order of their times.
fn together(series: impl IntoIterator<Item = Vec<(i64, String)>>) -> String {
    let mut lines: Vec<_> = series.into_iter().flatten().collect();
    lines.sort_by_key(|(minute, _)| *minute);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What a backtest tells.
fn told(config: Config, name: &str, lines: &str) -> Vec<String> {
    let file = std::env::temp_dir().join(format!("skyrelay-example-{}-{name}", std::process::id()));
    fs::write(&file, lines).unwrap();
    let mut verdicts = Vec::new();
    let inputs = [Input::File(file.clone())];
    let options = Options::new(Verbosity::Changes, config.listen.max_line_bytes);
    backtest::run(config.shard, options, &inputs, &mut verdicts, None, &mut |_| {}).unwrap();
    fs::remove_file(file).unwrap();
    let mut open = BTreeSet::new();
    let verdicts = String::from_utf8(verdicts).unwrap();
    let line = |line: &str| {
        let verdict: serde_json::Value = serde_json::from_str(line).unwrap();
        let of = format!(
            "{} {}",
            verdict["detector"].as_str().unwrap(),
            verdict["series"].as_str().unwrap()
        );
        let change = match verdict["anomalous"].as_bool().unwrap() {
            false => {
                open.remove(&of);
                "closes"
            }
            true if open.insert(of.clone()) => "opens",
            true => "again",
        };
        let minute = (verdict["timestamp"].as_i64().unwrap() - BEGIN) / 60;
        assert!(
            verdict["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
            "{line}"
        );
        format!("{minute} {change} {of}")
    };
    verdicts.lines().map(line).collect()
}

#[test]
fn each_example_tells_what_its_story_says() {
    for Example {
        name,
        lines,
        told: expected,
    } in all()
    {
        let config = Config::load(&folder().join(format!("{name}.toml"))).unwrap();
        assert!(lines.lines().count() > 50, "{name} has few lines");
        assert_eq!(told(config, name, &lines), expected, "{name}");
    }
}

#[test]
fn each_file_is_an_example_that_is_tested() {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(
            path.extension().and_then(|extension| extension.to_str()),
            Some("toml"),
            "{path:?}"
        );
        files.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# ") && text.contains("The story: "),
            "{path:?} tells no story"
        );
    }
    let tested: BTreeSet<_> = all().iter().map(|example| example.name.to_owned()).collect();
    assert!(files.len() >= 2);
    assert_eq!(files, tested);
}

#[test]
fn print_config_gives_what_an_example_says() {
    for Example { name, .. } in all() {
        let config = Config::load(&folder().join(format!("{name}.toml"))).unwrap();
        assert_eq!(
            Config::parse(Path::new("printed.toml"), &config.to_toml()).unwrap(),
            config,
            "{name}"
        );
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples")
}
