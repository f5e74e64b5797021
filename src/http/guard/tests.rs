//! Who gets in, and who does not.

use axum::body::Body;

use super::*;
use crate::metrics::Metrics;

fn door(settings: GuardSettings, on_loopback: bool) -> Door {
    Door {
        guard: Arc::new(Guard::new(settings, Metrics::new().http)),
        on_loopback,
    }
}

/// A request from `peer` with these headers.
fn request(method: &str, path: &str, peer: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer(peer.parse().unwrap()));
    request
}

#[track_caller]
fn admits(door: &Door, method: &str, headers: &[(&str, &str)]) {
    let outcome = door.admit(&request(method, "/-/reload", "127.0.0.1", headers));
    assert!(outcome.is_ok(), "{method} {headers:?}: {outcome:?}");
}

#[track_caller]
fn turns_away(door: &Door, method: &str, headers: &[(&str, &str)], reason: &str) {
    let outcome = door.admit(&request(method, "/-/reload", "127.0.0.1", headers));
    let why = outcome.expect_err(&format!("{method} {headers:?}"));
    assert_eq!(why.reason(), reason, "{method} {headers:?}: {why:?}");
}

fn with_password() -> GuardSettings {
    GuardSettings {
        user: Some(User {
            name: "ops".to_owned(),
            password: Secret::Text("pass:wörd".to_owned()),
        }),
        ..GuardSettings::default()
    }
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(credentials))
}

#[test]
fn on_loopback_only_names_of_loopback_are_answered_to() {
    let door = door(GuardSettings::default(), true);
    for host in [
        "localhost",
        "LOCALHOST:2080",
        "localhost.",
        "a.localhost",
        "127.0.0.1:2080",
        "127.1.2.3",
        "[::1]:2080",
        "[::1]",
    ] {
        admits(&door, "GET", &[("Host", host)]);
    }
    admits(&door, "GET", &[]);
    for host in [
        "evil.example",
        "evil.example:2080",
        "10.0.0.1",
        "localhost.evil.example",
        "evil@localhost",
        "localhost:80:80",
        "",
        "[::1",
        "[2001:db8::1]",
    ] {
        turns_away(&door, "GET", &[("Host", host)], "host");
    }
    turns_away(&door, "GET", &[("Host", "localhost"), ("Host", "evil.example")], "host");
    // One who asks as of a proxy says the name in its first line.
    let absolute = request(
        "GET",
        "http://evil.example/metrics",
        "127.0.0.1",
        &[("Host", "localhost")],
    );
    assert!(door.admit(&absolute).is_err());
}

#[test]
fn elsewhere_any_name_will_do_unless_some_are_configured() {
    let open = door(GuardSettings::default(), false);
    admits(&open, "GET", &[("Host", "skyrelay.example.net:2080")]);
    let hosts = vec!["skyrelay.example.net".to_owned()];
    let named = GuardSettings {
        hosts,
        ..GuardSettings::default()
    };
    for on_loopback in [false, true] {
        let door = door(named.clone(), on_loopback);
        admits(&door, "GET", &[("Host", "SkyRelay.example.net:2080")]);
        admits(&door, "GET", &[("Host", "localhost:2080")]);
        turns_away(&door, "GET", &[("Host", "evil.example")], "host");
    }
    admits(&door(named, false), "GET", &[("Host", "192.0.2.7:2080")]);
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let door = door(GuardSettings::default(), true);
    let host = ("Host", "localhost:2080");
    // curl, and somebody at the keyboard.
    admits(&door, "POST", &[host]);
    admits(&door, "DELETE", &[host]);
    admits(&door, "POST", &[host, ("Sec-Fetch-Site", "none")]);
    admits(
        &door,
        "POST",
        &[
            host,
            ("Origin", "http://localhost:2080"),
            ("Sec-Fetch-Site", "same-origin"),
        ],
    );
    admits(&door, "POST", &[host, ("Origin", "http://localhost:2080")]);
    // A proxy that passes on another name.
    admits(
        &door,
        "POST",
        &[
            host,
            ("Origin", "https://outside.example"),
            ("Sec-Fetch-Site", "same-origin"),
        ],
    );
    for method in ["POST", "DELETE", "PUT", "PATCH", "BREW"] {
        for site in ["cross-site", "same-site", "", "SAME-ORIGIN"] {
            turns_away(&door, method, &[host, ("Sec-Fetch-Site", site)], "cross_site");
        }
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://localhost:2081",
            "http://localhost",
            "http://localhost:2080.evil.example",
            "file://",
            "localhost:2080",
        ] {
            turns_away(&door, method, &[host, ("Origin", origin)], "cross_site");
        }
    }
    turns_away(&door, "POST", &[("Origin", "http://localhost:2080")], "cross_site");
    let twice = [
        host,
        ("Origin", "http://localhost:2080"),
        ("Origin", "https://evil.example"),
    ];
    turns_away(&door, "POST", &twice, "cross_site");
    let twice = [
        host,
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Site", "cross-site"),
    ];
    turns_away(&door, "POST", &twice, "cross_site");
    // To read is what a page of another site may ask for, and not see.
    admits(
        &door,
        "GET",
        &[
            host,
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "https://evil.example"),
        ],
    );
}

