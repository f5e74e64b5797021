//! Mail to a server that takes some recipients and others not.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::Mutex,
    thread,
};

use super::*;
use crate::notify::{
    Cause, Status,
    message::tests::message,
    template::{Format, Template},
};

/// What the server answers to a recipient, or to a mail for these recipients.
type Answers = fn(&str) -> &'static str;

/// A server, and for each mail that it has taken the recipients.
struct Server {
    port: u16,
    taken: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Server {
    /// One that answers each recipient by `to_recipient`, and each mail, by its recipients, by `to_mail`.
    fn start(to_recipient: Answers, to_mail: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut answer = stream.try_clone().unwrap();
                let mut say = |text: &str| drop(write!(answer, "{text}\r\n"));
                let (mut to, mut in_mail) = (Vec::new(), false);
                say("220 here");
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                    match line.get(..4).unwrap_or(&line) {
                        "." => {
                            in_mail = false;
                            let answer = to_mail(&to.join(","));
                            if answer.starts_with('2') {
                                kept.lock().unwrap().push(std::mem::take(&mut to));
                            }
                            say(answer);
                        }
                        _ if in_mail => {}
                        "RCPT" => {
                            let answer = to_recipient(address);
                            if answer.starts_with('2') {
                                to.push(address.to_owned());
                            }
                            say(answer);
                        }
                        "MAIL" => {
                            to.clear();
                            say("250 fine");
                        }
                        "DATA" => {
                            in_mail = true;
                            say("354 go on");
                        }
                        _ => say("250 fine"),
                    }
                }
            }
        });
        Self { port, taken }
    }

    fn taken(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }

    fn channel(&self) -> Smtp {
        let to = ["ops@example.com", "gone@example.com", "full@example.com"];
        let settings = Settings {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            security: Security::None,
            ca_file: None,
            tls_verify: true,
            login: None,
            from: "Relay <relay@example.com>".parse().unwrap(),
            to: to.map(|address| address.parse().unwrap()).to_vec(),
            subject: Template::new(SUBJECT, Format::Text).unwrap(),
            plot_s: None,
            timezone: TimeZone::UTC,
            timeout: Duration::from_secs(5),
        };
        Smtp::new(settings, &Surroundings::default())
    }
}

fn mail() -> [Arc<Message>; 1] {
    [Arc::new(message(Status::Firing, "a.b"))]
}

#[test]
fn who_is_gone_costs_nobody_else_a_mail() {
    let server = Server::start(
        |address| match address {
            "gone@example.com" => "550 5.1.1 nobody of that name",
            _ => "250 fine",
        },
        |_| "250 kept",
    );
    let mut channel = server.channel();
    for _ in 0..2 {
        channel.deliver(&mail()).unwrap();
        assert_eq!(server.taken(), [["ops@example.com", "full@example.com"]]);
        let aside = channel.take_failures_aside();
        assert_eq!(aside.len(), 1);
        assert_eq!(aside[0].cause, Cause::Refused);
        assert!(aside[0].detail.starts_with("gone@example.com: "), "{aside:?}");
        assert!(aside[0].detail.contains("nobody of that name"), "{aside:?}");
    }
    assert_eq!(channel.late.len(), 0);
    assert_eq!(channel.refused.len(), 1);
}

#[test]
fn who_cannot_be_told_now_is_told_later_and_nobody_twice() {
    static IS_FULL: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);
    let server = Server::start(
        |address| match address {
            "full@example.com" if IS_FULL.load(std::sync::atomic::Ordering::Relaxed) => "452 4.2.2 the mailbox is full",
            _ => "250 fine",
        },
        |_| "250 kept",
    );
    let mut channel = server.channel();
    channel.deliver(&mail()).unwrap();
    channel.beat(&[]).unwrap();
    assert_eq!(server.taken(), [["ops@example.com", "gone@example.com"]]);
    assert_eq!(channel.take_failures_aside().len(), 2, "two attempts");
    assert_eq!(channel.late.len(), 1);
    IS_FULL.store(false, std::sync::atomic::Ordering::Relaxed);
    channel.beat(&[]).unwrap();
    channel.beat(&[]).unwrap();
    assert_eq!(server.taken(), [["full@example.com"]]);
    assert!(channel.late.len() == 0 && channel.refused.is_empty());
}

#[test]
fn a_mail_that_is_refused_to_all_together_is_tried_for_each_alone() {
    let server = Server::start(
        |_| "250 fine",
        |to| {
            if to.contains("gone") {
                "550 not with that one"
            } else {
                "250 kept"
            }
        },
    );
    let mut channel = server.channel();
    channel.deliver(&mail()).unwrap();
    assert_eq!(server.taken(), [["ops@example.com"], ["full@example.com"]]);
    assert_eq!(channel.take_failures_aside().len(), 1);
}

#[test]
fn a_mail_waits_while_nobody_is_taken_and_is_given_up_when_it_is_refused_itself() {
    let nobody = Server::start(|_| "554 5.7.1 relay access denied", |_| "250 kept");
    let failure = nobody.channel().deliver(&mail()).unwrap_err();
    assert_eq!((failure.cause, failure.retry), (Cause::Refused, Retry::Soon));
    let not_that = Server::start(|_| "250 fine", |_| "554 5.6.0 not that");
    let failure = not_that.channel().deliver(&mail()).unwrap_err();
    assert_eq!((failure.cause, failure.retry), (Cause::Refused, Retry::Never));
    assert!(nobody.taken().is_empty() && not_that.taken().is_empty());
}
