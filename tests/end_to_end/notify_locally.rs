//! People are told by mail, by Nagios, by a program and by a collector of logs: the real ones are asked what they got.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    certificates::Authority,
    nagios::Nagios,
    skyrelay::{Skyrelay, TOO_MUCH},
    smtp_sink::{PASSWORD, Part, SmtpSink, USER},
    unix_now, wait_for,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
};
use tiny_skia::{Pixmap, PremultipliedColorU8};

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
        let relay = Skyrelay::telling(&format!(
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

/// Colours of a plot, as far as they can be told apart where several lie above each other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ink {
    Samples,
    Band,
    Anomaly,
    Other,
}

/// The places in a picture that have this colour: column and row.
fn places_of(picture: &Pixmap, ink: Ink) -> Vec<(u32, u32)> {
    let width = picture.width();
    let ink_of = |pixel: &PremultipliedColorU8| match [pixel.red(), pixel.green(), pixel.blue()].map(i32::from) {
        [red, green, blue] if blue > red + 60 && blue > green + 30 => Ink::Samples,
        [red, green, blue] if green > red + 20 && green > blue + 10 => Ink::Band,
        [red, green, blue] if red > green + 20 && red > blue + 20 => Ink::Anomaly,
        _ => Ink::Other,
    };
    let places = (0..).map(|place| (place % width, place / width));
    let seen = places.zip(picture.pixels());
    seen.filter(|(_, pixel)| ink_of(pixel) == ink)
        .map(|(place, _)| place)
        .collect()
}

#[test]
fn a_mail_of_a_running_relay_shows_the_series_and_its_band() {
    let sink = SmtpSink::start(None);
    let relay = Skyrelay::start(
        &[],
        &format!(
            "[detector.default]\nkind = \"threshold\"\noutside = [20, 80]\nseverity = \"critical\"\n[notify.mail]\n\
             kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"relay@example.com\"\n\
             to = [\"ops@example.com\"]\nplot = \"1h\"\n",
            sink.port
        ),
    );
    // An hour that goes up and down within the band, and ends far above it.
    let now = unix_now();
    let sample = |minute: u64| {
        format!(
            "shop.sales {} {}\n",
            40 + 20 * (minute / 5 % 2),
            now - 60 * (60 - minute)
        )
    };
    let hour: String = (0..=60).map(sample).collect();
    let lines = format!("{hour}shop.sales 140 {}\n", now + 1);
    relay.connect().write_all(lines.as_bytes()).unwrap();
    let mails = wait_for_mails(&sink, &relay, 1);
    let mail = Part::of(&mails[0]);
    assert_eq!(mail.defects, Vec::<String>::new());
    let [plain, related] = &*mail.parts else {
        panic!("{mail:?}")
    };
    assert_eq!((&*mail.kind, &*plain.kind), ("multipart/alternative", "text/plain"));
    let text = plain.text();
    assert!(text.contains("shop.sales is anomalous: 140"), "{text}");
    assert!(text.contains("Usual: 20 to 80"), "{text}");
    let [html, picture] = &*related.parts else {
        panic!("{related:?}")
    };
    assert_eq!((&*related.kind, &*html.kind), ("multipart/related", "text/html"));
    assert_eq!(
        (&*picture.kind, picture.disposition.as_deref()),
        ("image/png", Some("inline"))
    );
    let id = picture.id.as_deref().unwrap().trim_matches(['<', '>']);
    let html = html.text();
    assert_eq!(html.matches("<img ").count(), 1, "{html}");
    assert!(html.contains(&format!("<img src=\"cid:{id}\"")), "{id} in {html}");
    assert!(html.contains("width=\"720\" height=\"220\""), "{html}");

    let picture = Pixmap::decode_png(&picture.bytes()).unwrap();
    assert_eq!((picture.width(), picture.height()), (1440, 440), "twice as many pixels");
    if let Some(folder) = std::env::var_os("SKYRELAY_PICTURES") {
        fs::write(
            std::path::Path::new(&folder).join("mail.png"),
            picture.encode_png().unwrap(),
        )
        .unwrap();
    }
    let [samples, band, anomaly] = [Ink::Samples, Ink::Band, Ink::Anomaly].map(|ink| places_of(&picture, ink));
    let columns = |places: &[(u32, u32)]| places.iter().map(|(column, _)| *column).collect::<BTreeSet<_>>();
    let rows = |places: &[(u32, u32)]| {
        let rows = || places.iter().map(|(_, row)| *row);
        (rows().min().unwrap(), rows().max().unwrap())
    };
    // The line goes from one side to the other, and at last up and out of the band, which has the height of 60 of 100.
    assert!(columns(&samples).len() > 1200, "{}", columns(&samples).len());
    assert!(columns(&band).len() > 1200, "{}", columns(&band).len());
    let (top, bottom) = rows(&band);
    let height = f64::from(bottom - top);
    let (peak, lowest) = rows(&samples);
    assert!(
        peak < top && lowest < bottom,
        "{peak} to {lowest}, band {top} to {bottom}"
    );
    let per_row = f64::from(lowest - peak) / (140.0 - 40.0);
    assert!(
        (height / per_row - 60.0).abs() < 4.0,
        "the band is {} high",
        height / per_row
    );
    let above: Vec<_> = samples.iter().copied().filter(|(_, row)| *row < top).collect();
    assert!(above.iter().all(|(column, _)| *column > 1300), "{above:?}");
    assert!(!anomaly.is_empty() && anomaly.iter().all(|(column, _)| *column > 1300));
}

#[test]
fn a_mail_server_that_nobody_vouches_for_gets_nothing() {
    let authority = Authority::new();
    let certificate = authority.issue("mail");
    let sink = SmtpSink::start(Some(("starttls", &certificate)));
    let relay = Skyrelay::telling(&format!(
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
    let relay = Skyrelay::telling(&format!(
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
