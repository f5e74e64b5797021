//! Telling people through a real relay: channels that are down, a relay that is killed, and `test-alert`.

use crate::harness::{
    SOON,
    sink::Sink,
    skyrelay::{PROGRAM, Skyrelay},
    unix_now, wait_for,
};
use serde_json::Value;
use std::{fmt::Write as _, fs, io::Write, path::Path, process::Command};

/// Anomalous is what is above 90, from the first sample on.
const FULL: &str =
    "[detector.full]\nkind = \"threshold\"\nabove = 90\n[[watch]]\nmatch = [\"**\"]\ndetectors = [\"full\"]\n";

fn file_channel(name: &str, path: &Path) -> String {
    format!(
        "[notify.{name}]\nkind = \"json-lines\"\npath = \"{}\"\n",
        path.display()
    )
}

/// The messages in a file, none while it is not there; the last may be on its way.
fn messages(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).expect("a message is JSON"))
        .collect()
}

fn shown(messages: &[Value]) -> Vec<String> {
    let shown = |message: &Value| {
        let of = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}", of("event"), of("series"))
    };
    messages.iter().map(shown).collect()
}

#[track_caller]
fn wait_for_messages(path: &Path, count: usize) -> Vec<Value> {
    wait_for("messages", SOON, || {
        let all = messages(path);
        if all.len() >= count {
            Ok(all)
        } else {
            Err(format!("{all:?}"))
        }
    })
}

#[test]
fn a_channel_that_is_down_when_the_relay_is_killed_hears_of_it_all_and_the_others_nothing_twice() {
    let upstream = Sink::start();
    let directory = tempfile::tempdir().unwrap();
    let (down, good) = (directory.path().join("away/told"), directory.path().join("told"));
    let settings = format!(
        "{FULL}[notify]\ndirectory = \"{}\"\n{}{}",
        directory.path().join("notify").display(),
        file_channel("down", &down),
        file_channel("good", &good)
    );
    let mut relay = Skyrelay::start(&[("sink", upstream.port)], &settings);
    let now = unix_now();
    let lines = format!(
        "disk.a 95 {0}\ndisk.b 96 {0}\ndisk.c 97 {0}\ndisk.c 7 {1}\n",
        now - 50,
        now - 40
    );
    relay.connect().write_all(lines.as_bytes()).unwrap();
    let told = ["open disk.a", "open disk.b", "open disk.c", "close disk.c"];
    let before = wait_for_messages(&good, 4);
    assert_eq!(sorted(&shown(&before)), sorted(&told));
    wait_for("failed attempt", SOON, || {
        let text = relay.metrics_text();
        let failed = text.contains("skyrelay_notification_failures_total{channel=\"down\",reason=\"local\"} 1");
        failed.then_some(()).ok_or(text)
    });
    assert!(!down.exists());
    relay.kill();
    fs::create_dir(down.parent().unwrap()).unwrap();
    relay.start_again();
    assert_eq!(sorted(&shown(&wait_for_messages(&down, 4))), sorted(&told));
    // There is no snapshot: that a is full is found out again, and is the anomaly that people know.
    let lines = format!("disk.a 99 {}\ndisk.a 5 {}\n", now - 30, now - 20);
    relay.connect().write_all(lines.as_bytes()).unwrap();
    for path in [&good, &down] {
        let all = wait_for_messages(path, 5);
        assert_eq!(shown(&all[4..]), ["close disk.a"]);
        let first = all.iter().find(|message| message["series"] == "disk.a").unwrap();
        for key in ["fingerprint", "opened_at", "route"] {
            assert_eq!(first[key], all[4][key], "{key} of {first} and {}", all[4]);
        }
        assert_ne!(first["fingerprint"], Value::Null);
    }
    // That of b was told, and is not over as far as anybody knows.
    wait_for("count of what is told", SOON, || {
        let text = relay.metrics_text();
        let one = text.contains("skyrelay_notifications_open{channel=\"good\"} 1");
        one.then_some(()).ok_or(text)
    });
}

fn sorted(list: &[impl AsRef<str>]) -> Vec<String> {
    let mut list: Vec<String> = list.iter().map(|entry| entry.as_ref().to_owned()).collect();
    list.sort_unstable();
    list
}

