//! A configuration as TOML, every key with its value and unit.

mod channels;
mod guard;

use std::fmt::{self, Display, Write};

use super::{Config, names, section::SecretKeys};
use crate::{
    detect::{
        Definition, Kind, Patience, absence,
        adaptive::{self, Floor},
        ensemble, expression, forecast, skyline, threshold, trend,
    },
    forward::{self, Sync},
    glob::Glob,
    notify::{Alert, ChannelSettings},
    secret::{MASK, Secret},
    units,
};

/// `config` as TOML that gives `config` when it is read.
pub(super) fn to_toml(config: &Config) -> String {
    let mut out = String::new();
    write_config(&mut out, config).expect("a String takes all that is written to it");
    out
}

fn write_config(out: &mut String, config: &Config) -> fmt::Result {
    let Config {
        listen,
        analysis,
        shard,
        notify,
        ..
    } = config;
    key(
        out,
        "forward_invalid",
        quote(names::of(&names::FORWARD_INVALID, &config.forward_invalid)),
    )?;
    key(out, "shutdown_deadline", duration(config.shutdown_deadline))?;
    // Without any, everything would be watched and told: what is empty has to be said, and ahead of all sections.
    if shard.watches.is_empty() {
        key(out, "watch", "[]")?;
    }
    if notify.alerts.is_empty() {
        key(out, "alert", "[]")?;
    }

    header(out, "[listen]")?;
    key(out, "tcp", array(&listen.tcp))?;
    key(out, "udp", array(&listen.udp))?;
    if let Some(allow) = &listen.allow {
        key(out, "allow", array(allow))?;
    }
    key(out, "max_connections", listen.max_connections)?;
    key(out, "max_line", size(listen.max_line_bytes))?;
    key(out, "idle_timeout", or_off(listen.idle_timeout.map(duration)))?;
    key(out, "reuse_port", listen.reuse_port)?;
    key(out, "udp_buffer", size(listen.udp_buffer_bytes))?;

    for forward in &config.forwards {
        write_forward(out, forward)?;
    }

    if let Some(spool) = &config.spool {
        write_spool(out, spool)?;
    }

    header(out, "[analysis]")?;
    key(
        out,
        "when_behind",
        quote(names::of(&names::WHEN_BEHIND, &analysis.when_behind)),
    )?;
    key(out, "queue_lines", analysis.queue_lines_max)?;
    key(out, "shards", analysis.shards)?;
    key(out, "max_memory", or_off(analysis.memory_bytes_max.map(size)))?;

    header(out, "[window]")?;
    key(out, "span", seconds(shard.span_s))?;
    key(out, "max_series", shard.max_series)?;
    key(out, "expire_after", seconds(shard.expire_after_s))?;
    key(out, "forget_after", seconds(shard.forget_after_s))?;

    header(out, "[limits]")?;
    key(out, "max_age", or_off(shard.limits.max_age_s.map(seconds)))?;
    key(out, "max_ahead", or_off(shard.limits.max_ahead_s.map(seconds)))?;

    for definition in &shard.detectors {
        write_detector(out, definition)?;
    }
    for watch in &shard.watches {
        header(out, "[[watch]]")?;
        key(out, "match", array(watch.globs.iter().map(Glob::as_str)))?;
        let detectors = watch.detectors.iter().map(|place| &shard.detectors[*place].name);
        key(out, "detectors", array(detectors))?;
        key(out, "as", quote(names::of(&names::READING, &watch.reading)))?;
    }
    header(out, "[notify]")?;
    if let Some(directory) = &notify.directory {
        key(out, "directory", quote(directory.display()))?;
    }
    key(out, "max_bytes", quote(units::show_size(notify.bytes_max)))?;
    key(out, "keep", seconds(notify.keep_s))?;
    for channel in &notify.channels {
        channels::write(out, channel)?;
    }
    for alert in &notify.alerts {
        write_alert(out, alert, &notify.channels)?;
    }

    header(out, "[http]")?;
    key(out, "listen", or_off(config.http.map(quote)))?;
    key(out, "url", or_off(notify.links.page.as_ref().map(quote)))?;
    guard::write(out, &config.guard)?;
    key(out, "graph_url", or_off(config.page.graph_url.as_ref().map(quote)))?;

    header(out, "[log]")?;
    key(out, "level", quote(names::of(&names::LOG_LEVEL, &config.log.level)))?;
    key(out, "format", quote(names::of(&names::LOG_FORMAT, &config.log.format)))?;

    header(out, "[anomalies]")?;
    key(out, "history", config.anomalies.history)?;

    header(out, "[groups]")?;
    key(out, "window", seconds(config.groups.window_s))?;
    key(out, "min_members", config.groups.min_members)?;
    key(out, "chance_per_day", float(config.groups.chance_per_day))?;
    key(out, "quiet", seconds(config.groups.quiet_s))?;

    let own = &config.own_series;
    header(out, "[own_series]")?;
    key(out, "every", or_off(own.every.map(duration)))?;
    key(out, "prefix", quote(&own.prefix))?;
    key(out, "anomaly_rate", own.anomaly_rate)?;
    key(out, "anomalies", own.anomalies)?;

    write_survivors(out, config)
}

