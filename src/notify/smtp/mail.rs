//! A mail: its headers, its text, its HTML, and its pictures.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use lettre::message::{
    Attachment, Message as Mail, MultiPart, SinglePart,
    header::{ContentType, HeaderName, HeaderValue},
};

use super::Settings;
use crate::{
    detect::Severity,
    notify::{Cause, Failure, Message, channel::Window, message::fingerprint, template::Revealed},
    plot::{Mark, Plot, Track, number, time, zone_name},
    report::{cut, markup, plain},
};

/// Anomalies that are told of by one mail, and plots in it.
const ANOMALIES_MAX: usize = 50;
const PLOTS_MAX: usize = 4;

/// Characters of a subject, and of a reason.
const SUBJECT_CHARS: usize = 200;
const REASON_CHARS: usize = 1000;

/// Mails that one refers to.
const REFERENCES_MAX: usize = 20;

/// Pixels of a plot.
const SIZE: (u16, u16) = (720, 220);

/// A picture of a series.
struct Picture {
    /// Place of its message.
    place: usize,
    png: Vec<u8>,
}

/// The mail that tells `messages`, of which there is one at least.
pub(super) fn compose(
    settings: &Settings,
    messages: &[Arc<Message>],
    window: Option<&Window>,
) -> Result<Mail, Failure> {
    let unsaid = |what: &dyn fmt::Display| Failure::lasting(Cause::Local, format!("no mail can be made: {what}"));
    let subject = settings
        .subject
        .render(messages, &Revealed::default())
        .map_err(|mistake| unsaid(&mistake))?;
    let domain = settings.from.email.domain();
    let (id, references) = thread(messages, domain);
    let mut mail = Mail::builder()
        .from(settings.from.clone())
        .date_now()
        .subject(cut(&plain(subject.trim()), SUBJECT_CHARS))
        .message_id(Some(id))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    if let Some(last) = references.last() {
        mail = mail.in_reply_to(last.clone()).references(references.join(" "));
    }
    for to in &settings.to {
        mail = mail.to(to.clone());
    }
    let pictures = pictures(settings, messages, window);
    let (text, html) = (text(settings, messages), html(settings, messages, &pictures));
    let mut related = MultiPart::related().singlepart(SinglePart::html(html));
    for Picture { place, png } in pictures {
        let png_type = ContentType::parse("image/png").map_err(|error| unsaid(&error))?;
        related = related.singlepart(Attachment::new_inline(format!("plot{place}")).body(png, png_type));
    }
    let body = MultiPart::alternative()
        .singlepart(SinglePart::plain(text))
        .multipart(related);
    mail.multipart(body).map_err(|error| unsaid(&error))
}

/// What a mail is known by, and the mails that it belongs to. The first mail on an anomaly without a group is the root of a
/// thread; all others refer to that root for each anomaly, and to one for the group. There need not be such a mail: programs
/// that show threads put together what refers to the same.
fn thread(messages: &[Arc<Message>], domain: &str) -> (String, Vec<String>) {
    let of_anomaly = |message: &Message| format!("<anomaly.{}@{domain}>", message.fingerprint);
    if let [message] = messages
        && message.group.is_none()
        && message.status == crate::notify::Status::Firing
    {
        return (of_anomaly(message), Vec::new());
    }
    let mut references: Vec<String> = Vec::new();
    if let Some(group) = messages[0].group.as_ref() {
        references.push(format!("<group.{}.{}@{domain}>", group.since, group.id));
    }
    for message in messages {
        let root = of_anomaly(message);
        if !references.contains(&root) && references.len() < REFERENCES_MAX {
            references.push(root);
        }
    }
    // The same for the same messages: should a mail go out twice, it is known as one.
    let mut all = String::new();
    for message in messages {
        let told = (message.status.name(), message.timestamp);
        write!(all, "{} {} {} ", message.fingerprint, told.0, told.1).expect("a String takes it");
    }
    let id = format!("<{}.{}@{domain}>", fingerprint(&all, "", 0), messages[0].timestamp);
    (id, references)
}

/// Plots of the first series.
fn pictures(settings: &Settings, messages: &[Arc<Message>], window: Option<&Window>) -> Vec<Picture> {
    let (Some(plot_s), Some(window)) = (settings.plot_s, window) else {
        return Vec::new();
    };
    let mut pictures: Vec<Picture> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let is_drawn = |picture: &Picture| messages[picture.place].series == message.series;
        if pictures.len() == PLOTS_MAX {
            break;
        }
        if message.summary.is_some() || pictures.iter().any(is_drawn) {
            continue;
        }
        if let Some(png) = picture(settings, message, plot_s, window) {
            pictures.push(Picture { place, png });
        }
    }
    pictures
}

