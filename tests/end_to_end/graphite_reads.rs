//! `/render` and `/metrics/find` answer as graphite-web does over the same lines.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    carbon_cache::{CarbonCache, points_of_stream, same_points},
    graphite_web::GraphiteWeb,
    net::{http_get, url_encoded},
    skyrelay::Skyrelay,
    unix_now, wait_for,
};
use serde_json::{Value, json};
use std::{fmt::Write as _, io::Write as _};

/// Ten minutes of three series, a sample a second: one whole, one with holes, one that ends early.
fn lines(from: u64) -> String {
    let mut lines = String::new();
    for second in 0..600_u64 {
        let (value, time) = ((second * second) % 97, from + second);
        writeln!(lines, "shop.web1.load {value} {time}").unwrap();
        if second % 7 != 3 && !(100..190).contains(&second) {
            writeln!(lines, "shop.web2.load {}.25 {time}", value / 2).unwrap();
        }
        if second < 300 {
            writeln!(lines, "shop.web1.cpu.idle {value}e-3 {time}").unwrap();
        }
    }
    lines
}

#[track_caller]
fn answer(port: u16, path_and_query: &str) -> Value {
    let (status, text) = http_get(port, path_and_query).unwrap();
    assert_eq!(status, 200, "{path_and_query}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path_and_query}: {error}: {text}"))
}

/// Are they the same, but for the last digits of means?
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            (left - right).abs() <= 1e-9 * left.abs().max(1.0)
        }
        _ => left == right,
    }
}

/// Which series there are, and how many points of each.
fn shape(answer: &Value) -> Vec<(&str, usize)> {
    let series = answer.as_array().unwrap().iter();
    series
        .map(|series| {
            (
                series["target"].as_str().unwrap(),
                series["datapoints"].as_array().unwrap().len(),
            )
        })
        .collect()
}

fn first_difference(ours: &Value, theirs: &Value) -> String {
    let points = |answer: &Value| -> Vec<Value> {
        let series = answer.as_array().unwrap().iter();
        series
            .flat_map(|series| series["datapoints"].as_array().unwrap().clone())
            .collect()
    };
    let (ours, theirs) = (points(ours), points(theirs));
    let different = ours.iter().zip(&theirs).find(|(ours, theirs)| !same(ours, theirs));
    format!("{different:?}")
}

