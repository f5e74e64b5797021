//! What files give: whole configurations in, settings or messages out.

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
    let forward = forward::Settings::new("carbon-cache", "127.0.0.1:2103");
    assert_eq!(config.forwards, [forward]);
    assert_eq!(config.listen.allow.as_ref().map(Vec::len), Some(2));
    assert_eq!(config.analysis.shards, 4);
    assert_eq!(config.analysis.memory_bytes_max, Some(12 << 30));
    assert_eq!(config.shard.detectors, shown_detectors());
    assert_eq!(config.snapshot.file, Some("/var/lib/skyrelay/snapshot".into()));
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
fn everything_may_be_different() {
    let config = good(EVERYTHING);
    assert_eq!(config.listen.tcp.len(), 2);
    assert_eq!(config.listen.udp, []);
    assert_eq!(config.listen.max_line_bytes, 4096);
    assert_eq!(config.listen.idle_timeout, Some(Duration::from_secs(300)));
    assert_eq!(config.forwards[0].name, "carbon-cache");
    assert_eq!(config.forwards[0].when_full, forward::WhenFull::PauseSenders);
    assert_eq!(config.forwards[1].name, "[::1]:2104");
    assert_eq!(config.forward_invalid, crate::intake::ForwardInvalid::Drop);
    assert_eq!(config.analysis.when_behind, analysis::WhenBehind::Wait);
    assert_eq!(config.analysis.memory_bytes_max, None);
    assert_eq!(config.shard.span_s, 12 * 3600);
    assert_eq!(config.shard.limits.max_age_s, Some(7 * 86_400));
    assert_eq!(config.shard.limits.max_ahead_s, None);
    let names: Vec<&str> = config.shard.detectors.iter().map(|detector| &*detector.name).collect();
    let all = [
        "short",
        "a \"b\" c",
        "falls",
        "parts",
        "some",
        "every",
        "two",
        "cold",
        "odd",
        "stuck",
        "own",
        "silent",
        "gone",
        "space",
        "next",
        "default",
    ];
    assert_eq!(names, all);
    assert_eq!(config.shard.watches[0].detectors, [1, 0]);
    assert_eq!(config.shard.watches[0].reading, shard::Reading::Rate);
    assert!(config.shard.watches[1].detectors.is_empty());
    assert_eq!(config.notify.alerts[0].to, [1]);
    assert_eq!(config.notify.alerts[1].to, [0, 1, 2, 3, 4, 5]);
    let program = exec::Settings {
        command: ["/usr/local/bin/tell", "a \"b\" \\c", ""].map(str::to_owned).to_vec(),
        timeout: Duration::from_secs(60),
        at_once: 2,
    };
    assert_eq!(config.notify.channels[5].kind, ChannelKind::Exec(program));
    assert_eq!(&*config.notify.alerts[1].name, "alert-2");
    assert_eq!((config.notify.bytes_max, config.notify.keep_s), (1 << 20, 7200));
    let limit = RateLimit {
        messages: 30,
        per_s: 300,
    };
    assert_eq!(config.notify.channels[0].rate_limit, Some(limit));
    let first = &config.notify.alerts[0];
    assert_eq!(
        (&*first.name, first.severity, first.members),
        ("the \"first\"", Severity::Warning, 5)
    );
    assert_eq!((first.goes_on, first.resolved), (true, false));
    assert_eq!((first.repeat_s, first.group_wait_s), (Some(14_400), 30));
    assert_eq!(
        (first.quiet.spans.len(), first.quiet.zone.iana_name()),
        (2, Some("Asia/Tokyo"))
    );
    assert_eq!(
        config.notify.links.page.as_deref(),
        Some("https://relay.example.com/sky")
    );
    assert_eq!(config.http, None);
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.anomalies.history, 0);
    let groups = config.groups;
    assert_eq!((groups.window_s, groups.min_members, groups.quiet_s), (300, 5, 3600));
    assert!((groups.chance_per_day - 1.0).abs() < 1e-9);
    let own = &config.own_series;
    assert_eq!(
        (own.every, own.prefix.as_str()),
        (Some(Duration::from_secs(60)), "relays.one")
    );
    assert_eq!((own.anomaly_rate, own.anomalies), (false, true));
    assert_eq!(config.snapshot.file, Some("/var/lib/sky relay/\"snapshot\"".into()));
    assert_eq!(config.snapshot.every, None);
}

