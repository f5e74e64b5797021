//! Who may ask for what: the name that the relay is asked by, requests that pages of other sites make, passwords.
//!
//! Everything passes here before anybody looks at it. What is refused is counted by reason and changes nothing.
//!
//! * **Hosts.** Where the relay listens on loopback it only answers to names of loopback, and to those that are configured: a
//!   page whose own name is made to lead to 127.0.0.1 (DNS rebinding) is turned away. Who sends no `Host` is no browser.
//! * **Other sites.** A browser says where a request that changes something comes from (`Sec-Fetch-Site`, `Origin`); only this
//!   very site may. Besides, what changes something is JSON or has no body, which no form can send. Programs such as curl say
//!   nothing of the kind, and pass.
//! * **People.** Where a user, or a header of a reverse proxy, is configured, nothing changes without it; nor is anything
//!   read, if so configured, but whether the relay is healthy and ready. A header is believed from the proxy alone.
//!
//! A password is compared in a time that depends on what was sent and not on how much of it is right.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, RwLock},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use ipnet::IpNet;
use tracing::warn;

use super::{answer::Refusal, connections::Peer};
use crate::{metrics::HttpMetrics, secret::Secret};

/// Longest body of a request (bytes): a silence with many patterns is a few kilobytes.
pub(super) const BODY_BYTES_MAX: usize = 64 << 10;

/// Longest name that is taken from a header or a password (bytes).
const NAME_BYTES_MAX: usize = 200;

/// Time in which the log hears of a wrong password once.
const WRONG_EVERY: Duration = Duration::from_secs(10);

/// What anybody may ask.
const OPEN_TO_ALL: [&str; 2] = ["/-/healthy", "/-/ready"];

/// What is only read, but may be asked for by a form that is posted: Grafana does, as so many names do not fit into an address.
const READ_BY_FORM: [&str; 2] = ["/render", "/metrics/find"];

/// Whom the relay lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardSettings {
    /// Who may come in with a password.
    pub user: Option<User>,
    /// Header in which a reverse proxy says who is asking.
    pub user_header: Option<String>,
    /// The proxies that are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What a stranger may not do.
    pub protect: Protect,
    /// Names that the relay answers to, besides those of loopback.
    pub hosts: Vec<String>,
}

/// Somebody with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name, without a colon.
    pub name: String,
    /// Password.
    pub password: Secret,
}

/// What a stranger may not do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protect {
    /// Change anything.
    #[default]
    Changes,
    /// Anything at all, but for asking whether the relay is healthy and ready.
    Everything,
}

/// Whom the relay lets in at present.
#[derive(Debug)]
pub struct Guard {
    orders: RwLock<Arc<Orders>>,
    metrics: HttpMetrics,
    wrong: Mutex<Wrong>,
}

/// Wrong passwords, of which the log hears now and then.
#[derive(Debug, Default)]
struct Wrong {
    told_at: Option<Instant>,
    /// Those since.
    untold: u64,
}

/// What the guard goes by.
#[derive(Debug)]
struct Orders {
    settings: GuardSettings,
    /// Name and password, unless the password cannot be had: then none is the right one.
    login: Option<Login>,
}

struct Login {
    name: Arc<str>,
    password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The guard of one listener.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) guard: Arc<Guard>,
    /// Is it only to be reached from this machine?
    pub(super) on_loopback: bool,
}

/// Who is asking, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asker(pub(super) Option<Arc<str>>);

/// Why a request is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TurnedAway {
    Host(String),
    CrossSite(&'static str),
    ContentType,
    TooLarge,
    /// The password, if one would help.
    Stranger {
        may_log_in: bool,
    },
}

impl GuardSettings {
    /// Is anybody asked who they are?
    pub fn asks_who(&self) -> bool {
        self.user.is_some() || self.user_header.is_some()
    }
}

impl Orders {
    fn new(settings: GuardSettings) -> Self {
        let login = settings.user.as_ref().and_then(|user| match user.password.reveal() {
            Ok(password) => Some(Login {
                name: user.name.as_str().into(),
                password,
            }),
            Err(error) => {
                warn!(user = user.name, %error, "nobody gets in over HTTP with a password until the next reload");
                None
            }
        });
        Self { settings, login }
    }

