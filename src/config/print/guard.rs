//! Whom HTTP lets in, as TOML.

use std::fmt;

use super::{array, key, names, quote, secret};
use crate::{
    config::section::secret_keys,
    http::{GuardSettings, User},
};

/// Writes all of `[http]` but its address.
pub(super) fn write(out: &mut String, guard: &GuardSettings) -> fmt::Result {
    let GuardSettings {
        user,
        user_header,
        trusted_proxies,
        protect,
        hosts,
    } = guard;
    if let Some(User { name, password }) = user {
        key(out, "user", quote(name))?;
        secret(out, secret_keys!("password"), password)?;
    }
    if let Some(header) = user_header {
        key(out, "user_header", quote(header))?;
        key(out, "trusted_proxies", array(trusted_proxies))?;
    }
    if guard.asks_who() {
        key(out, "protect", quote(names::of(&names::PROTECT, protect)))?;
    }
    if !hosts.is_empty() {
        key(out, "hosts", array(hosts))?;
    }
    Ok(())
}
