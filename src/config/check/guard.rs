//! Whom HTTP lets in.

use ipnet::IpNet;

use super::addresses::network;
use crate::{
    config::{
        names,
        section::{Section, secret_keys},
    },
    http::{GuardSettings, Protect, User},
};

/// Reads all of `[http]` but its address.
pub(super) fn guard(section: &mut Section<'_>) -> GuardSettings {
    let user = user(section);
    let user_header = header(section);
    let trusted_proxies = proxies(section, user_header.is_some());
    let protect = section.choice("protect", Protect::default(), &names::PROTECT);
    if section.has("protect") && !section.has("user") && !section.has("user_header") {
        let message = "http.protect has nobody to let in, expected http.user or http.user_header as well";
        section.report().say(section.place("protect"), message);
    }
    GuardSettings {
        user,
        user_header,
        trusted_proxies,
        protect,
        hosts: hosts(section),
    }
}

fn user(section: &mut Section<'_>) -> Option<User> {
    let name = section.text("user", "expected a name");
    let keys = secret_keys!("password");
    let password = section.secret(keys);
    let given = [keys.text, keys.file, keys.environment]
        .into_iter()
        .find(|key| section.has(key));
    match (section.has("user"), given) {
        (true, None) => {
            let message = "http.user has no password, expected http.password, password_file or password_env";
            section.report().say(section.place("user"), message);
        }
        (false, Some(key)) => {
            let message = format!("http.{key} is of nobody, expected http.user as well");
            section.report().say(section.place(key), message);
        }
        _ => {}
    }
    let name = name?;
    section.check_name(name.value, name.place, "a user");
    if name.value.contains(':') {
        let message = "http.user has a colon in it, behind which browsers send the password";
        section.report().say(name.place, message);
    }
    Some(User {
        name: name.value.to_owned(),
        password: password?,
    })
}

fn header(section: &mut Section<'_>) -> Option<String> {
    let expected = "expected the name of a header, such as \"X-Remote-User\"";
    let header = section.text("user_header", expected)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if header.value.is_empty() || header.value.len() > 100 || !header.value.bytes().all(is_token) {
        let message = format!("http.user_header is no name of a header, {expected}");
        section.report().say(header.place, message);
    }
    if !section.has("trusted_proxies") || section.is_empty("trusted_proxies") {
        let message = "http.user_header would be believed of nobody, expected http.trusted_proxies as well";
        section.report().say(header.place, message);
    }
    Some(header.value.to_owned())
}

fn proxies(section: &mut Section<'_>, has_header: bool) -> Vec<IpNet> {
    let array = "expected an array of addresses, such as [\"127.0.0.1\"]";
    let element = "expected an address such as \"127.0.0.1\"";
    let proxies = section.list("trusted_proxies", array, element, |text| {
        network(text).ok_or_else(|| element.to_owned())
    });
    if !has_header && section.has("trusted_proxies") {
        let message = "http.trusted_proxies has nothing to say, expected http.user_header as well";
        section.report().say(section.place("trusted_proxies"), message);
    }
    let proxies = proxies.unwrap_or_default();
    proxies.into_iter().map(|proxy| proxy.value).collect()
}

fn hosts(section: &mut Section<'_>) -> Vec<String> {
    let element = "expected a name without a port, such as \"skyrelay.example.net\"";
    let hosts = section.list("hosts", "expected an array of names", element, |text| {
        let is_part = |character: char| character.is_ascii_alphanumeric() || "-._[:]".contains(character);
        let is_name = !text.is_empty() && text.len() <= 253 && text.chars().all(is_part);
        let has_port = text.contains(':') && !text.starts_with('[');
        if is_name && !has_port {
            Ok(text.to_owned())
        } else {
            Err(element.to_owned())
        }
    });
    let hosts = hosts.unwrap_or_default();
    hosts.into_iter().map(|host| host.value).collect()
}
