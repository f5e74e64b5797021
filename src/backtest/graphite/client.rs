//! Questions to a Graphite: who asks, how long, and what becomes of answers that are none.
//!
//! * Certificates are verified. What is secret (a user in the URL, `Authorization`, headers) goes to that host only, and
//!   into no message: a redirect is followed within the host, by the same question.
//! * A question is repeated twice, after a pause, when nobody is there, or the trouble is Graphite's own. One that takes too
//!   long is too much, and not repeated.

use std::{
    fmt::{self, Display},
    io::{self, Read},
    thread,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ureq::{
    Agent,
    http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header},
};

use crate::notify::http_client::{self, HttpSettings};

/// Longest time that making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that a question may take, its answer included: Graphite reads files for it.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of an answer, unpacked.
const ANSWER_BYTES_MAX: usize = 512 << 20;

/// Pauses before a question is repeated.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// Characters of an answer that people are shown.
const EXCERPT_CHARS: usize = 200;

/// Where a Graphite is, and what is sent with each question.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// Without a user, and without a slash at its end.
    base: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Asks.
pub(super) struct Client<'a> {
    settings: &'a Settings,
    agent: Agent,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It would be too much at once.
    TooMuch(String),
    /// Another attempt may help.
    Passing(String),
    /// None will.
    Lasting(String),
}

impl Display for Trouble {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::TooMuch(why) | Self::Passing(why) | Self::Lasting(why)) = self;
        to.write_str(why)
    }
}

/// Values of headers may be secret.
impl fmt::Debug for Settings {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        to.debug_struct("Settings")
            .field("base", &self.base)
            .field("headers", &names)
            .finish()
    }
}

impl Settings {
    /// # Errors
    /// When the URL or a header is none, without what may be secret.
    pub(super) fn new(url: &str, headers: &[String], authorization: Option<String>) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, host) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(user, host)| (Some(user), host));
        let base = format!("{}://{host}{}", scheme.to_lowercase(), path.trim_end_matches('/'));
        let is_url = matches!(scheme.to_lowercase().as_str(), "http" | "https")
            && !path.contains(['?', '#'])
            && base
                .parse::<Uri>()
                .is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
        if !is_url {
            // Without the user, who may be secret.
            let shown = base.strip_prefix("://").unwrap_or(&base);
            return Err(format!(
                "--graphite {shown}: expected where Graphite is, such as http://graphite.example:8080"
            ));
        }
        let mut all = Vec::new();
        let secret = |value: &str| {
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        if let Some(user) = user {
            let decoded = percent_decoded(user).ok_or("--graphite: its user is not written as in a URL")?;
            let value = secret(&format!("Basic {}", BASE64_STANDARD.encode(decoded))).expect("base64 fits a header");
            all.push((header::AUTHORIZATION, value));
        } else if let Some(authorization) = authorization {
            let value =
                secret(&authorization).ok_or("the value for Authorization is not one that a header can have")?;
            all.push((header::AUTHORIZATION, value));
        }
        for text in headers {
            let parsed = text.split_once(':').and_then(|(name, value)| {
                let name = name.trim().parse::<HeaderName>().ok()?;
                Some((name, secret(value.trim())?))
            });
            all.push(parsed.ok_or("--header: expected a name and a value, such as 'X-Scope-OrgID: 1'")?);
        }
        Ok(Self { base, headers: all })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }
}

/// What `%40` and the like stand for.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        out.push(u8::from_str_radix(code, 16).ok()?);
        out.extend(rest.bytes());
    }
    Some(out)
}

impl<'a> Client<'a> {
    pub(super) fn new(settings: &'a Settings) -> Result<Self, String> {
        let tls = http_client::tls(&HttpSettings::default()).map_err(|failure| failure.to_string())?;
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_call(Some(QUESTION_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("skyrelay/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        Ok(Self {
            settings,
            agent: config.build().new_agent(),
        })
    }

    /// The nodes that complete `query`, as JSON.
    pub(super) fn find(&self, query: &str) -> Result<Vec<u8>, Trouble> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let question = form
            .append_pair("format", "completer")
            .append_pair("query", query)
            .finish();
        self.ask(&format!("{}/metrics/find?{question}", self.settings.base), None)
    }

    /// The series that a form asks for, as JSON.
    pub(super) fn render(&self, form: &str) -> Result<Vec<u8>, Trouble> {
        // So many names do not fit into an address.
        self.ask(&format!("{}/render", self.settings.base), Some(form))
    }

    fn ask(&self, url: &str, form: Option<&str>) -> Result<Vec<u8>, Trouble> {
        let mut pauses = PAUSES.iter();
        loop {
            match (self.ask_once(url, form), pauses.next()) {
                (Err(Trouble::Passing(_)), Some(pause)) => thread::sleep(*pause),
                (outcome, _) => return outcome,
            }
        }
    }