#[test]
fn detectors_of_each_kind_may_be_different() {
    let config = good(EVERYTHING);
    let Kind::Skyline(short) = &config.shard.detectors[0].kind else {
        panic!("it is of kind skyline");
    };
    assert_eq!(short.algorithms, [Algorithm::KsTest, Algorithm::Grubbs]);
    assert_eq!(short.ks_test.reference_s, 7200);
    assert!((short.grubbs.alpha - 0.01).abs() < 1e-9);
    let Kind::Adaptive(falls) = &config.shard.detectors[2].kind else {
        panic!("it is of kind adaptive");
    };
    assert!((falls.sensitivity - 1.5).abs() < 1e-9);
    assert_eq!(falls.direction, Direction::Below);
    assert_eq!(falls.min_deviation, Floor::Absolute(2.5));
    assert_eq!((falls.silent_samples, falls.silent_for_s), (0, 7200));
    assert_eq!((falls.quiet_samples, falls.quiet_for_s), (30, 5400));
    assert_eq!(
        (falls.severity.level, falls.severity.spike),
        (Severity::Critical, Severity::Info)
    );
    let Kind::Adaptive(parts) = &config.shard.detectors[3].kind else {
        panic!("it is of kind adaptive");
    };
    assert!(falls.explain && !parts.explain);
    assert_eq!(parts.min_deviation, Floor::Relative(0.125));
    assert_eq!(parts.timezone.iana_name(), Some("America/New_York"));
    let needed = |place: usize| match &config.shard.detectors[place].kind {
        Kind::Ensemble(settings) => (settings.needed, settings.of.len(), settings.severity),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        [4, 5, 6].map(needed),
        [(1, 3, None), (2, 2, Some(Severity::Critical)), (2, 3, None)]
    );
    let Kind::Threshold(cold) = &config.shard.detectors[7].kind else {
        panic!("it is of kind threshold");
    };
    assert_eq!((cold.odd, cold.not_back), (Bounds::Below(-1.5), Bounds::Below(0.0)));
    assert_eq!(
        cold.patience,
        Patience {
            needed: 3,
            of: 5,
            for_s: 300
        }
    );
    assert_eq!(cold.severity, Severity::Critical);
    let Kind::Threshold(odd) = &config.shard.detectors[8].kind else {
        panic!("it is of kind threshold");
    };
    assert_eq!(odd, &threshold::Settings::new(Bounds::Outside(-1e9, 5e9)));
    let Kind::Expression(own) = &config.shard.detectors[10].kind else {
        panic!("it is of kind expression");
    };
    let score = own.model.sources().score.as_deref();
    assert_eq!((score, &own.model.sources().expected), (Some("value / m"), &None));
    assert_eq!(own.timezone.iana_name(), Some("Asia/Tokyo"));
    assert_eq!((own.silent_samples, own.silent_for_s, own.max_age_s), (0, 3600, 60));
    assert_eq!((own.patience.for_s, own.severity), (600, Severity::Info));
    let absence = |place: usize| match &config.shard.detectors[place].kind {
        Kind::Absence(settings) => (settings.after, settings.of.len(), settings.severity),
        other => panic!("{other:?}"),
    };
    assert_eq!(absence(11), (After::Stated(900), 0, Severity::Info));
    assert_eq!(absence(12), (After::Learnt, 2, Severity::Warning));
    let Kind::Forecast(next) = &config.shard.detectors[14].kind else {
        panic!("it is of kind forecast");
    };
    assert_eq!((next.horizon_s, next.min_history_s), (6 * 3600, 7 * 86_400));
    assert_eq!(
        (next.confidence.to_bits(), next.min_deviation.to_bits()),
        (0.9_f64.to_bits(), 5_f64.to_bits())
    );
    assert_eq!((next.direction, next.severity), (Direction::Below, Severity::Info));
    assert_eq!((next.patience.needed, next.patience.for_s), (3, 0));
    let Kind::Trend(space) = &config.shard.detectors[13].kind else {
        panic!("it is of kind trend");
    };
    assert_eq!(
        (space.direction, space.within_s, space.clear_s),
        (trend::Direction::Down, 5400, 8100)
    );
    assert_eq!((space.over_s, space.min_history_s), (6 * 3600, 3600));
    assert_eq!(
        (space.min_fit.to_bits(), space.confidence.to_bits()),
        (0.5_f64.to_bits(), 0.95_f64.to_bits())
    );
    assert_eq!((space.patience.needed, space.severity), (2, Severity::Critical));
}

