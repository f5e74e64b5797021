//! What channels that speak HTTP have in common.

use super::super::WAIT;
use crate::{
    config::{
        report::At,
        section::{Section, secret_keys},
    },
    notify::{
        http_client::HttpSettings,
        peer::{Login, check_url},
    },
    secret::{MASK, Secret},
};

/// What is wrong with a text that was printed in place of a secret.
pub(super) const MASKED: &str = "is what stands for a secret, expected the secret itself";

const URL: &str = "expected one such as \"http://127.0.0.1:9093\"";

/// Reads `timeout`, `ca_file` and `tls_verify`.
pub(super) fn read(section: &mut Section<'_>) -> HttpSettings {
    let default = HttpSettings::default();
    let ca_file = section.path_of_file("ca_file");
    let tls_verify = section.flag("tls_verify", default.tls_verify);
    if let Some(ca_file) = &ca_file
        && !tls_verify
    {
        let message = format!(
            "{} trusts the certificates in {}, and tls_verify = false trusts all: expected one of the two",
            section.name(),
            ca_file.display()
        );
        section.report().say(section.place("ca_file"), message);
    }
    HttpSettings {
        timeout: section.duration("timeout", default.timeout, WAIT),
        ca_file,
        tls_verify,
    }
}

/// Reads `user` and `password`, which go together.
pub(super) fn login(section: &mut Section<'_>) -> Option<Login> {
    let user = section.text("user", "expected the name of a user");
    let password = section.secret(secret_keys!("password"));
    let report = section.report();
    if let Some(user) = &user {
        section.check_name(user.value, user.place, "a user");
        if user.value.contains(':') {
            let message = format!("{} holds a colon, which no user's name can", section.path("user"));
            report.say(user.place, message);
        }
    }
    match (user, password) {
        (Some(user), Some(password)) => Some(Login {
            user: user.value.to_owned(),
            password,
        }),
        (None, None) => None,
        (Some(user), None) => {
            let message = format!(
                "{} is given without a password, expected password_file, too",
                section.path("user")
            );
            report.say(user.place, message);
            None
        }
        (None, Some(_)) => {
            let message = format!("{} has a password and no user", section.name());
            report.say(section.start(), message);
            None
        }
    }
}

/// Reads `url`, which is no secret: that of a server, below which the channel finds what it needs.
pub(super) fn server(section: &mut Section<'_>) -> String {
    if !section.has("url") {
        let message = format!("{} has no url, {URL}", section.name());
        section.report().say(section.start(), message);
    }
    let url = section.text("url", URL);
    if let Some(url) = &url
        && let Err(wrong) = check_server(url.value)
    {
        let message = format!("{} {wrong}", section.path("url"));
        section.report().say(url.place, message);
    }
    url.map(|url| url.value.to_owned()).unwrap_or_default()
}

/// Reads `urls`, of which there has to be one.
pub(super) fn servers(section: &mut Section<'_>) -> Vec<String> {
    let expected = "expected an array of URLs, such as [\"http://127.0.0.1:9093\"]";
    if !section.has("urls") || section.is_empty("urls") {
        let message = format!("{} has no urls, {expected}", section.name());
        section.report().say(section.place("urls"), message);
    }
    let urls = section
        .list("urls", expected, URL, |url| Ok(url.to_owned()))
        .unwrap_or_default();
    for At { value, place } in &urls {
        // It is not shown: it may hold a password.
        if let Err(wrong) = check_server(value) {
            section
                .report()
                .say(*place, format!("{} has one that {wrong}", section.path("urls")));
        }
    }
    section.check_distinct("urls", &urls, Clone::clone);
    urls.into_iter().map(|url| url.value).collect()
}

fn check_server(url: &str) -> Result<(), &'static str> {
    check_url(url)?;
    if url.contains('?') {
        return Err("has a query, expected the URL of the server alone");
    }
    Ok(())
}

/// Reads `url`, which may be a secret.
pub(super) fn secret_url(section: &mut Section<'_>, preset: Option<&str>) -> Secret {
    let url = section.secret(secret_keys!("url"));
    if let Some(Secret::Text(url)) = &url {
        let checked = if url.contains(MASK) {
            Err(MASKED)
        } else {
            check_url(url)
        };
        if let Err(wrong) = checked {
            // The URL is not shown.
            let message = format!("{} {wrong}", section.path("url"));
            section.report().say(section.place("url"), message);
        }
    }
    let is_given = ["url", "url_file", "url_env"].into_iter().any(|key| section.has(key));
    if !is_given && preset.is_none() {
        let message = format!(
            "{} has no url, expected url, url_file or url_env, as the whole of it may be a secret",
            section.name()
        );
        section.report().say(section.start(), message);
    }
    url.unwrap_or_else(|| Secret::Text(preset.unwrap_or_default().to_owned()))
}