#[test]
fn a_configured_name_is_this_site() {
    let hosts = vec!["skyrelay.example.net".to_owned()];
    let door = door(
        GuardSettings {
            hosts,
            ..GuardSettings::default()
        },
        true,
    );
    let host = ("Host", "127.0.0.1:2080");
    admits(&door, "POST", &[host, ("Origin", "https://skyrelay.example.net")]);
    turns_away(&door, "POST", &[host, ("Origin", "https://example.net")], "cross_site");
}

#[test]
fn what_changes_something_is_json_or_nothing() {
    let door = door(GuardSettings::default(), true);
    admits(&door, "POST", &[("Content-Length", "0")]);
    admits(
        &door,
        "POST",
        &[("Content-Length", "2"), ("Content-Type", "application/json")],
    );
    admits(
        &door,
        "POST",
        &[
            ("Content-Length", "2"),
            ("Content-Type", "Application/JSON; charset=utf-8"),
        ],
    );
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "application/jsonp",
        "",
    ] {
        turns_away(
            &door,
            "POST",
            &[("Content-Length", "2"), ("Content-Type", kind)],
            "content_type",
        );
    }
    turns_away(&door, "POST", &[("Content-Type", "text/plain")], "content_type");
    turns_away(&door, "POST", &[("Content-Length", "2")], "content_type");
    turns_away(&door, "POST", &[("Transfer-Encoding", "chunked")], "content_type");
    turns_away(
        &door,
        "POST",
        &[("Content-Length", "65537"), ("Content-Type", "application/json")],
        "too_large",
    );
    admits(
        &door,
        "POST",
        &[("Content-Length", "65536"), ("Content-Type", "application/json")],
    );
}

#[test]
fn a_password_lets_one_in() {
    let door = door(with_password(), true);
    admits(&door, "GET", &[]);
    admits(&door, "POST", &[("Authorization", &basic("ops:pass:wörd"))]);
    admits(
        &door,
        "POST",
        &[("Authorization", &basic("ops:pass:wörd").replace("Basic", "bAsIc"))],
    );
    for credentials in [
        "ops:pass:word",
        "ops:pass:wörd ",
        "ops:",
        "ops",
        "op:pass:wörd",
        "",
        ":",
        "ops:pass:wördpass:wörd",
    ] {
        turns_away(&door, "POST", &[("Authorization", &basic(credentials))], "unauthorized");
    }
    for sent in ["", "Basic", "Basic !", "Bearer b3BzOnBhc3M=", "pass:wörd"] {
        turns_away(&door, "POST", &[("Authorization", sent)], "unauthorized");
    }
    turns_away(&door, "POST", &[], "unauthorized");
    let good = basic("ops:pass:wörd");
    turns_away(
        &door,
        "POST",
        &[("Authorization", &good), ("Authorization", &good)],
        "unauthorized",
    );
    let who = door.admit(&request("POST", "/", "127.0.0.1", &[("Authorization", &good)]));
    assert_eq!(who, Ok(Asker(Some("ops".into()))));
}