#[test]
fn thousands_at_once_are_told_or_counted_and_forwarded_in_any_case() {
    const SERIES: usize = 3000;
    let upstream = Sink::start();
    let directory = tempfile::tempdir().unwrap();
    let (down, good, few) = (
        directory.path().join("away/told"),
        directory.path().join("told"),
        directory.path().join("few"),
    );
    let settings = format!(
        "{FULL}[notify]\nmax_bytes = \"512 KiB\"\n{}{}{}rate_limit = \"10/1s\"\n[[alert]]\nmatch = [\"**\"]\ngroup_wait = \"1s\"\n",
        file_channel("down", &down),
        file_channel("good", &good),
        file_channel("few", &few),
    );
    let relay = Skyrelay::start(&[("sink", upstream.port)], &settings);
    let now = unix_now();
    let (mut sender, mut sent) = (relay.connect(), String::new());
    for first in (0..SERIES).step_by(300) {
        let mut lines = String::new();
        for series in first..first + 300 {
            writeln!(lines, "disk.d{series} 95 {}", now - 50).unwrap();
        }
        sender.write_all(lines.as_bytes()).unwrap();
        sent += &lines;
        wait_for_messages(&good, first + 300);
    }
    upstream.wait_for_exactly(sent.as_bytes());
    let all = messages(&good);
    assert!(
        all.iter()
            .all(|message| message["event"] == "open" && message["route"] == "alert-1")
    );
    assert_eq!(all.len(), SERIES);
    // Ten in a second, and summaries of the others.
    wait_for("summaries", SOON, || {
        let told = messages(&few);
        let of = |message: &Value| message["summary"]["opened"].as_u64().unwrap_or(1);
        let (count, all) = (told.len() as u64, told.iter().map(of).sum::<u64>());
        (all == SERIES as u64 && count < all / 10)
            .then_some(())
            .ok_or(format!("{all} in {count}"))
    });
    // What is down is given what has room.
    let of = |name: &str| -> u64 {
        let text = relay.metrics_text();
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let books = || {
        let queued = of("skyrelay_notifications_queued{channel=\"down\"}");
        (
            queued,
            queued + of("skyrelay_notifications_dropped_total{channel=\"down\",reason=\"full\"}"),
        )
    };
    wait_for("balanced books", SOON, || {
        let (queued, all) = books();
        (queued > 100 && all == SERIES as u64)
            .then_some(())
            .ok_or(format!("{queued} of {all}"))
    });
    assert!(of("skyrelay_notifications_queued_bytes{channel=\"down\"}") <= 520 << 10);
}

/// Runs `skyrelay test-alert`: its exit code, and what it says.
fn test_alert(config: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("skyrelay.toml");
    fs::write(&file, config).expect("the directory is ours");
    let output = Command::new(PROGRAM)
        .arg("test-alert")
        .args(arguments)
        .arg("--config")
        .arg(&file)
        .output()
        .expect("cargo has built it");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("it speaks UTF-8"))
}

#[test]
fn a_test_alert_goes_where_the_real_ones_do() {
    let directory = tempfile::tempdir().unwrap();
    let (good, chat) = (directory.path().join("told"), directory.path().join("chat"));
    let config = format!(
        "{FULL}{}{}{}[[alert]]\nname = \"pager\"\nmatch = [\"disk.*\"]\nseverity = \"critical\"\nto = [\"good\"]\n\
         [[alert]]\nname = \"chat\"\nmatch = [\"disk.*\", \"net.*\"]\nto = [\"chat\"]\n\
         [[alert]]\nname = \"broken\"\nmatch = [\"broken.*\"]\nto = [\"away\", \"good\"]\n",
        file_channel("good", &good),
        file_channel("chat", &chat),
        file_channel("away", Path::new("/nonexistent/told")),
    );
    let (code, said) = test_alert(&config, &["pager"]);
    assert_eq!(
        (code, said.as_str()),
        (
            Some(0),
            "alert pager: good\npager -> good: firing told; resolved told\n"
        )
    );
    let told = messages(&good);
    assert_eq!(shown(&told), ["open skyrelay.test", "close skyrelay.test"]);
    assert!(told.iter().all(|message| message["test"] == true), "{told:?}");

    let taken = "disk.a, full: alert pager from severity critical on: good\ndisk.a, full: alert chat: chat\n";
    assert_eq!(
        test_alert(&config, &["--dry-run", "disk.a"]),
        (Some(0), taken.to_owned())
    );
    assert!(!chat.exists());
    let (code, said) = test_alert(&config, &["disk.a"]);
    let both = format!("{taken}pager -> good: firing told; resolved told\nchat -> chat: firing told; resolved told\n");
    assert_eq!((code, said), (Some(0), both));
    assert_eq!(shown(&messages(&chat)), ["open disk.a", "close disk.a"]);

    // One that fails is said, and the others are told all the same.
    let (code, said) = test_alert(&config, &["broken.x"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("broken -> away: firing NOT told, local: /nonexistent/told: No such file"),
        "{said}"
    );
    assert!(said.contains("broken -> good: firing told; resolved told"), "{said}");
    let (code, said) = test_alert(&config, &["pagr"]);
    assert_eq!(code, Some(64), "nobody is told: {said}");
    let (code, said) = test_alert(&config, &["--series", "--dry-run", "pagr"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = test_alert(&config, &["other.x"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(1), "other.x, full: no alert takes it, nobody is told\n")
    );
    let (code, said) = test_alert(&config, &["no such route"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("there is pager, chat, broken"), "{said}");
}
