//! People are told by mail, by Nagios, by a program and by a collector of logs: the real ones are asked what they got.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    certificates::Authority,
    nagios::Nagios,
    skyrelay::Skyrelay,
    smtp_sink::{PASSWORD, SmtpSink, USER},
    unix_now, wait_for,
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
};

/// More than 90 is an anomaly, and 90 or less is the end of it.
const TOO_MUCH: &str = "
[detector.default]
kind = \"threshold\"
above = 90
severity = \"critical\"
";

/// A relay with `channel` as the one channel.
#[track_caller]
fn relay_with(channel: &str) -> Skyrelay {
    Skyrelay::start(&[], &format!("{TOO_MUCH}\n[notify.told]\n{channel}"))
}

/// An anomaly of `series` that begins, and ends when `ended` has come true.
#[track_caller]
fn rise_and_fall(relay: &Skyrelay, series: &str, mut risen: impl FnMut()) {
    let now = unix_now();
    let send = |value: u32, at: u64| {
        let line = format!("{series} {value} {at}\n");
        relay.connect().write_all(line.as_bytes()).unwrap();
    };
    (0..10).for_each(|back| send(10 + u32::try_from(back % 3).unwrap(), now - 20 + back));
    send(95, now);
    risen();
    send(12, now + 1);
}

/// Waits for so many mails.
#[track_caller]
fn wait_for_mails(sink: &SmtpSink, relay: &Skyrelay, count: usize) -> Vec<String> {
    wait_for("mail", SOON, || {
        let mails = sink.mails();
        let log = || format!("{} mails: {}", mails.len(), relay.stderr().join("\n"));
        if mails.len() >= count {
            Ok(mails.clone())
        } else {
            Err(log())
        }
    })
}

/// The value of a header, unfolded.
fn header(mail: &str, name: &str) -> String {
    let unfolded = mail.replace("\r\n ", " ");
    let mut lines = unfolded.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_default().to_owned()
}

#[test]
fn mail_comes_over_tls_as_one_thread() {
    let authority = Authority::new();
    let certificate = authority.issue("mail");
    for mode in ["starttls", "implicit"] {
        let sink = SmtpSink::start(Some((mode, &certificate)));
        let relay = relay_with(&format!(
            "kind = \"smtp\"\nhost = \"localhost\"\nport = {}\ntls = \"{mode}\"\nca_file = {:?}\nuser = \"{USER}\"\n\
             password = \"{PASSWORD}\"\nfrom = \"relay@example.com\"\nto = [\"ops@example.com\"]\n",
            sink.port,
            authority.file(),
        ));
        rise_and_fall(&relay, "servers.web1.load", || drop(wait_for_mails(&sink, &relay, 1)));
        let mails = wait_for_mails(&sink, &relay, 2);
        assert!(
            header(&mails[0], "Subject").starts_with("[firing] servers.web1.load"),
            "{}",
            mails[0]
        );
        assert!(
            header(&mails[1], "Subject").starts_with("[resolved] servers.web1.load"),
            "{}",
            mails[1]
        );
        assert_eq!(header(&mails[1], "References"), header(&mails[0], "Message-ID"));
        assert!(
            mails[0].contains("text/plain") && mails[0].contains("text/html"),
            "{}",
            mails[0]
        );
    }
}

#[test]
fn a_mail_server_that_nobody_vouches_for_gets_nothing() {
    let authority = Authority::new();
    let certificate = authority.issue("mail");
    let sink = SmtpSink::start(Some(("starttls", &certificate)));
    let relay = relay_with(&format!(
        "kind = \"smtp\"\nhost = \"localhost\"\nport = {}\ntls = \"starttls\"\nuser = \"{USER}\"\npassword = \"{PASSWORD}\"\n\
         from = \"relay@example.com\"\nto = [\"ops@example.com\"]\n",
        sink.port
    ));
    rise_and_fall(&relay, "servers.web1.load", || {
        wait_for("complaint", SOON, || {
            let log = relay.stderr().join("\n");
            if log.contains("failure=tls") { Ok(()) } else { Err(log) }
        });
    });
    assert_eq!(sink.mails(), Vec::<String>::new());
    assert!(!relay.stderr().join("\n").contains(PASSWORD));
}

#[test]
fn nagios_knows_what_is_wrong_and_when_it_is_over() {
    let nagios = Nagios::start();
    let relay = relay_with(&format!(
        "kind = \"nagios\"\ncommand_file = {:?}\nhost = \"{{{{ nodes[1] }}}}\"\nservice = \"{{{{ nodes[2] }}}}\"\n",
        nagios.command_file()
    ));
    let state = |wanted: &str, output: &str| {
        wait_for("state of the service", SOON, || {
            let service = nagios.service()?;
            let (state, said) = (&service["current_state"], &service["plugin_output"]);
            if state == wanted && said.contains(output) {
                return Ok(());
            }
            Err(format!(
                "{state}: {said}\n{}\n{}",
                nagios.log(),
                relay.stderr().join("\n")
            ))
        });
    };
    // A name that would like to be more fields; Nagios itself shows its semicolons as colons.
    let hostile = "servers.web1.load;0;fine|a=1\\n[0]";
    rise_and_fall(&relay, "servers.web1.load", || {
        state("2", "servers.web1.load is anomalous: 95");
    });
    state("0", "is well again");
    rise_and_fall(&relay, hostile, || state("2", "load:0:fine_a=1_n[0] is anomalous"));
    state("0", "load:0:fine_a=1_n[0] is well again");
}

#[test]
fn a_program_and_a_collector_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Skyrelay::start(
        &[],
        &format!(
            "{TOO_MUCH}\n[notify.program]\nkind = \"exec\"\ncommand = [\"sh\", \"-c\", \"cat >> {}\"]\n\
             [notify.collector]\nkind = \"json-lines\"\ntcp = \"{}\"\n",
            told.display(),
            collector.local_addr().unwrap()
        ),
    );
    let events = |text: &str| -> Vec<String> {
        let event = |line: &str| {
            serde_json::from_str::<Value>(line).unwrap()["event"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        text.lines().map(event).collect()
    };
    let told = |count: usize| {
        wait_for("what the program was told", SOON, || {
            let text = fs::read_to_string(&told).unwrap_or_default();
            let lines = text.lines().count();
            if text.ends_with('\n') && lines == count {
                Ok(events(&text))
            } else {
                Err(format!("{text}\n{}", relay.stderr().join("\n")))
            }
        })
    };
    rise_and_fall(&relay, "servers.web1.load", || assert_eq!(told(1), ["open"]));
    assert_eq!(told(2), ["open", "close"]);
    let mut reader = BufReader::new(collector.accept().unwrap().0);
    let mut text = String::new();
    while text.lines().count() < 2 {
        reader.read_line(&mut text).unwrap();
    }
    assert_eq!(events(&text), ["open", "close"]);
}