/// What survives a restart.
fn write_survivors(out: &mut String, config: &Config) -> fmt::Result {
    header(out, "[snapshot]")?;
    if let Some(file) = &config.snapshot.file {
        key(out, "file", quote(file.display()))?;
    }
    key(out, "every", or_off(config.snapshot.every.map(duration)))?;

    let history = &config.history;
    header(out, "[history]")?;
    if let Some(directory) = &history.directory {
        key(out, "directory", quote(directory.display()))?;
    }
    key(out, "max_bytes", quote(units::show_size(history.bytes_max)))?;
    key(out, "max_age", or_off(history.age_max_s.map(seconds)))?;

    header(out, "[silences]")?;
    if let Some(file) = &config.silences.file {
        key(out, "file", quote(file.display()))?;
    }
    key(out, "keep", seconds(config.silences.keep_s))
}

fn write_forward(out: &mut String, forward: &forward::Settings) -> fmt::Result {
    header(out, "[[forward]]")?;
    key(out, "name", quote(&forward.name))?;
    key(out, "address", quote(&forward.address))?;
    key(
        out,
        "when_full",
        quote(names::of(&names::WHEN_FULL, &forward.when_full)),
    )?;
    key(out, "queue", size(forward.queue_bytes_max))?;
    key(out, "resend_bytes", size(forward.resend_bytes_max))?;
    key(out, "connect_timeout", duration(forward.connect_timeout))?;
    key(out, "write_timeout", duration(forward.write_timeout))?;
    key(out, "max_backoff", duration(forward.max_backoff))
}

fn write_spool(out: &mut String, spool: &forward::SpoolSettings) -> fmt::Result {
    header(out, "[spool]")?;
    key(out, "directory", quote(spool.directory.display()))?;
    key(out, "max_bytes", quote(units::show_size(spool.bytes_max)))?;
    key(out, "keep_free", quote(units::show_size(spool.keep_free_bytes)))?;
    let sync = match spool.sync {
        Sync::Never => quote("never"),
        Sync::Every(every) => duration(every),
        Sync::Always => quote("always"),
    };
    key(out, "sync", sync)?;
    match spool.drain_lines_per_second {
        Some(lines) => key(out, "drain_lines_per_second", lines),
        None => key(out, "drain_lines_per_second", quote("off")),
    }
}

