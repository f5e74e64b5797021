//! What channels over HTTP have in common: who the relay says that it is, and that no secret comes out again.
//!
//! What a receiver answers is shown to people, and receivers like to repeat what they were sent. So whatever is secret in a
//! request is masked in every failure that comes of it.

use base64::{Engine, engine::general_purpose::STANDARD};
use ureq::http::{Method, Uri};

use super::{
    Cause, Failure,
    http_client::{Answer, HttpClient, HttpSettings},
};
use crate::secret::{MASK, Secret};

/// Shortest text that is masked (bytes): a shorter one is no secret, and common.
const SECRET_BYTES_MIN: usize = 4;

/// Longest segment of a path that is taken for a word.
const SEGMENT_BYTES_MAX: usize = 8;

/// User and password, as HTTP's basic authentication has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Name of the user, without a colon.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// Somebody who takes requests.
#[derive(Debug)]
pub(super) struct Peer {
    client: HttpClient,
    login: Option<Login>,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a str,
    /// Besides those that say who the relay is.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    /// What of all this is secret, but for the login.
    pub(super) secrets: &'a [&'a str],
}

impl Peer {
    pub(super) fn new(http: &HttpSettings, login: Option<&Login>) -> Self {
        Self {
            client: HttpClient::new(http.clone()),
            login: login.cloned(),
        }
    }

    /// Posts JSON in which nothing is secret, and gives the answer whatever it is.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn post_json(&mut self, url: &str, body: &[u8]) -> Result<Answer, Failure> {
        self.send(Request {
            method: &Method::POST,
            url,
            headers: &[("content-type", "application/json"), ("accept", "application/json")],
            body,
            secrets: &[],
        })
    }

    /// Sends a request, and gives the answer whatever it is; nothing secret is in it any more.
    ///
    /// # Errors
    /// When there is none, or the password cannot be read.
    pub(super) fn send(&mut self, request: Request<'_>) -> Result<Answer, Failure> {
        let mut headers = request.headers.to_vec();
        let mut secrets = request.secrets.to_vec();
        let (password, authorization);
        if let Some(login) = &self.login {
            password = login.password.reveal()?;
            authorization = format!("Basic {}", STANDARD.encode(format!("{}:{password}", login.user)));
            headers.push(("authorization", &authorization));
            secrets.extend([&*password, &authorization["Basic ".len()..]]);
        }
        let sent = self
            .client
            .send(request.method.clone(), request.url, &headers, request.body);
        match sent {
            Ok(answer) => Ok(Answer {
                body: shown(&answer.body, &secrets),
                ..answer
            }),
            Err(failure) => Err(Failure {
                detail: masked(&failure.detail, &secrets),
                ..failure
            }),
        }
    }
}

/// What of an answer may be shown: no secret, and no page that was made for a browser.
fn shown(body: &str, secrets: &[&str]) -> String {
    if body.trim_start().starts_with('<') {
        return String::new();
    }
    masked(body, secrets)
}

fn masked(text: &str, secrets: &[&str]) -> String {
    let mut secrets: Vec<&str> = secrets
        .iter()
        .copied()
        .filter(|secret| secret.len() >= SECRET_BYTES_MIN)
        .collect();
    // The longest first: one may be part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
        .into_iter()
        .fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
}

/// The parts of a secret URL that somebody may repeat: its path, the longer of its segments, and its arguments.
pub(super) fn secrets_of(url: &str) -> Vec<&str> {
    let behind_scheme = url.find("://").map_or(url, |at| &url[at + 3..]);
    let Some(path) = behind_scheme.find(['/', '?']) else {
        return vec![url];
    };
    let whole = &behind_scheme[path..];
    let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
    // A short one is a word, as in /services.
    let segments = path.split('/').filter(|segment| segment.len() > SEGMENT_BYTES_MAX);
    let arguments = query
        .split('&')
        .filter_map(|argument| argument.split_once('=').map(|(_, value)| value));
    [url, whole, path, query]
        .into_iter()
        .chain(segments)
        .chain(arguments)
        .collect()
}

