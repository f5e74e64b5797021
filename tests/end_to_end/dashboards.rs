//! What is shipped for Prometheus and Grafana asks for what the relay has, and says what it should: checked by promtool, and
//! asked of a real Prometheus.

use crate::harness::{
    SOON,
    prometheus::{Prometheus, promtool},
    sink::Sink,
    skyrelay::{NINE_ALGORITHMS, Skyrelay},
    unix_now, wait_for,
};
use regex::Regex;
use serde_json::Value;
use std::{collections::BTreeSet, fs, io::Write, path::Path};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus/skyrelay.rules.yml");
const RULES_TEST: &str = include_str!("../peers/rules_test.yml");
const DASHBOARD: &str = include_str!("../../config/grafana/skyrelay.json");

/// All expressions of the dashboard, with what Grafana puts in the place of its variables.
fn dashboard_expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions = targets.map(|target| target["expr"].as_str().expect("each target has one").to_owned());
    let variable = [("$__rate_interval", "1m"), ("$__range", "6h"), ("$instance", ".*")];
    expressions
        .map(|expression| {
            variable
                .iter()
                .fold(expression, |text, (name, value)| text.replace(name, value))
        })
        .collect()
}

/// The names of metrics in these texts.
fn metrics_in<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let name = Regex::new(r"\b(?:skyrelay|process)_[a-z0-9_]+").expect("it is fixed");
    let names = texts
        .into_iter()
        .flat_map(|text| name.find_iter(text).collect::<Vec<_>>());
    names.map(|found| found.as_str()).collect()
}

/// A relay that has had to do with everything that has a metric.
fn relay_with_all_metrics(upstream: &Sink, spool: &Path) -> Skyrelay {
    let settings = format!(
        "[spool]\ndirectory = \"{}\"\nkeep_free = \"0 B\"\n{NINE_ALGORITHMS}",
        spool.display()
    );
    let relay = Skyrelay::start(&[("sink", upstream.port)], &settings);
    let line = format!("shop.sales 12 {}\n", unix_now());
    relay.connect().write_all(line.as_bytes()).expect("the relay reads");
    relay.wait_until_through(1, &["sink"]);
    relay
}

#[test]
fn each_alert_fires_on_what_it_is_about_and_on_nothing_else() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let test = directory.path().join("test.yml");
    fs::write(&test, RULES_TEST.replace("RULES", RULES)).expect("the directory is ours");
    promtool(&["check", "rules", RULES]).unwrap();
    promtool(&["test", "rules", test.to_str().expect("it is UTF-8")]).unwrap();
    // The test does test: an alert that is not there is missed.
    let without = fs::read_to_string(RULES)
        .expect("it is shipped")
        .replace("SkyrelayLinesLost", "SkyrelayOther");
    let spoilt = directory.path().join("spoilt.yml");
    fs::write(&spoilt, without).expect("the directory is ours");
    fs::write(&test, RULES_TEST.replace("RULES", "spoilt.yml")).expect("the directory is ours");
    assert!(promtool(&["test", "rules", test.to_str().expect("it is UTF-8")]).is_err());
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() {
    let (upstream, spool) = (Sink::start(), tempfile::tempdir().expect("a temporary directory"));
    let relay = relay_with_all_metrics(&upstream, spool.path());
    let exported = relay.metrics_text();
    let is_exported = |name: &str| exported.contains(&format!("# HELP {name} "));
    let expressions = dashboard_expressions();
    assert!(expressions.len() > 20);
    let rules = fs::read_to_string(RULES).expect("it is shipped");
    let asked = rules.lines().filter(|line| line.trim_start().starts_with("expr:"));
    let names = metrics_in(expressions.iter().map(String::as_str).chain(asked));
    assert!(names.len() > 25, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !is_exported(name)).collect();
    assert!(missing.is_empty(), "{missing:?} are not among\n{exported}");
}

#[test]
fn prometheus_understands_each_expression_of_the_dashboard() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let expressions = dashboard_expressions();
    let rule = |(number, expression): (usize, &String)| {
        let expression = serde_json::to_string(expression).expect("it is text");
        format!("  - record: panel:expression:{number}\n    expr: {expression}\n")
    };
    let rules: Vec<_> = expressions.iter().enumerate().map(rule).collect();
    let rules = format!("groups:\n- name: dashboard\n  rules:\n{}", rules.concat());
    let file = directory.path().join("dashboard.yml");
    fs::write(&file, rules).expect("the directory is ours");
    promtool(&["check", "rules", file.to_str().expect("it is UTF-8")]).unwrap();

    // And those that always have an answer have one.
    let (upstream, spool) = (Sink::start(), tempfile::tempdir().expect("a temporary directory"));
    let relay = relay_with_all_metrics(&upstream, spool.path());
    let prometheus = Prometheus::start(relay.http_port);
    for expression in expressions
        .iter()
        .filter(|text| !text.contains("> 0") && !text.contains("snapshot"))
    {
        wait_for(&format!("an answer to {expression}"), 2 * SOON, || {
            prometheus.query(expression)
        });
    }
}