fn write_alert(out: &mut String, alert: &Alert, channels: &[ChannelSettings]) -> fmt::Result {
    header(out, "[[alert]]")?;
    key(out, "name", quote(&alert.name))?;
    key(out, "match", array(alert.globs.iter().map(Glob::as_str)))?;
    key(out, "detectors", array(&alert.detectors))?;
    key(out, "severity", quote(names::of(&names::SEVERITY, &alert.severity)))?;
    key(out, "min_members", alert.members)?;
    key(out, "to", array(alert.to.iter().map(|place| &channels[*place].name)))?;
    key(out, "continue", alert.goes_on)?;
    key(out, "resolved", alert.resolved)?;
    key(out, "repeat", or_off(alert.repeat_s.map(seconds)))?;
    key(out, "group_wait", seconds(alert.group_wait_s))?;
    key(out, "quiet_hours", array(&alert.quiet.spans))?;
    key(out, "timezone", quote(alert.quiet.zone.iana_name().unwrap_or("UTC")))
}

fn write_detector(out: &mut String, definition: &Definition) -> fmt::Result {
    let name = key_part(&definition.name);
    header(out, &format!("[detector.{name}]"))?;
    match &definition.kind {
        Kind::Adaptive(settings) => {
            key(out, "kind", quote("adaptive"))?;
            write_adaptive(out, &name, settings)
        }
        Kind::Skyline(settings) => {
            key(out, "kind", quote("skyline"))?;
            write_skyline(out, &name, settings)
        }
        Kind::Threshold(settings) => write_threshold(out, settings),
        Kind::Absence(settings) => write_absence(out, settings),
        Kind::Trend(settings) => write_trend(out, settings),
        Kind::Forecast(settings) => write_forecast(out, settings),
        Kind::Ensemble(settings) => write_ensemble(out, settings),
        Kind::Expression(settings) => {
            key(out, "kind", quote("expression"))?;
            write_expression(out, settings)
        }
    }
}

fn write_expression(out: &mut String, settings: &expression::Settings) -> fmt::Result {
    let expression::Settings {
        model,
        timezone,
        silent_samples,
        silent_for_s,
        max_age_s,
        patience,
        severity,
    } = settings;
    for (name, source) in model.sources().iter() {
        key(out, name, quote(source))?;
    }
    key(out, "timezone", quote(timezone.iana_name().unwrap_or("UTC")))?;
    key(out, "silent_samples", silent_samples)?;
    key(out, "silent_for", seconds(*silent_for_s))?;
    key(out, "max_age", seconds(*max_age_s))?;
    write_patience(out, *patience)?;
    key(out, "severity", quote(severity.name()))
}

fn write_threshold(out: &mut String, settings: &threshold::Settings) -> fmt::Result {
    use threshold::Bounds as B;
    let threshold::Settings {
        odd,
        not_back,
        patience,
        severity,
    } = settings;
    key(out, "kind", quote("threshold"))?;
    let (name, bound) = match odd {
        B::Above(_) => ("above", values(*odd)),
        B::Below(_) => ("below", values(*odd)),
        B::Outside(..) => ("outside", values(*odd)),
        B::Inside(..) => ("inside", values(*odd)),
    };
    key(out, name, bound)?;
    key(out, "clear", values(*not_back))?;
    write_patience(out, *patience)?;
    key(out, "severity", quote(severity.name()))
}

fn write_absence(out: &mut String, settings: &absence::Settings) -> fmt::Result {
    let absence::Settings { after, of, severity } = settings;
    key(out, "kind", quote("absence"))?;
    match after {
        absence::After::Stated(after_s) => key(out, "after", seconds(*after_s))?,
        absence::After::Learnt => key(out, "after", quote("auto"))?,
    }
    if !of.is_empty() {
        key(out, "of", array(of.iter().map(Glob::as_str)))?;
    }
    key(out, "severity", quote(severity.name()))
}

fn write_forecast(out: &mut String, settings: &forecast::Settings) -> fmt::Result {
    let forecast::Settings {
        horizon_s,
        confidence,
        direction,
        min_deviation,
        min_history_s,
        timezone,
        patience,
        severity,
    } = settings;
    key(out, "kind", quote("forecast"))?;
    key(out, "horizon", seconds(*horizon_s))?;
    key(out, "confidence", float(*confidence))?;
    key(out, "direction", quote(names::of(&names::DIRECTION, direction)))?;
    key(out, "min_deviation", float(*min_deviation))?;
    key(out, "min_history", seconds(*min_history_s))?;
    key(out, "timezone", quote(timezone.iana_name().unwrap_or("UTC")))?;
    write_patience(out, *patience)?;
    key(out, "severity", quote(severity.name()))
}