/// The URL, if it is one that can be spoken to: `http` or `https`, a host, no user, no fragment.
///
/// # Errors
/// What is wrong with it, without the URL, and what was expected.
pub fn check_url(url: &str) -> Result<(), &'static str> {
    let expected = Err("is no URL, expected one such as \"https://example.com/hook\"");
    let Ok(uri) = url.parse::<Uri>() else { return expected };
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return expected;
    };
    if authority.as_str().contains('@') {
        return Err("holds a user, expected `user` and `password_file` for that");
    }
    if url.contains('#') {
        return Err("has a fragment, which no server is sent, expected a URL without #");
    }
    if authority.host().is_empty() { expected } else { Ok(()) }
}

/// `url` without what may be secret in it: its path and query.
pub fn masked_url(url: &str) -> String {
    let host = url.parse::<Uri>().ok().and_then(|uri| {
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let rest = uri.path_and_query().map_or("", |rest| rest.as_str());
        let rest = if rest.len() > 1 {
            format!("/{MASK}")
        } else {
            rest.to_owned()
        };
        Some(format!("{scheme}://{authority}{rest}"))
    });
    host.unwrap_or_else(|| MASK.to_owned())
}

/// What one of several messages was refused for: they are tried one by one, so that the others are told.
pub(super) fn one_by_one<T>(items: &[T], mut send: impl FnMut(&[T]) -> Result<(), Failure>) -> Result<(), Failure> {
    match send(items) {
        Err(failure) if is_refusal(&failure) && items.len() > 1 => {
            for (count, item) in items.chunks(1).enumerate() {
                send(item).map_err(|failure| failure.delivered(count))?;
            }
            Ok(())
        }
        other => other,
    }
}

fn is_refusal(failure: &Failure) -> bool {
    failure.retry == super::Retry::Never && failure.cause == Cause::Refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Retry;

    #[test]
    fn what_is_secret_is_masked_wherever_it_is_repeated() {
        let url = "https://hooks.example.com/services/T000/B111/xyzzyxyzzy?token=s3cret&a=b";
        let secrets = secrets_of(url);
        let says =
            "no such hook: POST /services/T000/B111/xyzzyxyzzy?token=s3cret&a=b; token s3cret, hook xyzzyxyzzy; ab";
        assert_eq!(
            masked(says, &secrets),
            "no such hook: POST ********; token ********, hook ********; ab"
        );
        assert_eq!(masked_url(url), "https://hooks.example.com/********");
        assert_eq!(masked_url("http://127.0.0.1:8080"), "http://127.0.0.1:8080/");
        assert_eq!(shown("<html>s3cret", &secrets), "");
    }

    #[test]
    fn a_url_is_checked_and_not_repeated() {
        for url in ["http://localhost", "https://a.example:8443/x?y=z", "http://[::1]:9093/"] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        for (url, why) in [
            ("", "no URL"),
            ("example.com/x", "no URL"),
            ("ftp://example.com", "no URL"),
            ("http://a b/", "no URL"),
            ("http://user:s3cret@example.com/", "holds a user"),
            ("http://example.com/#x", "fragment"),
        ] {
            let wrong = check_url(url).unwrap_err();
            assert!(wrong.contains(why), "{url}: {wrong}");
        }
    }

    #[test]
    fn one_that_is_refused_does_not_take_others_along() {
        let mut told = Vec::new();
        let failure = one_by_one(&[1, 2, 3, 4], |items| {
            if items.contains(&3) {
                return Err(Failure::lasting(Cause::Refused, "not that one"));
            }
            told.extend(items.to_vec());
            Ok(())
        });
        let failure = failure.unwrap_err();
        assert_eq!((failure.delivered, failure.retry), (2, Retry::Never));
        assert_eq!(told, [1, 2]);
        let away = |_: &[u8]| Err(Failure::passing(Cause::Unreachable, "away"));
        assert_eq!(one_by_one(&[1, 2], away).unwrap_err().delivered, 0);
    }
}
