//! Channels as TOML; what is secret is masked.

use std::{fmt, time::Duration};

use super::{array, duration, header, key, key_part, names, or_off, quote, seconds, secret};
use crate::{
    config::section::{NAMED_SECRET, secret_keys},
    notify::{
        ChannelKind, ChannelSettings, alertmanager, exec, graphite_events,
        http_client::HttpSettings,
        icinga2::{self, Target},
        json_lines, nagios,
        peer::{Login, masked_url},
        smtp::{self, Security},
        states::States,
        template::Template,
        webhook,
    },
    secret::{MASK, Secret},
    units,
};

pub(super) fn write(out: &mut String, channel: &ChannelSettings) -> fmt::Result {
    let name = key_part(&channel.name);
    header(out, &format!("[notify.{name}]"))?;
    let limit = channel.rate_limit.map(|limit| {
        let per = units::show_duration(Duration::from_secs(limit.per_s.unsigned_abs()));
        quote(format!("{}/{per}", limit.messages))
    });
    key(out, "rate_limit", or_off(limit))?;
    match &channel.kind {
        ChannelKind::Exec(settings) => {
            key(out, "kind", quote("exec"))?;
            write_exec(out, settings)
        }
        ChannelKind::JsonLines(settings) => {
            key(out, "kind", quote("json-lines"))?;
            write_json_lines(out, settings)
        }
        ChannelKind::Webhook(settings) => {
            key(out, "kind", quote("webhook"))?;
            write_webhook(out, &name, settings)
        }
        ChannelKind::Alertmanager(settings) => {
            key(out, "kind", quote("alertmanager"))?;
            write_alertmanager(out, &name, settings)
        }
        ChannelKind::Icinga2(settings) => {
            key(out, "kind", quote("icinga2"))?;
            write_icinga2(out, &name, settings)
        }
        ChannelKind::Nagios(settings) => {
            key(out, "kind", quote("nagios"))?;
            write_nagios(out, &name, settings)
        }
        ChannelKind::Smtp(settings) => {
            key(out, "kind", quote("smtp"))?;
            write_smtp(out, settings)
        }
        ChannelKind::GraphiteEvents(settings) => {
            key(out, "kind", quote("graphite-events"))?;
            write_graphite_events(out, settings)
        }
    }
}

fn write_json_lines(out: &mut String, settings: &json_lines::Settings) -> fmt::Result {
    match settings {
        json_lines::Settings::Stdout => key(out, "path", quote("stdout")),
        json_lines::Settings::File(path) => key(out, "path", quote(path.display())),
        json_lines::Settings::Tcp(tcp) => {
            key(out, "tcp", quote(&tcp.address))?;
            key(out, "timeout", duration(tcp.timeout))
        }
    }
}

fn write_exec(out: &mut String, settings: &exec::Settings) -> fmt::Result {
    key(out, "command", array(&settings.command))?;
    key(out, "timeout", duration(settings.timeout))?;
    key(out, "at_once", settings.at_once)
}

fn write_webhook(out: &mut String, name: &str, settings: &webhook::Settings) -> fmt::Result {
    let webhook::Settings {
        preset,
        url,
        method,
        content_type,
        headers,
        body,
        values,
        batch,
        login,
        http,
    } = settings;
    if let Some(preset) = preset {
        key(out, "preset", quote(preset))?;
    }
    let of_preset = preset.and_then(webhook::preset).and_then(|preset| preset.url);
    match url {
        Secret::Text(url) if Some(url) == of_preset.as_ref() => key(out, "url", quote(url))?,
        Secret::Text(url) => key(out, "url", quote(masked_url(url)))?,
        elsewhere => secret(out, secret_keys!("url"), elsewhere)?,
    }
    key(out, "method", quote(method))?;
    key(out, "content_type", quote(content_type))?;
    if let Some(body) = body {
        key(out, "body", quote(body.source()))?;
    }
    key(out, "batch", batch)?;
    write_login(out, login.as_ref())?;
    write_http(out, http)?;
    header(out, &format!("[notify.{name}.headers]"))?;
    for (header, template) in headers {
        let value = if webhook::is_secret(header, template) {
            MASK
        } else {
            template.source()
        };
        key(out, &key_part(header), quote(value))?;
    }
    header(out, &format!("[notify.{name}.values]"))?;
    for (value, text) in &values.values {
        key(out, &key_part(value), quote(text))?;
    }
    for (value, text) in &values.secrets {
        header(out, &format!("[notify.{name}.secrets.{}]", key_part(value)))?;
        secret(out, NAMED_SECRET, text)?;
    }
    Ok(())
}