    fn who(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<Arc<str>> {
        let proxies = &self.settings.trusted_proxies;
        let trusted = |proxy: IpAddr| proxies.iter().any(|network| network.contains(&proxy));
        if let Some(name) = &self.settings.user_header
            && peer.is_some_and(|peer| trusted(peer.to_canonical()))
            && let Some(who) = only(headers, name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
            && !who.trim().is_empty()
            && who.len() <= NAME_BYTES_MAX
        {
            return Some(who.trim().into());
        }
        let login = self.login.as_ref()?;
        let sent = only(headers, header::AUTHORIZATION.as_str())?.to_str().ok()?;
        let (scheme, credentials) = sent.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let credentials = BASE64_STANDARD.decode(credentials.trim()).ok()?;
        let colon = credentials.iter().position(|&byte| byte == b':')?;
        let (name, password) = (&credentials[..colon], &credentials[colon + 1..]);
        let is_user = same(name, login.name.as_bytes()) & same(password, login.password.as_bytes());
        is_user.then(|| Arc::clone(&login.name))
    }
}

impl Guard {
    /// A guard who goes by `settings`.
    pub fn new(settings: GuardSettings, metrics: HttpMetrics) -> Self {
        Self {
            orders: RwLock::new(Arc::new(Orders::new(settings))),
            metrics,
            wrong: Mutex::default(),
        }
    }

    /// Goes by other settings from now on, or by the same and a password that is read again.
    pub fn change(&self, settings: GuardSettings) {
        let orders = Arc::new(Orders::new(settings));
        *self.orders.write().expect("nobody panics with the lock held") = orders;
    }

    /// Tells of somebody whose password is wrong, and now and then how many there were. True: it was told.
    fn note_wrong_password(&self, peer: Option<IpAddr>, now: Instant) -> bool {
        let mut wrong = self.wrong.lock().expect("nobody panics with the lock held");
        wrong.untold += 1;
        if wrong
            .told_at
            .is_some_and(|told| now.saturating_duration_since(told) < WRONG_EVERY)
        {
            return false;
        }
        let before = wrong.untold - 1;
        *wrong = Wrong {
            told_at: Some(now),
            untold: 0,
        };
        drop(wrong);
        let peer = peer.map_or_else(|| "somebody".to_owned(), |peer| peer.to_canonical().to_string());
        warn!(peer, before, "HTTP: a wrong user or password");
        true
    }

    fn orders(&self) -> Arc<Orders> {
        Arc::clone(&self.orders.read().expect("nobody panics with the lock held"))
    }
}

impl Door {
    /// Lets a request in, and says who asks.
    fn admit(&self, request: &Request) -> Result<Asker, TurnedAway> {
        let orders = self.guard.orders();
        let settings = &orders.settings;
        let headers = request.headers();
        if self.on_loopback || !settings.hosts.is_empty() {
            check_host(request, &settings.hosts, self.on_loopback)?;
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
            || READ_BY_FORM.contains(&request.uri().path().trim_end_matches('/'));
        let changes = !reads;
        if changes {
            check_site(headers, &settings.hosts)?;
            check_body(headers)?;
        }
        let peer = request.extensions().get::<Peer>().map(|Peer(peer)| *peer);
        let who = orders.who(peer, headers);
        let is_open = OPEN_TO_ALL.contains(&request.uri().path()) && !changes;
        let is_asked = settings.asks_who() && (changes || settings.protect == Protect::Everything) && !is_open;
        if is_asked && who.is_none() {
            return Err(TurnedAway::Stranger {
                may_log_in: settings.user.is_some(),
            });
        }
        Ok(Asker(who))
    }
}

/// Lets requests in, or refuses them.
pub(super) async fn guard(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    match door.admit(&request) {
        Ok(asker) => {
            request.extensions_mut().insert(asker);
            next.run(request).await
        }
        Err(why) => {
            door.guard.metrics.refused.with_label_values(&[why.reason()]).inc();
            // Without one, it is a browser that has not been asked yet.
            if matches!(why, TurnedAway::Stranger { .. }) && request.headers().contains_key(header::AUTHORIZATION) {
                let peer = request.extensions().get::<Peer>().map(|Peer(peer)| *peer);
                door.guard.note_wrong_password(peer, Instant::now());
            }
            why.into_response()
        }
    }
}

/// The name that is asked for has to be one of this machine, or a configured one. Addresses are no names.
fn check_host(request: &Request, hosts: &[String], on_loopback: bool) -> Result<(), TurnedAway> {
    let mut asked_for: Vec<&str> = request.uri().host().into_iter().collect();
    let sent = request.headers().get_all(header::HOST);
    for value in sent {
        let authority = value.to_str().ok().and_then(|value| value.parse::<Authority>().ok());
        if authority.is_none() {
            return Err(TurnedAway::Host(String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
        asked_for.extend(value.to_str().ok().map(without_port));
    }
    for host in asked_for {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_known = match bare.parse::<IpAddr>() {
            Ok(address) => !on_loopback || address.to_canonical().is_loopback() || is_among(hosts, host),
            Err(_) => is_of_loopback(host) || is_among(hosts, host),
        };
        if !is_known {
            return Err(TurnedAway::Host(host.to_owned()));
        }
    }
    Ok(())
}

/// Without the port that may be behind it.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn is_of_loopback(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn is_among(hosts: &[String], host: &str) -> bool {
    let host = host.trim_end_matches('.');
    hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
}

/// Where a browser says what it comes from, that has to be this site.
fn check_site(headers: &HeaderMap, hosts: &[String]) -> Result<(), TurnedAway> {
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    if sites.peek().is_some() {
        // "none": somebody at the keyboard, and no page.
        let same = sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        return if same {
            Ok(())
        } else {
            Err(TurnedAway::CrossSite("Sec-Fetch-Site"))
        };
    }
    let host = only(headers, header::HOST.as_str()).and_then(|host| host.to_str().ok());
    let is_ours = |origin: &HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| {
            host.is_some_and(|host| host.eq_ignore_ascii_case(authority)) || is_among(hosts, without_port(authority))
        })
    };
    if headers.get_all(header::ORIGIN).iter().all(is_ours) {
        Ok(())
    } else {
        Err(TurnedAway::CrossSite("Origin"))
    }
}

/// What changes something is JSON, or nothing.
fn check_body(headers: &HeaderMap) -> Result<(), TurnedAway> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
        return Err(TurnedAway::TooLarge);
    }
    let is_json = |value: &HeaderValue| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    };
    let has_body = length.is_some_and(|length| length > 0) || headers.contains_key(header::TRANSFER_ENCODING);
    let mut types = headers.get_all(header::CONTENT_TYPE).iter().peekable();
    let is_wanting = has_body && types.peek().is_none();
    if is_wanting || !types.all(is_json) {
        return Err(TurnedAway::ContentType);
    }
    Ok(())
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    first.filter(|_| values.next().is_none())
}