fn picture(settings: &Settings, message: &Message, plot_s: i64, window: &Window) -> Option<Vec<u8>> {
    let samples = window(&message.series);
    let until = samples.last()?.timestamp;
    let from = until.saturating_sub(plot_s);
    let opened = samples.iter().find(|sample| sample.timestamp == message.opened_at);
    let mark = Mark {
        from: message.opened_at,
        until: message.closed_at,
        value: opened.map_or(message.value, |sample| sample.value),
        severity: message.severity.unwrap_or(Severity::Warning),
        text: String::new(),
    };
    let track: Track = samples.iter().copied().collect();
    let plot = Plot {
        title: &message.series,
        columns: track.columns(),
        marks: &[mark],
        from,
        until: until.max(from + 1),
        zone: &settings.timezone,
        size: SIZE,
    };
    Some(plot.png())
}

/// What is said of a message: a name for each, and its text.
fn facts(settings: &Settings, message: &Message) -> Vec<(&'static str, String)> {
    let when = |timestamp| {
        format!(
            "{} {}",
            time(timestamp, &settings.timezone),
            zone_name(&settings.timezone)
        )
    };
    let mut facts = vec![("Series", plain(&message.series))];
    if let Some(summary) = &message.summary {
        facts.push(("Among them", plain(&summary.series.join(", "))));
    } else {
        facts.push(("Detector", plain(&message.detector)));
        facts.push(("Since", when(message.opened_at)));
        if let Some(closed_at) = message.closed_at {
            facts.push(("Until", when(closed_at)));
        }
        facts.push(("Value", number(message.value)));
        if let Some(expected) = message.expected {
            facts.push(("Expected", number(expected)));
        }
        let usual = match (message.lower, message.upper) {
            (Some(lower), Some(upper)) => Some(format!("{} to {}", number(lower), number(upper))),
            (Some(lower), None) => Some(format!("{} or more", number(lower))),
            (None, Some(upper)) => Some(format!("{} or less", number(upper))),
            (None, None) => None,
        };
        facts.extend(usual.map(|usual| ("Usual", usual)));
        facts.extend(
            message
                .severity
                .map(|severity| ("Severity", severity.name().to_owned())),
        );
    }
    if let Some(group) = &message.group {
        let members = group.members;
        facts.push(("Group", format!("{members} series in {}", plain(&group.place))));
    }
    facts.push(("Why", cut(&plain(&message.reason), REASON_CHARS)));
    if let Some(said) = &message.acknowledged {
        let reason = match said.reason.trim() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        facts.push(("Seen by", plain(&format!("{}{reason}", said.author))));
    }
    facts
}

fn links(message: &Message) -> impl Iterator<Item = (&'static str, &str)> {
    let links = [
        ("Page", message.links.page.as_deref()),
        ("Graph", message.links.graph.as_deref()),
    ];
    links.into_iter().filter_map(|(name, link)| Some((name, link?)))
}

fn text(settings: &Settings, messages: &[Arc<Message>]) -> String {
    let mut text = String::new();
    for message in messages.iter().take(ANOMALIES_MAX) {
        let _ = writeln!(text, "{}\n", plain(&message.headline()));
        for (name, fact) in facts(settings, message) {
            let _ = writeln!(text, "{name}: {fact}");
        }
        for (name, link) in links(message) {
            let _ = writeln!(text, "{name}: {}", plain(link));
        }
        text.push('\n');
    }
    if messages.len() > ANOMALIES_MAX {
        let _ = writeln!(text, "And {} more.", messages.len() - ANOMALIES_MAX);
    }
    text
}