#[test]
fn what_is_printed_reads_back() {
    for text in ["", EXAMPLE, &uncommented(), EVERYTHING, "watch = []\nalert = []"] {
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

/// Each key other than its default.
const EVERYTHING: &str = r#"
forward_invalid = "drop"
shutdown_deadline = "1500ms"
[listen]
tcp = ["0.0.0.0:2003", "[::1]:0"]
udp = []
allow = ["10.0.0.0/8", "::1", "192.168.1.7"]
max_connections = 0x10
max_line = "4KiB"
idle_timeout = "5m"
udp_buffer = "1 MB"
[[forward]]
name = "carbon-cache"
address = "localhost:2103"
when_full = "pause-senders"
queue = "1 MiB"
connect_timeout = "1ms"
write_timeout = "1h"
max_backoff = "100ms"
[[forward]]
address = "[::1]:2104"
[analysis]
when_behind = "wait"
queue_lines = 1_000
shards = 3
max_memory = "off"
[window]
span = "12 h"
max_series = 1
expire_after = "2w"
[limits]
max_age = "7d"
max_ahead = "off"
[detector.short]
kind = "skyline"
consensus = 2
algorithms = ["ks_test", "grubbs"]
published_votes = true
boring_samples = 1
min_samples = 30
grubbs.alpha = 0.01
[detector.short.ks_test]
reference = "2h"
probe = "5m"
min_samples = 3
alpha = 1
min_distance = 0
adf_max_lag = 0
adf_alpha = 1e-3
[detector.'a "b" c']
kind = "skyline"
consensus = 9
first_hour_average = { sigmas = 2, older_than = "11h" }
mean_subtraction_cumulation.sigmas = 2.5
stddev_from_average.sigmas = 2.5
stddev_from_moving_average = { sigmas = 1, com = 9.5 }
least_squares = { sigmas = 4.0, min_residual = 0 }
histogram_bins = { bins = 20, max_members = 0 }
median_absolute_deviation.deviations = 5
[detector.falls]
kind = "adaptive"
sensitivity = 1.5
direction = "below"
min_deviation = 2.5
silent_samples = 0
silent_for = "2h"
quiet_samples = 30
quiet_for = "90m"
explain = true
severity = { level = "critical", spike = "info" }
[detector.parts]
kind = "adaptive"
min_deviation = "12.5%"
timezone = "America/New_York"
[detector.some]
kind = "any_of"
of = ["every", "two", "falls"]
[detector.every]
kind = "all_of"
of = ["falls", "parts"]
severity = "critical"
[detector.two]
kind = "k_of"
k = 2
of = ["short", "falls", "parts"]
[detector.cold]
kind = "threshold"
below = -1.5
clear = 0
for = "5m"
n_of_m = [3, 5]
severity = "critical"
[detector.odd]
kind = "threshold"
outside = [-1e9, 5_000_000_000]
[detector.stuck]
kind = "threshold"
inside = [-0.5, 0.5]
clear = [-1, 1]
[detector.own]
kind = "expression"
when = """
let m = median('1h');   # what is usual
value > 3 * m and node(1) != \"test\""""
score = "value / m"
timezone = "Asia/Tokyo"
silent_samples = 0
silent_for = "1h"
max_age = "1m"
for = "10m"
severity = "info"
[detector.silent]
kind = "absence"
after = "15m"
severity = "info"
[detector.gone]
kind = "absence"
after = "auto"
of = ["a.*", "b.**"]
[detector.space]
kind = "trend"
reaches = 0
direction = "down"
within = "90m"
over = "6h"
min_history = "1h"
min_fit = 0.5
confidence = 0.95
timezone = "Asia/Tokyo"
n_of_m = [2, 3]
severity = "critical"
[detector.next]
kind = "forecast"
horizon = "6h"
confidence = 0.9
direction = "below"
min_deviation = 5
min_history = "7d"
timezone = "Asia/Tokyo"
for = "0s"
n_of_m = [3, 4]
severity = "info"
[[watch]]
match = ["servers.*.load", "app.{a,b}.**"]
detectors = ['a "b" c', "short"]
as = "rate"
[[watch]]
match = ["**"]
detectors = []
[notify]
directory = "/var/lib/sky relay/notify"
max_bytes = "1 MiB"
keep = "2h"
[notify.file]
kind = "json-lines"
path = '/var/log/a "b" \c.json'
rate_limit = "30/5m"
[notify.out]
kind = "json-lines"
path = "stdout"
[notify.collector]
kind = "json-lines"
tcp = "[::1]:5000"
timeout = "3s"
[notify.post]
kind = "smtp"
host = "::1"
port = 2525
tls = "implicit"
tls_verify = false
user = "me"
password_env = "MAIL"
from = '"A \"b\" c" <a@example.com>'
to = ["b@example.com", "Ü <c@example.com>"]
subject = "{{ series }}"
plot = "off"
timezone = "Europe/Berlin"
[notify.watchdog]
kind = "nagios"
command_file = "/run/nagios.cmd"
host = "relay"
output = "{{ reason }}"
refresh = "off"
states = { info = "ok", critical = "unknown" }
[notify.program]
kind = "exec"
command = ["/usr/local/bin/tell", 'a "b" \c', ""]
timeout = "1m"
at_once = 2
[[alert]]
match = ["servers.**"]
detectors = ["short", "default"]
to = ["out"]
name = 'the "first"'
severity = "warning"
min_members = 5
continue = true
resolved = false
repeat = "4h"
group_wait = "30s"
quiet_hours = ["mon-fri 18:00-08:00", "sat-sun"]
timezone = "Asia/Tokyo"
[[alert]]
match = ["**"]
[http]
listen = "off"
url = "https://relay.example.com/sky/"
[log]
level = "debug"
format = "json"
[anomalies]
history = 0
[groups]
window = "5m"
min_members = 5
chance_per_day = 1
quiet = "1h"
[own_series]
every = "1m"
prefix = "relays.one"
anomaly_rate = false
anomalies = true
[snapshot]
file = '/var/lib/sky relay/"snapshot"'
every = "off"
"#;