fn write_alertmanager(out: &mut String, name: &str, settings: &alertmanager::Settings) -> fmt::Result {
    let alertmanager::Settings {
        urls,
        resend,
        labels,
        annotations,
        login,
        http,
    } = settings;
    key(out, "urls", array(urls))?;
    key(out, "resend", duration(*resend))?;
    write_login(out, login.as_ref())?;
    write_http(out, http)?;
    write_templates(out, name, "labels", labels)?;
    write_templates(out, name, "annotations", annotations)
}

fn write_icinga2(out: &mut String, name: &str, settings: &icinga2::Settings) -> fmt::Result {
    let icinga2::Settings {
        url,
        login,
        target,
        output,
        states: _,
        refresh,
        http,
    } = settings;
    key(out, "url", quote(url))?;
    write_login(out, Some(login))?;
    match target {
        Target::Host(host) => key(out, "host", quote(host.source()))?,
        Target::Service { host, service } => {
            key(out, "host", quote(host.source()))?;
            key(out, "service", quote(service.source()))?;
        }
        Target::Filter { kind, filter, .. } => {
            key(out, "filter", quote(filter))?;
            key(out, "type", quote(kind))?;
        }
    }
    key(out, "output", quote(output.source()))?;
    key(out, "refresh", or_off(refresh.map(duration)))?;
    write_http(out, http)?;
    if let Target::Filter { variables, .. } = target {
        write_templates(out, name, "filter_vars", variables)?;
    }
    write_states(out, name, settings.states)
}

fn write_states(out: &mut String, name: &str, states: States) -> fmt::Result {
    let States {
        info,
        warning,
        critical,
    } = states;
    header(out, &format!("[notify.{name}.states]"))?;
    for (severity, state) in [("info", info), ("warning", warning), ("critical", critical)] {
        key(out, severity, quote(names::of(&names::STATE, &state)))?;
    }
    Ok(())
}

fn write_nagios(out: &mut String, name: &str, settings: &nagios::Settings) -> fmt::Result {
    let nagios::Settings {
        command_file,
        host,
        service,
        output,
        states,
        refresh,
    } = settings;
    key(out, "command_file", quote(command_file.display()))?;
    key(out, "host", quote(host.source()))?;
    if let Some(service) = service {
        key(out, "service", quote(service.source()))?;
    }
    key(out, "output", quote(output.source()))?;
    key(out, "refresh", or_off(refresh.map(duration)))?;
    write_states(out, name, *states)
}

fn write_smtp(out: &mut String, settings: &smtp::Settings) -> fmt::Result {
    let smtp::Settings {
        host,
        port,
        security,
        ca_file,
        tls_verify,
        login,
        from,
        to,
        subject,
        plot_s,
        timezone,
        timeout,
    } = settings;
    key(out, "host", quote(host))?;
    key(out, "port", port)?;
    key(out, "tls", quote(names::of(&names::SMTP_SECURITY, security)))?;
    if *security != Security::None {
        if let Some(path) = ca_file {
            key(out, "ca_file", quote(path.display()))?;
        }
        key(out, "tls_verify", tls_verify)?;
    }
    write_login(out, login.as_ref())?;
    key(out, "from", quote(from))?;
    key(out, "to", array(to))?;
    key(out, "subject", quote(subject.source()))?;
    key(out, "plot", or_off(plot_s.map(seconds)))?;
    key(out, "timezone", quote(timezone.iana_name().unwrap_or("UTC")))?;
    key(out, "timeout", duration(*timeout))
}

fn write_graphite_events(out: &mut String, settings: &graphite_events::Settings) -> fmt::Result {
    let graphite_events::Settings {
        url,
        what,
        tags,
        data,
        login,
        http,
    } = settings;
    key(out, "url", quote(url))?;
    key(out, "what", quote(what.source()))?;
    key(out, "tags", array(tags.iter().map(Template::source)))?;
    key(out, "data", quote(data.source()))?;
    write_login(out, login.as_ref())?;
    write_http(out, http)
}

fn write_login(out: &mut String, login: Option<&Login>) -> fmt::Result {
    match login {
        Some(login) => {
            key(out, "user", quote(&login.user))?;
            secret(out, secret_keys!("password"), &login.password)
        }
        None => Ok(()),
    }
}

fn write_http(out: &mut String, http: &HttpSettings) -> fmt::Result {
    let HttpSettings {
        timeout,
        ca_file,
        tls_verify,
    } = http;
    key(out, "timeout", duration(*timeout))?;
    if let Some(path) = ca_file {
        key(out, "ca_file", quote(path.display()))?;
    }
    key(out, "tls_verify", tls_verify)
}

fn write_templates(out: &mut String, name: &str, table: &str, templates: &[(String, Template)]) -> fmt::Result {
    header(out, &format!("[notify.{name}.{table}]"))?;
    for (name, template) in templates {
        key(out, &key_part(name), quote(template.source()))?;
    }
    Ok(())
}