/// Are the two the same? Takes as long as `sent` is, whatever is in it.
fn same(sent: &[u8], secret: &[u8]) -> bool {
    let mut difference = u8::from(sent.len() != secret.len());
    for (sent, secret) in sent.iter().zip(secret.iter().cycle()) {
        difference = std::hint::black_box(difference | (sent ^ secret));
    }
    difference == 0
}

impl TurnedAway {
    /// What it is called in metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::CrossSite(_) => "cross_site",
            Self::ContentType => "content_type",
            Self::TooLarge => "too_large",
            Self::Stranger { .. } => "unauthorized",
        }
    }
}

impl IntoResponse for TurnedAway {
    fn into_response(self) -> Response {
        let refuse = |status, why: String| Refusal(status, why).into_response();
        match self {
            Self::Host(host) => refuse(
                StatusCode::MISDIRECTED_REQUEST,
                format!("{host:?} is no name that this relay answers to; add it to http.hosts if it is to be one"),
            ),
            Self::CrossSite(header) => refuse(
                StatusCode::FORBIDDEN,
                format!("a page of another site may change nothing here ({header}); behind a proxy, see http.hosts"),
            ),
            Self::ContentType => refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "expected JSON, with the header Content-Type: application/json, or no body".to_owned(),
            ),
            Self::TooLarge => refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("expected {} KiB at most", BODY_BYTES_MAX >> 10),
            ),
            Self::Stranger { may_log_in: true } => {
                let mut response = refuse(StatusCode::UNAUTHORIZED, "who are you? see http.user".to_owned());
                let challenge = HeaderValue::from_static("Basic realm=\"skyrelay\", charset=\"UTF-8\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
            Self::Stranger { may_log_in: false } => refuse(
                StatusCode::FORBIDDEN,
                "only those whom a trusted proxy names may do that, see http.user_header".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