#[test]
fn everything_is_protected_but_health() {
    let door = door(
        GuardSettings {
            protect: Protect::Everything,
            ..with_password()
        },
        true,
    );
    let asks = |method: &str, path: &str| door.admit(&request(method, path, "127.0.0.1", &[])).is_ok();
    assert!(asks("GET", "/-/healthy") && asks("GET", "/-/ready"));
    for path in ["/", "/metrics", "/api/v1/series", "/-/healthy/", "/-/reload"] {
        assert!(!asks("GET", path), "{path}");
    }
    assert!(!asks("POST", "/-/healthy"));
    admits(&door, "GET", &[("Authorization", &basic("ops:pass:wörd"))]);
}

#[test]
fn a_header_is_believed_of_trusted_proxies_alone() {
    let settings = GuardSettings {
        user_header: Some("X-Remote-User".to_owned()),
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        ..GuardSettings::default()
    };
    let door = door(settings, false);
    let who = |peer: &str, headers: &[(&str, &str)]| door.admit(&request("POST", "/", peer, headers));
    assert_eq!(
        who("10.1.2.3", &[("x-remote-user", "alice")]),
        Ok(Asker(Some("alice".into())))
    );
    assert_eq!(
        who("::ffff:10.1.2.3", &[("X-Remote-User", "bob")]),
        Ok(Asker(Some("bob".into())))
    );
    let stranger = Err(TurnedAway::Stranger { may_log_in: false });
    assert_eq!(who("192.0.2.1", &[("X-Remote-User", "mallory")]), stranger);
    assert_eq!(who("10.1.2.3", &[]), stranger);
    assert_eq!(who("10.1.2.3", &[("X-Remote-User", " ")]), stranger);
    let twice = [("X-Remote-User", "alice"), ("X-Remote-User", "mallory")];
    assert_eq!(who("10.1.2.3", &twice), stranger);
    // To read, nobody is asked.
    assert_eq!(door.admit(&request("GET", "/", "192.0.2.1", &[])), Ok(Asker(None)));
}

#[test]
fn other_settings_hold_from_the_next_request_on() {
    let door = door(GuardSettings::default(), true);
    admits(&door, "POST", &[]);
    door.guard.change(with_password());
    turns_away(&door, "POST", &[], "unauthorized");
}

#[test]
fn a_password_that_cannot_be_had_lets_nobody_in() {
    let user = User {
        name: "ops".to_owned(),
        password: Secret::File("/nonexistent/password".into()),
    };
    let door = door(
        GuardSettings {
            user: Some(user),
            ..GuardSettings::default()
        },
        true,
    );
    for credentials in ["ops:", "ops:/nonexistent/password"] {
        turns_away(&door, "POST", &[("Authorization", &basic(credentials))], "unauthorized");
    }
}

#[test]
fn what_is_read_may_be_asked_for_by_a_form() {
    let asks = |door: &Door, path: &str| {
        let form = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", "12"),
        ];
        door.admit(&request("POST", path, "127.0.0.1", &form)).map(|_| ())
    };
    let open = door(GuardSettings::default(), false);
    for path in ["/render", "/render/", "/metrics/find", "/metrics/find/"] {
        assert_eq!(asks(&open, path), Ok(()), "{path}");
    }
    assert_eq!(asks(&open, "/-/reload"), Err(TurnedAway::ContentType));
    let closed = GuardSettings {
        protect: Protect::Everything,
        ..with_password()
    };
    assert!(matches!(
        asks(&door(closed, false), "/render"),
        Err(TurnedAway::Stranger { .. })
    ));
}

#[test]
fn the_log_hears_of_wrong_passwords_now_and_then() {
    let (guard, now) = (Guard::new(with_password(), Metrics::new().http), Instant::now());
    let tells = |seconds| guard.note_wrong_password(None, now + Duration::from_secs(seconds));
    assert_eq!(
        [0, 1, 9, 10, 11, 25].map(tells),
        [true, false, false, true, false, true]
    );
}
