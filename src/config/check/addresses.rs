//! Who listens where and who is sent to: no address twice, and no stream in a circle.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

use super::{LONGEST, SECOND, WAIT};
use crate::{
    config::{
        Config, names,
        report::{At, Place, Report},
        section::Section,
    },
    forward, listen,
    shard::LineRef,
};

/// An address that is to be bound.
#[derive(Debug)]
pub(super) struct Claim {
    address: SocketAddr,
    transport: Transport,
    /// As in `listen.tcp`.
    key: String,
    /// `None`: by default.
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

/// Reads `[listen]`, and says what it will bind.
pub(super) fn listen(section: &mut Section<'_>) -> (listen::Settings, Vec<Claim>) {
    let default = listen::Settings::default();
    let mut claims = Vec::new();
    let tcp = addresses(section, "tcp", default.tcp, Transport::Tcp, &mut claims);
    let udp = addresses(section, "udp", default.udp, Transport::Udp, &mut claims);
    if section.is_empty("tcp") && section.is_empty("udp") {
        let message = "neither tcp nor udp has an address, expected one to listen on";
        section.report().say(section.place("tcp"), message);
    }
    let networks = "expected an array of networks, such as [\"10.0.0.0/8\"]";
    let expected = "expected a network such as \"10.0.0.0/8\"";
    let allow = section.list("allow", networks, expected, |text| {
        network(text).ok_or_else(|| expected.to_owned())
    });
    if section.is_empty("allow") {
        let message = "listen.allow is empty, so nobody may send; leave it out to let anyone";
        section.report().say(section.place("allow"), message);
    }
    let settings = listen::Settings {
        tcp,
        udp,
        allow: allow.map(|networks| networks.into_iter().map(|network| network.value).collect()),
        max_connections: section.count("max_connections", default.max_connections, 1..=1_000_000),
        max_line_bytes: section.size("max_line", default.max_line_bytes, 64..=LineRef::LINE_BYTES_MAX as u64),
        idle_timeout: section.optional_duration("idle_timeout", default.idle_timeout, SECOND..=LONGEST),
        reuse_port: section.flag("reuse_port", default.reuse_port),
        udp_buffer_bytes: section.size("udp_buffer", default.udp_buffer_bytes, 4096..=1 << 30),
    };
    (settings, claims)
}

/// The network that `text` says; an address alone is one.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let single = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse().ok().or_else(single)
}

fn addresses(
    section: &mut Section<'_>,
    key: &'static str,
    default: Vec<SocketAddr>,
    transport: Transport,
    claims: &mut Vec<Claim>,
) -> Vec<SocketAddr> {
    let array = "expected an array of addresses, such as [\"0.0.0.0:2003\"]";
    let element = "expected an address and port, such as \"0.0.0.0:2003\" or \"[::1]:2003\"";
    let given = section.list(key, array, element, |text| text.parse().map_err(|_| element.to_owned()));
    let mut claim = |address, place| {
        claims.push(Claim {
            address,
            transport,
            key: format!("listen.{key}"),
            place,
        });
    };
    let Some(given) = given else {
        for address in &default {
            claim(*address, None);
        }
        return default;
    };
    for At { value, place } in &given {
        claim(*value, Some(*place));
    }
    given.into_iter().map(|address| address.value).collect()
}

/// Reads `[http]`.
pub(super) fn http(section: &mut Section<'_>, claims: &mut Vec<Claim>) -> Option<SocketAddr> {
    let default = Config::default().http;
    let expected = "expected an address and port, such as \"127.0.0.1:2080\", or \"off\"";
    let http = section.parsed("listen", default, expected, |text| match text {
        "off" => Ok(None),
        text => text.parse().map(Some).map_err(|_| expected.to_owned()),
    });
    claims.extend(http.map(|address| Claim {
        address,
        transport: Transport::Tcp,
        key: "http.listen".to_owned(),
        place: section.has("listen").then(|| section.place("listen")),
    }));
    http
}

/// Notes addresses that cannot be bound as another one has them already.
pub(super) fn check_claims(report: &Report, claims: &[Claim]) {
    for (index, claim) in claims.iter().enumerate() {
        let other = claims[..index].iter().find(|other| collide(claim, other));
        let Some(other) = other else { continue };
        // What is written is to be changed, not what it collides with by default.
        let (claim, other) = match claim.place {
            None => (other, claim),
            Some(_) => (claim, other),
        };
        if let Some(place) = claim.place {
            let other_place = match other.place {
                Some(place) => report.show(place),
                None => "its default".to_owned(),
            };
            let message = format!(
                "{} {} collides with {} {}, {other_place}",
                claim.key, claim.address, other.key, other.address
            );
            report.say(place, message);
        }
    }
}