fn html(settings: &Settings, messages: &[Arc<Message>], pictures: &[Picture]) -> String {
    let mut html = String::from("<!DOCTYPE html>\n<html><body style=\"font: 15px/1.4 sans-serif\">\n");
    for (place, message) in messages.iter().take(ANOMALIES_MAX).enumerate() {
        let _ = writeln!(
            html,
            "<h2 style=\"font-size: 17px; margin: 24px 0 8px\">{}</h2>",
            markup(&message.headline())
        );
        if pictures.iter().any(|picture| picture.place == place) {
            let _ = writeln!(
                html,
                "<img src=\"cid:plot{place}\" width=\"{}\" height=\"{}\" alt=\"{}\" style=\"max-width: 100%; height: auto\">",
                SIZE.0,
                SIZE.1,
                markup(&message.series)
            );
        }
        html.push_str("<table style=\"font-size: 14px; text-align: left\">\n");
        for (name, fact) in facts(settings, message) {
            let _ = writeln!(
                html,
                "<tr><th style=\"padding-right: 12px; vertical-align: top\">{name}</th><td>{}</td></tr>",
                markup(&fact)
            );
        }
        html.push_str("</table>\n");
        for (name, link) in links(message) {
            let _ = writeln!(html, "<p><a href=\"{}\">{name}</a></p>", markup(link));
        }
    }
    if messages.len() > ANOMALIES_MAX {
        let _ = writeln!(html, "<p>And {} more.</p>", messages.len() - ANOMALIES_MAX);
    }
    html.push_str("</body></html>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        notify::{
            Status,
            message::tests::message,
            smtp::{SUBJECT, Security},
            template::{Format, Template},
        },
        plot::Sample,
    };

    fn settings() -> Settings {
        Settings {
            host: "localhost".to_owned(),
            port: 25,
            security: Security::None,
            ca_file: None,
            tls_verify: true,
            login: None,
            from: "Relay <relay@example.com>".parse().unwrap(),
            to: vec!["ops@example.com".parse().unwrap()],
            subject: Template::new(SUBJECT, Format::Text).unwrap(),
            plot_s: Some(3600),
            timezone: jiff::tz::TimeZone::UTC,
            timeout: std::time::Duration::from_secs(1),
        }
    }

    fn alone(status: Status, series: &str) -> Arc<Message> {
        Arc::new(Message {
            group: None,
            ..message(status, series)
        })
    }

    #[track_caller]
    fn mail(messages: &[Arc<Message>], window: Option<&Window>) -> String {
        String::from_utf8(compose(&settings(), messages, window).unwrap().formatted()).unwrap()
    }

    /// The values of the headers called so, unfolded.
    fn header<'a>(mail: &'a str, name: &str) -> Vec<&'a str> {
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with(' '));
        lines
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .collect()
    }

    #[test]
    fn first_further_and_last_words_are_one_thread() {
        let first = mail(&[alone(Status::Firing, "a.b")], None);
        let root = header(&first, "Message-ID");
        assert!(
            root[0].starts_with("<anomaly.") && root[0].ends_with("@example.com>"),
            "{root:?}"
        );
        assert!(header(&first, "References").is_empty());
        let again = mail(&[alone(Status::Again, "a.b")], None);
        let last = mail(&[alone(Status::Resolved, "a.b")], None);
        for later in [&again, &last] {
            assert_eq!(header(later, "References"), root);
            assert_eq!(header(later, "In-Reply-To"), root);
            assert_ne!(header(later, "Message-ID"), root);
        }
        assert_ne!(header(&again, "Message-ID"), header(&last, "Message-ID"));
        let twice = mail(&[alone(Status::Resolved, "a.b")], None);
        assert_eq!(
            header(&twice, "Message-ID"),
            header(&last, "Message-ID"),
            "the same mail once more"
        );
    }

    #[test]
    fn a_group_is_one_mail_that_belongs_to_all_its_anomalies() {
        let group = [
            Arc::new(message(Status::Firing, "a.b")),
            Arc::new(message(Status::Firing, "a.c")),
        ];
        let mail = mail(&group, None);
        let subject = header(&mail, "Subject");
        assert!(subject[0].starts_with("[firing] a.b is anomalous"), "{subject:?}");
        for message in &group {
            assert!(
                mail.contains(&format!("anomaly.{}@example.com", message.fingerprint)),
                "{mail}"
            );
        }
        assert!(mail.contains("group.1699999940.2@example.com"), "{mail}");
        assert!(mail.contains("and 1 more"), "{mail}");
    }

    #[test]
    fn who_has_seen_it_is_said() {
        let mut told = message(Status::Resolved, "a.b");
        let said = |told: &Message| mail(&[Arc::new(told.clone())], None);
        let text = said(&told);
        assert!(text.contains("Seen by: kim: being looked at\r\n"), "{text}");
        told.acknowledged.as_mut().unwrap().reason.clear();
        assert!(said(&told).contains("Seen by: kim\r\n"));
        told.acknowledged = None;
        assert!(!said(&told).contains("Seen by"));
    }

    #[test]
    fn no_name_adds_a_header_or_a_tag() {
        let hostile = "a\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script>\u{202e}.load";
        let told = Message {
            reason: format!("{hostile} <img src=x>"),
            ..message(Status::Firing, hostile)
        };
        let mail = mail(&[Arc::new(told)], None);
        assert!(header(&mail, "Bcc").is_empty(), "{mail}");
        assert_eq!(header(&mail, "Subject").len(), 1);
        let (_, html) = mail.split_once("text/html").unwrap();
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        assert!(html.contains("&lt;script"), "{html}");
    }

    #[test]
    fn a_plot_comes_with_the_mail_when_there_are_samples() {
        let window: Window = Arc::new(|series| {
            let known = if series == "a.b" { 120 } else { 0 };
            let point = |number: i64| Sample {
                timestamp: 1_700_000_000 - 60 * (known - 1) + 60 * number,
                value: 12.0,
                ..Sample::default()
            };
            (0..known).map(point).collect()
        });
        let messages = ["a.b", "a.b", "unknown"].map(|series| alone(Status::Firing, series));
        let mail = mail(&messages, Some(&window));
        assert_eq!(mail.matches("Content-Type: image/png").count(), 1, "{mail}");
        assert!(mail.contains("Content-ID: <plot0>"), "{mail}");
        assert_eq!(mail.matches("cid:plot").count(), 1);
        assert!(mail.contains("iVBOR"), "a PNG in base64");
    }

    #[test]
    fn a_mail_is_bounded() {
        let many: Vec<_> = (0..500)
            .map(|number| {
                let mut message = message(Status::Firing, &format!("a.{number}"));
                message.reason = "x".repeat(100_000);
                Arc::new(message)
            })
            .collect();
        let mail = mail(&many, None);
        assert!(mail.len() < 400_000, "{}", mail.len());
        assert!(mail.contains("And 450 more"), "{mail}");
    }
}