#[test]
fn what_graphite_web_answers_over_the_same_lines_is_answered() {
    let carbon = CarbonCache::start();
    let relay = Skyrelay::start(&[("carbon-cache", carbon.port)], "");
    let now = unix_now();
    let from = now - 700;
    let lines = lines(from);
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(lines.lines().count() as u64, &["carbon-cache"]);
    let expected = points_of_stream(lines.as_bytes());
    wait_for("all points in files", SOON, || {
        same_points(&carbon.points(from), &expected)
    });
    let graphite = GraphiteWeb::start(carbon.directory());

    let (first, last) = (from - 20, from + 650);
    let mut compared = 0;
    for targets in [
        &["shop.web1.load"][..],
        &["shop.*.load"],
        &["shop.web?.{load,nothing}", "shop.web1.cpu.*", "shop.web1.load"],
        &["shop.nothing.*"],
    ] {
        for rest in [
            format!("from={first}&until={last}"),
            format!("from={last}&until={first}"),
            format!("from={}&until={}", from + 10, from + 11),
            format!("from={first}&until={last}&noNullPoints=true"),
            format!("from={first}&until={last}&maxDataPoints=7"),
            format!("from={first}&until={last}&maxDataPoints=100"),
            format!("from={}&until={last}&maxDataPoints=3", from + 1),
            format!("from={first}&until={last}&maxDataPoints=1"),
            format!("from={first}&until={last}&maxDataPoints=100000"),
        ] {
            let mut question = format!("/render?format=json&{rest}");
            for target in targets {
                write!(question, "&target={}", url_encoded(target)).unwrap();
            }
            let (ours, theirs) = (answer(relay.http_port, &question), answer(graphite.port, &question));
            assert_eq!(shape(&ours), shape(&theirs), "{question}");
            assert!(same(&ours, &theirs), "{question}: {}", first_difference(&ours, &theirs));
            compared += ours.as_array().unwrap().len();
        }
    }
    assert!(compared > 30, "only {compared} series came");
    // By this Grafana tries out whether there is a Graphite.
    for rest in ["", "&maxDataPoints=100"] {
        let question = format!("/render?format=json&target=constantLine(100)&from={first}&until={last}{rest}");
        let (ours, theirs) = (answer(relay.http_port, &question), answer(graphite.port, &question));
        assert_eq!(shape(&ours), [("100.0", 3)]);
        assert!(same(&ours, &theirs), "{ours} {theirs}");
    }
    let version = |port| http_get(port, "/version/").unwrap();
    let is_version = |(status, text): &(u16, String)| *status == 200 && text.trim().starts_with("1.1.");
    assert!(is_version(&version(relay.http_port)) && is_version(&version(graphite.port)));
    assert_eq!(answer(relay.http_port, "/functions"), json!({}));

    for query in [
        "query=*",
        "query=shop.*",
        "query=shop.web1.*",
        "query=shop.*.load",
        "query=shop.*.*&wildcards=1",
        "query=nothing.*",
        "query=shop.web1.&format=completer",
        "query=shop.we&format=completer",
    ] {
        let question = format!("/metrics/find?{query}");
        let ours = answer(relay.http_port, &question);
        let mut theirs = answer(graphite.port, &question);
        // Carbon's files about itself, and fields that only some versions have, are not compared.
        strip(&mut theirs);
        assert_eq!(ours, theirs, "{question}");
    }
}

/// Takes away what graphite-web adds for its own page.
fn strip(nodes: &mut Value) {
    if let Value::Array(nodes) = nodes {
        for node in nodes {
            node.as_object_mut().unwrap().remove("context");
        }
    }
}

#[test]
fn questions_are_taken_as_forms_and_bad_ones_refused() {
    let relay = Skyrelay::start(&[], "");
    let now = unix_now();
    relay
        .connect()
        .write_all(format!("a;host=b 7 {now}\na.b 1 {now}\n").as_bytes())
        .unwrap();
    relay.wait_until_through(2, &[]);
    let url = format!("http://127.0.0.1:{}/render", relay.http_port);
    let form = [
        ("target", "a;host=b"),
        ("from", "-1min"),
        ("until", "now"),
        ("format", "json"),
    ];
    let mut answer = ureq::post(&url).send_form(form).unwrap();
    let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(answer[0]["target"], "a;host=b", "{answer}");
    assert_eq!(answer[0]["tags"], json!({"name": "a", "host": "b"}));
    assert!(
        answer[0]["datapoints"]
            .as_array()
            .unwrap()
            .iter()
            .any(|point| point[0] == 7.0),
        "{answer}"
    );

    for (question, status, why) in [
        ("/render?target=sumSeries(a.*)", 400, "is a function"),
        ("/render?target=a.b&format=png", 400, "only \\\"json\\\""),
        ("/render?target=a.b&from=soon", 400, "is no time"),
        ("/render?target=a.b&from=5&until=5", 400, "the same"),
        ("/render?target=a.b&tz=Nowhere", 400, "no time zone"),
        ("/render?target=%5Ba", 400, "opened but not closed"),
        ("/render?target=", 400, "it is empty"),
        ("/render?target=a.b&maxDataPoints=0", 400, "no number above 0"),
        ("/render?target=a.b&from=-100d&until=-90d", 200, "a.b"),
        ("/metrics/find", 400, "it is missing"),
        ("/metrics/find?query=*&format=pickle", 400, "treejson"),
    ] {
        let (is, text) = http_get(relay.http_port, question).unwrap();
        assert_eq!(is, status, "{question}: {text}");
        assert!(text.contains(why), "{question}: {text}");
    }
}