fn write_trend(out: &mut String, settings: &trend::Settings) -> fmt::Result {
    let trend::Settings {
        reaches,
        direction,
        within_s,
        clear_s,
        over_s,
        min_history_s,
        min_fit,
        confidence,
        timezone,
        patience,
        severity,
    } = settings;
    key(out, "kind", quote("trend"))?;
    key(out, "reaches", float(*reaches))?;
    key(out, "direction", quote(names::of(&names::TREND_DIRECTION, direction)))?;
    key(out, "within", seconds(*within_s))?;
    key(out, "clear", seconds(*clear_s))?;
    key(out, "over", seconds(*over_s))?;
    key(out, "min_history", seconds(*min_history_s))?;
    key(out, "min_fit", float(*min_fit))?;
    key(out, "confidence", float(*confidence))?;
    key(out, "timezone", quote(timezone.iana_name().unwrap_or("UTC")))?;
    write_patience(out, *patience)?;
    key(out, "severity", quote(severity.name()))
}

fn values(bounds: threshold::Bounds) -> String {
    use threshold::Bounds as B;
    match bounds {
        B::Above(bound) | B::Below(bound) => float(bound),
        B::Outside(low, high) | B::Inside(low, high) => format!("[{}, {}]", float(low), float(high)),
    }
}

fn write_patience(out: &mut String, patience: Patience) -> fmt::Result {
    let Patience { needed, of, for_s } = patience;
    key(out, "n_of_m", format!("[{needed}, {of}]"))?;
    key(out, "for", seconds(for_s))
}

fn write_ensemble(out: &mut String, settings: &ensemble::Settings) -> fmt::Result {
    let ensemble::Settings { needed, of, severity } = settings;
    if *needed as usize == of.len() {
        key(out, "kind", quote("all_of"))?;
    } else if *needed == 1 {
        key(out, "kind", quote("any_of"))?;
    } else {
        key(out, "kind", quote("k_of"))?;
        key(out, "k", needed)?;
    }
    key(out, "of", array(of))?;
    match severity {
        Some(severity) => key(out, "severity", quote(severity.name())),
        None => Ok(()),
    }
}

fn write_adaptive(out: &mut String, name: &str, settings: &adaptive::Settings) -> fmt::Result {
    let adaptive::Settings {
        sensitivity,
        direction,
        min_deviation,
        timezone,
        silent_samples,
        silent_for_s,
        quiet_samples,
        quiet_for_s,
        explain,
        severity,
    } = settings;
    key(out, "sensitivity", float(*sensitivity))?;
    key(out, "direction", quote(names::of(&names::DIRECTION, direction)))?;
    match *min_deviation {
        Floor::Absolute(floor) => key(out, "min_deviation", float(floor))?,
        Floor::Relative(part) => key(out, "min_deviation", quote(units::show_percentage(part)))?,
    }
    key(out, "timezone", quote(timezone.iana_name().unwrap_or("UTC")))?;
    key(out, "silent_samples", silent_samples)?;
    key(out, "silent_for", seconds(*silent_for_s))?;
    key(out, "quiet_samples", quiet_samples)?;
    key(out, "quiet_for", seconds(*quiet_for_s))?;
    key(out, "explain", explain)?;
    header(out, &format!("[detector.{name}.severity]"))?;
    key(out, "level", quote(severity.level.name()))?;
    key(out, "spike", quote(severity.spike.name()))?;
    key(out, "routine", quote(severity.routine.name()))
}