    fn ask_once(&self, url: &str, form: Option<&str>) -> Result<Vec<u8>, Trouble> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            let mut response = self.send(&url, form)?;
            let status = response.status();
            if status.is_redirection()
                && let Some(to) = response.headers().get(header::LOCATION)
            {
                url = redirected(&url, to)?;
                continue;
            }
            let body = read(&mut response)?;
            if status.is_success() {
                return Ok(body);
            }
            let excerpt = excerpt(&body);
            let what = match status.as_u16() {
                401 | 403 => format!(
                    "it answered {status}: a user goes into the URL, or Authorization into SKYRELAY_GRAPHITE_AUTHORIZATION, \
                     or other headers by --header"
                ),
                _ if excerpt.is_empty() => format!("it answered {status}"),
                _ => format!("it answered {status}: {excerpt}"),
            };
            return Err(match status.as_u16() {
                413 | 504 => Trouble::TooMuch(what),
                408 | 425 | 429 | 500.. => Trouble::Passing(what),
                _ => Trouble::Lasting(what),
            });
        }
        Err(Trouble::Lasting(format!("it leads on more than {REDIRECTS_MAX} times")))
    }

    fn send(&self, url: &str, form: Option<&str>) -> Result<Response<ureq::Body>, Trouble> {
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in &self.settings.headers {
            request = request.header(name, value);
        }
        let unfit = |error: ureq::http::Error| Trouble::Lasting(format!("no question: {error}"));
        let answer = match form {
            Some(form) => {
                let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
                self.agent.run(request.body(form).map_err(unfit)?)
            }
            None => self.agent.run(request.body(()).map_err(unfit)?),
        };
        answer.map_err(|error| trouble(&error))
    }
}

/// Where `to` leads from `url`, if that is the same host.
fn redirected(url: &str, to: &HeaderValue) -> Result<String, Trouble> {
    let lasting = |why: String| Trouble::Lasting(why);
    let to = to.to_str().map_err(|_| lasting("it leads on to no URL".to_owned()))?;
    let from: Uri = url.parse().map_err(|_| lasting(format!("{url} is no URL")))?;
    let scheme = from.scheme_str().unwrap_or_default();
    let authority = from.authority().map(ToString::to_string).unwrap_or_default();
    if to.starts_with('/') && !to.starts_with("//") {
        return Ok(format!("{scheme}://{authority}{to}"));
    }
    let elsewhere = || {
        let shown = to.split(['?', '#']).next().unwrap_or_default();
        lasting(format!(
            "it leads on to {shown}: give that as --graphite if it is right"
        ))
    };
    let target: Uri = to.parse().map_err(|_| elsewhere())?;
    let same_host = target
        .host()
        .is_some_and(|host| from.host().is_some_and(|other| host.eq_ignore_ascii_case(other)));
    let may = match (scheme, target.scheme_str().unwrap_or_default()) {
        ("http", "https") => same_host,
        (scheme, other) => same_host && scheme == other && target.port_u16() == from.port_u16(),
    };
    if may { Ok(to.to_owned()) } else { Err(elsewhere()) }
}

fn read(response: &mut Response<ureq::Body>) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    let mut reader = response.body_mut().as_reader().take(ANSWER_BYTES_MAX as u64 + 1);
    let outcome = reader.read_to_end(&mut body);
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => too_slow(),
        _ => Trouble::Passing(format!("its answer broke off: {error}")),
    })?;
    if body.len() > ANSWER_BYTES_MAX {
        return Err(Trouble::TooMuch(format!(
            "its answer has more than {} MiB",
            ANSWER_BYTES_MAX >> 20
        )));
    }
    Ok(body)
}

/// The beginning of an answer that is none, on one line.
pub(super) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(8 * EXCERPT_CHARS)]);
    // Of a page, its words.
    let is_page = text.trim_start().starts_with('<');
    let words = if is_page {
        let between = text
            .split('<')
            .map(|part| part.split_once('>').map_or("", |(_, words)| words));
        between.collect::<Vec<_>>().join(" ")
    } else {
        text.into_owned()
    };
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = words.chars().filter(|character| !character.is_control());
    plain.take(EXCERPT_CHARS).collect()
}

fn too_slow() -> Trouble {
    Trouble::TooMuch(format!("there is no answer within {} s", QUESTION_TIMEOUT.as_secs()))
}

fn trouble(error: &ureq::Error) -> Trouble {
    use ureq::{Error, Timeout};
    match error {
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => Trouble::Passing(error.to_string()),
        Error::Timeout(_) => too_slow(),
        Error::Tls(_) | Error::Rustls(_) => Trouble::Lasting(format!("TLS: {error}")),
        Error::BadUri(_) | Error::Http(_) | Error::InvalidProxyUrl | Error::HostNotFound => {
            Trouble::Lasting(error.to_string())
        }
        Error::Io(error) => Trouble::Passing(error.to_string()),
        _ => Trouble::Passing(error.to_string()),
    }
}
