//! Readers for secrets, and for the paths of files.

use std::path::PathBuf;

use super::Section;
use crate::{
    config::tree::Value,
    secret::{MASK, Secret},
};

/// The keys that a secret may be given by.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct SecretKeys {
    /// The secret itself, as in `password`.
    pub(in crate::config) text: &'static str,
    /// Its file, as in `password_file`.
    pub(in crate::config) file: &'static str,
    /// The variable of the environment, as in `password_env`.
    pub(in crate::config) environment: &'static str,
}

/// The keys of a secret that has a table of its own.
pub(in crate::config) const NAMED_SECRET: SecretKeys = SecretKeys {
    text: "text",
    file: "file",
    environment: "env",
};

/// The three keys of the secret called so.
macro_rules! secret_keys {
    ($name:literal) => {
        $crate::config::section::SecretKeys {
            text: $name,
            file: concat!($name, "_file"),
            environment: concat!($name, "_env"),
        }
    };
}
pub(in crate::config) use secret_keys;

impl Section<'_> {
    /// The secret that one of `keys` gives; `None`: none does. It is read when it is used, not here.
    pub(in crate::config) fn secret(&mut self, keys: SecretKeys) -> Option<Secret> {
        let SecretKeys {
            text,
            file,
            environment,
        } = keys;
        let secret_text = self.text_of_secret(text);
        let secret_file = self.path_of_file(file).map(Secret::File);
        let secret_environment = self.variable(environment);
        let mut given = [text, file, environment].into_iter().filter(|key| self.has(key));
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            let message = format!("{} is given beside {first}, expected one of the two", self.path(second));
            self.report().say(self.place(second), message);
        }
        secret_text.or(secret_file).or(secret_environment)
    }

    /// The secret that is written as `key` itself. A value that is none is not shown: it may be one all the same.
    fn text_of_secret(&mut self, key: &'static str) -> Option<Secret> {
        let node = self.get(key)?;
        let wrong = match &node.value {
            Value::String(text) if text.is_empty() => "is empty, expected the secret",
            Value::String(text) if text == MASK => "is what stands for a secret, expected the secret itself",
            Value::String(text) => return Some(Secret::Text(text.clone())),
            _ => "is not a text, expected the secret in quotes",
        };
        let message = format!("{} {wrong}", self.path(key));
        self.report().say(node.place, message);
        None
    }

    fn variable(&mut self, key: &'static str) -> Option<Secret> {
        let name = self.text(key, "expected the name of a variable of the environment")?;
        let fits = !name.value.is_empty() && !name.value.contains(['=', '\0']);
        if !fits {
            let message = format!("{} is no name of a variable of the environment", self.path(key));
            self.report().say(name.place, message);
        }
        fits.then(|| Secret::Environment(name.value.to_owned()))
    }

    /// The path of a file.
    pub(in crate::config) fn path_of_file(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = self.text(key, "expected the path of a file")?;
        self.check_name(path.value, path.place, "a file");
        Some(path.value.into())
    }
}
