//! What files give: whole configurations in, settings or messages out.

mod different;
mod files;
mod mistakes;
mod robustness;

use std::path::Path;

use super::{check, section::Section, source::RawConfig, *};
use crate::{
    detect::{
        Definition, Kind, Patience, Severity,
        absence::{self, After},
        adaptive::{Direction, Floor},
        ensemble,
        expression::{self, Model, Sources},
        forecast,
        skyline::{self, Algorithm},
        threshold::{self, Bounds},
        trend,
    },
    glob::Glob,
    notify::{ChannelKind, RateLimit, exec, json_lines},
    secret::{MASK, Secret},
};

/// The file that shows every key.
const EXAMPLE: &str = include_str!("../../config/skyrelay.toml");

#[track_caller]
fn good(text: &str) -> Config {
    match Config::parse(Path::new("test.toml"), text) {
        Ok(config) => config,
        Err(error) => panic!("{error}"),
    }
}

/// The example with everything that it leaves out put in.
fn uncommented() -> String {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(code) if !code.is_empty() && !code.starts_with([' ', '~']) => code,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The same, with other ways to say what is there, which do not go together.
fn with_other_ways() -> String {
    let text = uncommented();
    let lines = text.lines().map(|line| line.strip_prefix("#~").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// What is printed of a configuration, with the password of the example where that is masked.
fn printed(config: &Config) -> String {
    config.to_toml().replace(MASK, "correct horse battery staple")
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(good(""), Config::default());
    assert_eq!(good("\u{feff}# nothing\n[listen]\n[window]\n"), Config::default());
}

#[test]
fn the_example_gives_the_defaults() {
    assert!(EXAMPLE.len() > 5000);
    assert_eq!(good(EXAMPLE), Config::default());
}

#[test]
fn what_the_example_leaves_out_is_good_as_well() {
    let config = good(&uncommented());
    let forward = forward::Settings {
        own: config.listen.tcp.clone(),
        ..forward::Settings::new("carbon-cache", "127.0.0.1:2103")
    };
    assert_eq!(config.forwards, [forward]);
    assert_eq!(config.listen.allow.as_ref().map(Vec::len), Some(2));
    assert_eq!(config.analysis.shards, 4);
    assert_eq!(config.analysis.memory_bytes_max, Some(12 << 30));
    assert_eq!(config.shard.detectors, shown_detectors());
    assert_eq!(config.snapshot.file, Some("/var/lib/skyrelay/snapshot".into()));
    assert_eq!(config.history.directory, Some("/var/lib/skyrelay/history".into()));
    assert_eq!(config.silences.file, Some("/var/lib/skyrelay/silences".into()));
    assert_guarded(&config);
    shows_channels(&config);
    let spool = forward::SpoolSettings::new("/var/lib/skyrelay/spool");
    assert_eq!(config.spool, Some(spool));
    assert_eq!(config.notify.directory, Some("/var/lib/skyrelay/notify".into()));
    let rest = Config {
        forwards: Vec::new(),
        guard: Config::default().guard,
        notify: notify::Settings {
            channels: config.notify.channels[..1].to_vec(),
            directory: None,
            ..config.notify
        },
        spool: None,
        snapshot: snapshot::Settings::default(),
        history: history::Settings::default(),
        silences: silence::Settings::default(),
        listen: listen::Settings {
            allow: None,
            ..config.listen
        },
        analysis: analysis::Settings {
            shards: Config::default().analysis.shards,
            memory_bytes_max: Config::default().analysis.memory_bytes_max,
            ..config.analysis
        },
        shard: shard::Settings {
            detectors: Config::default().shard.detectors,
            ..config.shard
        },
        ..config
    };
    assert_eq!(rest, Config::default());
}

/// Does the example show channels as they are by default?
#[track_caller]
fn shows_channels(config: &Config) {
    let kinds: Vec<&ChannelKind> = config.notify.channels.iter().map(|channel| &channel.kind).collect();
    assert!(
        kinds.contains(&&ChannelKind::Exec(exec::Settings::new(vec![
            "/usr/local/bin/tell".to_owned(),
            "--loudly".to_owned()
        ]))),
        "{kinds:?}"
    );
    let tcp = json_lines::Tcp {
        address: "logs.example.com:5000".to_owned(),
        timeout: Duration::from_secs(10),
    };
    let tcp = ChannelKind::JsonLines(json_lines::Settings::Tcp(tcp));
    assert!(kinds.contains(&&tcp), "{kinds:?}");
}

#[test]
fn channels_of_each_kind_are_shown() {
    let config = good(&uncommented());
    let channel = |name: &str| {
        let mut channels = config.notify.channels.iter();
        &channels.find(|channel| channel.name == name).expect(name).kind
    };
    assert!(matches!(channel("icinga"), ChannelKind::Icinga2(_)));
    assert!(matches!(channel("graphs"), ChannelKind::GraphiteEvents(_)));
    let ChannelKind::Alertmanager(alertmanager) = channel("prometheus") else {
        panic!("it is of kind alertmanager");
    };
    let labels: Vec<&str> = alertmanager.labels.iter().map(|(name, _)| &**name).collect();
    assert_eq!(labels, ["alertname", "series", "detector", "severity", "team", "host"]);
    let ChannelKind::Webhook(pager) = channel("pager") else {
        panic!("it is of kind webhook");
    };
    let url = "https://events.pagerduty.com/v2/enqueue";
    assert_eq!(pager.url, Secret::Text(url.to_owned()));
}

/// The detectors that the example shows.
fn shown_detectors() -> Vec<Definition> {
    let classic = Definition {
        name: "classic".into(),
        kind: Kind::Skyline(skyline::Settings::default()),
    };
    let both = Definition {
        name: "both".into(),
        kind: Kind::Ensemble(ensemble::Settings {
            needed: 2,
            of: vec!["default".into(), "classic".into()],
            severity: Some(Severity::Warning),
        }),
    };
    let threshold = |name: &str, odd| Definition {
        name: name.into(),
        kind: Kind::Threshold(threshold::Settings::new(odd)),
    };
    let mut full = threshold("full", Bounds::Above(90.0));
    if let Kind::Threshold(full) = &mut full.kind {
        full.not_back = Bounds::Above(80.0);
    }
    let cold = threshold("cold", Bounds::Below(5.0));
    let voltage = threshold("voltage", Bounds::Outside(207.0, 253.0));
    let stuck = threshold("stuck", Bounds::Inside(-0.5, 0.5));
    let busy = Definition {
        name: "busy".into(),
        kind: Kind::Expression(expression::Settings::new(busy_model())),
    };
    let absence = |name: &str, after, of: &[&str]| Definition {
        name: name.into(),
        kind: Kind::Absence(absence::Settings {
            after,
            of: of.iter().map(|glob| Glob::new(glob).unwrap()).collect(),
            severity: Severity::Warning,
        }),
    };
    let disk = Definition {
        name: "disk".into(),
        kind: Kind::Trend(trend::Settings::new(95.0)),
    };
    let orders = Definition {
        name: "orders".into(),
        kind: Kind::Forecast(forecast::Settings::default()),
    };
    let silent = absence("silent", After::Learnt, &[]);
    let gone = absence("gone", After::Stated(26 * 3600), &["backups.**"]);
    vec![
        Definition::default(),
        classic,
        full,
        cold,
        voltage,
        stuck,
        disk,
        orders,
        silent,
        gone,
        both,
        busy,
    ]
}

/// The example says who may come in.
fn assert_guarded(config: &Config) {
    let guard = &config.guard;
    assert_eq!(guard.user_header.as_deref(), Some("X-Remote-User"));
    assert_eq!(guard.hosts, ["skyrelay.example.net"]);
    let user = guard.user.as_ref().unwrap();
    assert_eq!(
        (user.name.as_str(), user.password.reveal().unwrap().as_str()),
        ("ops", "correct horse battery staple")
    );
}

/// The model that the example shows.
fn busy_model() -> Model {
    let sources = Sources {
        when: "value > 3 * median('1h')".to_owned(),
        score: Some("value / (3 * median('1h'))".to_owned()),
        expected: Some("median('1h')".to_owned()),
        lower: Some("0".to_owned()),
        upper: Some("3 * median('1h')".to_owned()),
    };
    Model::new(sources, 86_400).unwrap()
}

#[test]
fn the_example_has_every_key() {
    let text = with_other_ways();
    let raw = RawConfig::from_text(Path::new("skyrelay.toml"), text.clone());
    Section::top(&raw.report, &raw.root, check::read);
    let known = raw.report.known_keys();
    assert!(known.len() > 60, "{}", known.len());

    let example = toml::Value::Table(text.parse().unwrap());
    for (section, key) in known {
        let mut values = vec![&example];
        for step in section.split('.').filter(|step| !step.is_empty()) {
            values = match step {
                "NAME" => values
                    .iter()
                    .filter_map(|value| value.as_table())
                    .flat_map(toml::Table::values)
                    .collect(),
                step => values.iter().filter_map(|value| value.get(step)).collect(),
            };
            values = values.into_iter().map(|value| value.get(0).unwrap_or(value)).collect();
        }
        assert!(
            values.iter().any(|value| value.get(key).is_some()),
            "[{section}] {key} is not in config/skyrelay.toml"
        );
    }
}

#[test]
fn what_is_printed_reads_back() {
    for text in [
        "",
        EXAMPLE,
        &uncommented(),
        different::EVERYTHING,
        "watch = []\nalert = []",
    ] {
        let config = good(text);
        assert_eq!(good(&printed(&config)), config, "{}", config.to_toml());
        // What stands for a secret is refused rather than taken for it.
        let masked = config.to_toml();
        let refused = Config::parse(Path::new("test.toml"), &masked)
            .err()
            .map(|error| error.to_string());
        let said = refused
            .unwrap_or_default()
            .matches("is what stands for a secret")
            .count();
        assert_eq!(said, masked.matches(MASK).count(), "{masked}");
    }
    let printed = Config::default().to_toml();
    assert!(printed.contains("\nmax_line = \"16 KiB\"\n"), "{printed}");
    assert!(printed.contains("\nspan = \"24h\"\n"), "{printed}");
}

#[test]
fn without_a_watch_the_obvious_detector_watches_everything() {
    let watching = |text: &str| {
        let config = good(text);
        assert_eq!(config.shard.watches.len(), 1);
        assert!(config.shard.watches[0].matches("any.thing"));
        config.shard.detectors[config.shard.watches[0].detectors[0]]
            .name
            .to_string()
    };
    let declare = |name: &str| format!("[detector.{name}]\nkind = \"skyline\"\n");
    assert_eq!(watching(""), "default");
    assert_eq!(watching(&declare("classic")), "classic");
    assert_eq!(watching(&(declare("classic") + &declare("default"))), "default");
    assert_eq!(watching("[[watch]]\nmatch = [\"**\"]"), "default");
    // Patterns, and what is there for another detector, judge nothing in place of what judged everything.
    let backups = "[detector.backups]\nkind = \"absence\"\nof = [\"backups.**\"]\nafter = \"26h\"\n";
    assert_eq!(watching(backups), "default");
    assert_eq!(watching(&(declare("classic") + backups)), "classic");
    let both = "[detector.both]\nkind = \"all_of\"\nof = [\"default\", \"classic\"]\n";
    assert_eq!(watching(&(declare("classic") + both + backups)), "both");
    let model = "[detector.own]\nkind = \"expression\"\nwhen = \"detector('classic').score > 2\"\n";
    assert_eq!(watching(&(declare("classic") + model)), "own");
}

#[test]
fn what_is_printed_reads_back_whichever_detectors_there_are() {
    let detectors = [
        "[detector.backups]\nkind = \"absence\"\nof = [\"backups.**\"]\nafter = \"26h\"\n",
        "[detector.silent]\nkind = \"absence\"\n",
        "[detector.full]\nkind = \"threshold\"\nabove = 90\n",
        "[detector.own]\nkind = \"expression\"\nwhen = \"not detector('default').anomalous\"\n",
        "[detector.sure]\nkind = \"all_of\"\nof = [\"default\", \"full\"]\n",
        "[detector.default]\nkind = \"skyline\"\n",
        "[[watch]]\nmatch = [\"a.*\"]\n",
        "[[watch]]\nmatch = [\"**\"]\ndetectors = [\"full\", \"default\"]\n",
    ];
    let mut good_ones = 0;
    for chosen in 0..1_u32 << detectors.len() {
        let parts = detectors.iter().enumerate();
        let text: String = parts
            .filter(|(place, _)| chosen >> place & 1 == 1)
            .map(|(_, part)| *part)
            .collect();
        let Ok(config) = Config::parse(Path::new("test.toml"), &text) else {
            continue;
        };
        good_ones += 1;
        let printed = config.to_toml();
        assert_eq!(good(&printed), config, "{text}\n{printed}");
    }
    assert!(good_ones > 64, "{good_ones}");
}

#[test]
fn without_an_alert_every_channel_is_told_everything() {
    let config =
        good("[notify.b]\nkind = \"json-lines\"\npath = \"stdout\"\n[notify.a]\nkind = \"json-lines\"\npath = \"a\"");
    let names: Vec<&str> = config
        .notify
        .channels
        .iter()
        .map(|channel| channel.name.as_str())
        .collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(config.notify.alerts.len(), 1);
    assert_eq!(config.notify.alerts[0].to, [0, 1]);
    assert_eq!(config.notify.alerts[0].globs, [crate::glob::Glob::new("**").unwrap()]);
}

#[test]
fn addresses_that_get_on() {
    good(
        "[listen]\ntcp = [\"0.0.0.0:2003\", \"[::]:2003\", \"127.0.0.1:0\", \"127.0.0.1:0\"]\nudp = [\"0.0.0.0:2003\"]",
    );
    good("[listen]\ntcp = []");
}
