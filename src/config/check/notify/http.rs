//! What channels that speak HTTP have in common.

use super::super::WAIT;
use crate::{config::section::Section, notify::http_client::HttpSettings};

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
