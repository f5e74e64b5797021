//! What channels need of this machine and do not find: secrets, certificates, files and programs.
//!
//! Looked for when the configuration is read, so that it is not the first alarm that finds out. Nothing is refused for it: what
//! is missing may be there by then, or on the machine that the configuration is meant for.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{ChannelKind, Settings, http_client::HttpSettings, json_lines, peer::Login};
use crate::{disk, secret::Secret};

impl Settings {
    /// What is missing, a sentence each.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for channel in &self.channels {
            let name = &channel.name;
            missing.extend(channel.kind.missing().map(|error| format!("notify.{name}: {error}")));
        }
        if let Some(directory) = &self.directory
            && let Err(error) = disk::check_directory(directory)
        {
            missing.push(format!("notify.directory: {error}"));
        }
        missing
    }
}

impl ChannelKind {
    /// What it needs and does not find.
    fn missing(&self) -> impl Iterator<Item = io::Error> {
        let found = match self {
            Self::Exec(settings) => vec![
                settings
                    .command
                    .first()
                    .map_or(Ok(()), |program| check_program(program)),
            ],
            Self::JsonLines(json_lines::Settings::File(path)) => vec![disk::check_writable(path)],
            Self::JsonLines(_) => Vec::new(),
            Self::Webhook(settings) => {
                let secrets = settings.values.secrets.values().chain([&settings.url]);
                let mut found: Vec<_> = secrets.map(check_secret).collect();
                found.extend(over_http(&settings.http, settings.login.as_ref()));
                found
            }
            Self::Alertmanager(settings) => over_http(&settings.http, settings.login.as_ref()).into(),
            Self::Icinga2(settings) => over_http(&settings.http, Some(&settings.login)).into(),
            Self::GraphiteEvents(settings) => over_http(&settings.http, settings.login.as_ref()).into(),
            Self::Nagios(settings) => vec![disk::check_writable(&settings.command_file)],
            Self::Smtp(settings) => vec![
                check_login(settings.login.as_ref()),
                check_readable(settings.ca_file.as_ref()),
            ],
        };
        found.into_iter().filter_map(Result::err)
    }
}

fn over_http(http: &HttpSettings, login: Option<&Login>) -> [io::Result<()>; 2] {
    [check_login(login), check_readable(http.ca_file.as_ref())]
}

fn check_login(login: Option<&Login>) -> io::Result<()> {
    login.map_or(Ok(()), |login| check_secret(&login.password))
}

fn check_secret(secret: &Secret) -> io::Result<()> {
    secret.reveal().map(drop)
}

fn check_readable(path: Option<&PathBuf>) -> io::Result<()> {
    let Some(path) = path else { return Ok(()) };
    disk::named(path, access(path, Access::READ_OK).map_err(io::Error::from))
}

/// Is there a program called so, as a channel would look for it?
fn check_program(program: &str) -> io::Result<()> {
    let can_run = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        let path = Path::new(program);
        return match access(path, Access::EXEC_OK) {
            Ok(()) if path.is_file() => Ok(()),
            Ok(()) => disk::named(path, Err(io::Error::other("it is no program"))),
            Err(error) => disk::named(path, Err(error.into())),
        };
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&folders).any(|folder| can_run(&folder.join(program))) {
        return Ok(());
    }
    let why = format!("there is no program {program:?} in PATH");
    Err(io::Error::new(io::ErrorKind::NotFound, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{ChannelSettings, exec};

    fn missing(kind: ChannelKind) -> Vec<String> {
        let settings = Settings {
            channels: vec![ChannelSettings {
                name: "told".to_owned(),
                kind,
                rate_limit: None,
            }],
            ..Settings::default()
        };
        settings.missing()
    }

    #[test]
    fn what_is_missing_is_said_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| ChannelKind::JsonLines(json_lines::Settings::File(folder.path().join(name)));
        assert_eq!(missing(file("anomalies.json")), [""; 0]);
        let path = folder.path().join("none");
        let said = missing(file("none/anomalies.json"));
        let expected = format!("notify.told: {}: No such file or directory", path.display());
        assert!(said.len() == 1 && said[0].starts_with(&expected), "{said:?}");
        let exec = |program: &str| missing(ChannelKind::Exec(exec::Settings::new(vec![program.to_owned()])));
        assert_eq!(exec("sh"), [""; 0]);
        assert_eq!(exec("/bin/sh"), [""; 0]);
        assert!(exec("/no/such")[0].contains("/no/such: No such file"));
        assert!(exec("no-such-program")[0].contains("in PATH"));
        assert!(exec("/tmp")[0].contains("/tmp: it is no program"));
    }
}