/// Can only one of the two be bound? `[::]` and `0.0.0.0` get on, as each has its own family.
fn collide(one: &Claim, other: &Claim) -> bool {
    let (a, b) = (one.address, other.address);
    one.transport == other.transport
        && a.port() == b.port()
        && a.port() != 0
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// Reads each `[[forward]]`.
pub(super) fn forwards(top: &mut Section<'_>, listen: &listen::Settings) -> Vec<forward::Settings> {
    let mut upstream_names = Vec::new();
    let forwards = top.tables("forward", |section| {
        let settings = forward(section, listen);
        let key = if section.has("name") { "name" } else { "address" };
        upstream_names.push(At {
            value: settings.name.clone(),
            place: section.place(key),
        });
        settings
    });
    // An upstream without name and address has been complained about already.
    upstream_names.retain(|name| !name.value.is_empty());
    top.check_distinct("forward", &upstream_names, |name| format!("name = {name:?}"));
    forwards.unwrap_or_default()
}

fn forward(section: &mut Section<'_>, listen: &listen::Settings) -> forward::Settings {
    let expected = "expected a host and port, such as \"127.0.0.1:2103\" or \"[::1]:2103\"";
    if !section.has("address") {
        let message = format!("this [[forward]] has no address, {expected}");
        section.report().say(section.start(), message);
    }
    let address = section.parsed("address", String::new(), expected, |text| match split(text) {
        None => Err(expected.to_owned()),
        Some((host, port)) => match listen.tcp.iter().find(|own| leads_to(host, port, **own)) {
            Some(own) => Err(format!(
                "which is listen.tcp {own}: the stream would go round in a circle"
            )),
            None => Ok(text.to_owned()),
        },
    });
    let name = section.text("name", "expected a name, such as \"carbon-cache\"");
    if let Some(name) = name {
        section.check_name(name.value, name.place, "a [[forward]]");
    }
    let name = name.map_or_else(|| address.clone(), |name| name.value.to_owned());
    let default = forward::Settings::new(name, address);
    forward::Settings {
        own: listen.tcp.clone(),
        when_full: section.choice("when_full", default.when_full, &names::WHEN_FULL),
        queue_bytes_max: section.size("queue", default.queue_bytes_max, 1 << 20..=1 << 40),
        resend_bytes_max: section.size("resend_bytes", default.resend_bytes_max, 0..=1 << 30),
        connect_timeout: section.duration("connect_timeout", default.connect_timeout, WAIT),
        write_timeout: section.duration("write_timeout", default.write_timeout, WAIT),
        max_backoff: section.duration(
            "max_backoff",
            default.max_backoff,
            Duration::from_millis(100)..=*WAIT.end(),
        ),
        ..default
    }
}

/// Host and port; `None` when `address` has none, or some that nothing could answer to.
pub(super) fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = Some(port).filter(|_| digits)?.parse().ok().filter(|port| *port > 0)?;
    let host = match host.strip_prefix('[') {
        Some(host) => {
            let host = host.strip_suffix(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            host
        }
        None => host,
    };
    let is_name = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
    let plausible = host.parse::<Ipv6Addr>().is_ok() == address.starts_with('[')
        && (address.starts_with('[') || host.chars().all(is_name));
    (plausible && !host.is_empty() && host.len() <= 253).then_some((host, port))
}

/// Would a connection to `host` and `port` come in at `own`? Without a look-up, hence only if that is plain to see.
fn leads_to(host: &str, port: u16, own: SocketAddr) -> bool {
    if port != own.port() {
        return false;
    }
    let own = own.ip();
    if host.eq_ignore_ascii_case("localhost") {
        return own.is_unspecified() || own.is_loopback();
    }
    match host.parse::<IpAddr>() {
        // A connection to the unspecified address goes to the machine itself.
        Ok(host) if host.is_unspecified() => own.is_unspecified() || own.is_loopback(),
        Ok(host) => host == own || (own.is_unspecified() && host.is_loopback()),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let reads = |address, host, port| assert_eq!(split(address), Some((host, port)), "{address}");
        reads("carbon.example.net:2003", "carbon.example.net", 2003);
        reads("10.0.0.1:2103", "10.0.0.1", 2103);
        reads("[::1]:2103", "::1", 2103);
        for address in [
            "",
            "carbon",
            ":2003",
            "carbon:",
            "carbon:0",
            "carbon:99999",
            "::1:2003",
            "[::1]",
            "[carbon]:2003",
            "[10.0.0.1]:2003",
            "a b:2003",
            "http://carbon:2003",
            "carbon:+2003x",
        ] {
            assert_eq!(split(address), None, "{address}");
        }
    }

    #[test]
    fn circles() {
        #[track_caller]
        fn check(host: &str, own: &str, expected: bool) {
            assert_eq!(leads_to(host, 2003, own.parse().unwrap()), expected, "{host} {own}");
        }
        check("127.0.0.1", "127.0.0.1:2003", true);
        check("127.0.0.1", "0.0.0.0:2003", true);
        check("localhost", "[::]:2003", true);
        check("LocalHost", "127.0.0.1:2003", true);
        check("0.0.0.0", "127.0.0.1:2003", true);
        check("::1", "[::]:2003", true);
        check("127.0.0.1", "127.0.0.1:2103", false);
        check("127.0.0.2", "127.0.0.1:2003", false);
        check("10.0.0.1", "0.0.0.0:2003", false);
        check("carbon", "0.0.0.0:2003", false);
        check("127.0.0.1", "127.0.0.1:0", false);
    }
}
