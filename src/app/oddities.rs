//! What is odd about a configuration here and now: what the relay will not do by it, who may do what, and what of this machine
//! is missing. Each is a warning of `skyrelay check`, of the log, and of the answer to a reload.
//!
//! What is odd about the text alone, the configuration itself says.

use crate::{config::Config, disk};

/// All there is to say, a sentence each.
pub(crate) fn oddities(config: &Config) -> Vec<String> {
    let mut odd = Vec::new();
    if config.forwards.is_empty() {
        odd.push("there is no [[forward]]: lines are analysed and go nowhere".to_owned());
    }
    if !config.shard.watches_anything() {
        odd.push("no [[watch]] has a detector: lines are forwarded and none is analysed".to_owned());
    }
    if let Some(address) = config.http
        && !address.ip().is_loopback()
        && !config.guard.asks_who()
    {
        odd.push(format!(
            "http.listen is {address}: whoever reaches this address may silence anomalies and reload the configuration; \
             set http.user, or http.user_header"
        ));
    }
    if let Some(user) = &config.guard.user
        && let Err(error) = user.password.reveal()
    {
        odd.push(format!("http.user: {error}; nobody gets in with a password"));
    }
    for (key, file) in [
        ("snapshot.file", &config.snapshot.file),
        ("silences.file", &config.silences.file),
    ] {
        if let Some(file) = file
            && let Err(error) = disk::check_writable(file)
        {
            odd.push(format!("{key}: {error}"));
        }
    }
    odd.extend(config.notify.missing());
    odd
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Checked;

    #[track_caller]
    fn odd(text: &str) -> Vec<String> {
        let text = format!("[[forward]]\nname = \"a\"\naddress = \"127.0.0.1:2103\"\n{text}");
        oddities(&Checked::parse(Path::new("f.toml"), &text).unwrap().config)
    }

    #[test]
    fn what_is_odd_is_said_with_its_key_and_its_place() {
        assert_eq!(odd(""), [""; 0]);
        let idle = oddities(&Config::default());
        assert!(
            idle.len() == 1 && idle[0].starts_with("there is no [[forward]]"),
            "{idle:?}"
        );
        for (text, parts) in [
            (
                "[http]\nlisten = \"0.0.0.0:0\"",
                ["http.listen is 0.0.0.0:0", "http.user"],
            ),
            (
                "[http]\nuser = \"ops\"\npassword_file = \"/none/password\"",
                ["http.user: ", "/none/password: No such file"],
            ),
            (
                "[snapshot]\nfile = \"/none/snapshot\"",
                ["snapshot.file: ", "/none: No such file"],
            ),
            (
                "[notify.hook]\nkind = \"webhook\"\nurl_file = \"/none/url\"",
                ["notify.hook: ", "/none/url: No such file"],
            ),
            (
                "[notify.hook]\nkind = \"webhook\"\nurl_env = \"SKYRELAY_NO_SUCH\"",
                ["notify.hook: ", "SKYRELAY_NO_SUCH is not set"],
            ),
            (
                "[notify.mail]\nkind = \"smtp\"\nhost = \"localhost\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n\
                 user = \"a\"\npassword_file = \"/none/password\"",
                ["notify.mail: ", "/none/password: No such file"],
            ),
            (
                "[notify.log]\nkind = \"json-lines\"\npath = \"/none/anomalies.json\"",
                ["notify.log: ", "/none: No such file"],
            ),
        ] {
            let odd = odd(text);
            assert_eq!(odd.len(), 1, "{text}: {odd:?}");
            assert!(parts.iter().all(|part| odd[0].contains(part)), "{odd:?}");
        }
    }
}
