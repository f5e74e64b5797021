//! Files in which nothing is as it is by default.

use super::*;

/// Each key other than its default.
pub(super) const EVERYTHING: &str = include_str!("everything.toml");

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
    let history = history::Settings {
        directory: Some("/var/lib/sky relay/\"history\"".into()),
        bytes_max: 5 << 20,
        age_max_s: None,
    };
    assert_eq!(config.history, history);
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