fn write_skyline(out: &mut String, name: &str, settings: &skyline::Settings) -> fmt::Result {
    use skyline::Algorithm as A;
    key(out, "consensus", settings.consensus)?;
    key(
        out,
        "algorithms",
        array(settings.algorithms.iter().map(|algorithm| algorithm.name())),
    )?;
    key(out, "published_votes", settings.published_votes)?;
    key(out, "boring_samples", settings.boring_samples)?;
    key(out, "min_samples", settings.min_samples)?;
    // What is left out has no settings.
    for algorithm in &settings.algorithms {
        header(out, &format!("[detector.{name}.{}]", algorithm.name()))?;
        match algorithm {
            A::FirstHourAverage => {
                key(out, "sigmas", float(settings.first_hour_average.sigmas))?;
                key(out, "older_than", seconds(settings.first_hour_average.older_than_s))?;
            }
            A::MeanSubtractionCumulation => {
                key(out, "sigmas", float(settings.mean_subtraction_cumulation.sigmas))?;
            }
            A::StddevFromAverage => key(out, "sigmas", float(settings.stddev_from_average.sigmas))?,
            A::StddevFromMovingAverage => {
                key(out, "sigmas", float(settings.stddev_from_moving_average.sigmas))?;
                key(out, "com", float(settings.stddev_from_moving_average.com))?;
            }
            A::LeastSquares => {
                key(out, "sigmas", float(settings.least_squares.sigmas))?;
                key(out, "min_residual", float(settings.least_squares.min_residual))?;
            }
            A::Grubbs => key(out, "alpha", float(settings.grubbs.alpha))?,
            A::HistogramBins => {
                key(out, "bins", settings.histogram_bins.bins)?;
                key(out, "max_members", settings.histogram_bins.max_members)?;
            }
            A::MedianAbsoluteDeviation => {
                key(out, "deviations", float(settings.median_absolute_deviation.deviations))?;
            }
            A::KsTest => {
                let ks = &settings.ks_test;
                key(out, "reference", seconds(ks.reference_s))?;
                key(out, "probe", seconds(ks.probe_s))?;
                key(out, "min_samples", ks.min_samples)?;
                key(out, "alpha", float(ks.alpha))?;
                key(out, "min_distance", float(ks.min_distance))?;
                key(out, "adf_max_lag", ks.adf_max_lag)?;
                key(out, "adf_alpha", float(ks.adf_alpha))?;
            }
        }
    }
    Ok(())
}

/// Where a secret is; one that is written down is masked.
fn secret(out: &mut String, keys: SecretKeys, secret: &Secret) -> fmt::Result {
    match secret {
        Secret::Text(_) => key(out, keys.text, quote(MASK)),
        Secret::File(path) => key(out, keys.file, quote(path.display())),
        Secret::Environment(name) => key(out, keys.environment, quote(name)),
    }
}

fn header(out: &mut String, header: &str) -> fmt::Result {
    writeln!(out, "\n{header}")
}

fn key(out: &mut String, key: &str, value: impl Display) -> fmt::Result {
    writeln!(out, "{key} = {value}")
}

fn duration(duration: std::time::Duration) -> String {
    quote(units::show_duration(duration))
}

fn seconds(seconds: i64) -> String {
    duration(std::time::Duration::from_secs(seconds.unsigned_abs()))
}

fn size(bytes: usize) -> String {
    quote(units::show_size(bytes.try_into().unwrap_or(u64::MAX)))
}

fn or_off(value: Option<String>) -> String {
    value.unwrap_or_else(|| quote("off"))
}

/// The shortest decimal that is read as the same number, with a point, as TOML takes `1` for a whole number.
fn float(number: f64) -> String {
    format!("{number:?}")
}

fn array<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<String> = values.into_iter().map(quote).collect();
    format!("[{}]", values.join(", "))
}

/// A name as part of a dotted key.
fn key_part(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_bare) {
        name.to_owned()
    } else {
        quote(name)
    }
}

/// A basic string of TOML.
fn quote(value: impl Display) -> String {
    let mut out = String::from("\"");
    for character in value.to_string().chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => {
                write!(out, "\\u{:04X}", u32::from(control)).expect("a String takes all that is written to it");
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
