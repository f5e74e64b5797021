//! Templates say what they should, and no name says anything else in them.

use super::*;
use crate::notify::{Status, message::tests::message};

fn told(status: Status, series: &str) -> Vec<Arc<Message>> {
    vec![Arc::new(message(status, series))]
}

#[track_caller]
fn says(source: &str, format: Format, series: &str, expected: &str) {
    let template = Template::checked(source, format, &Values::default(), 1).unwrap();
    let said = template.render(&told(Status::Firing, series), &Revealed::default());
    assert_eq!(said.unwrap(), expected, "{source}");
}

/// `source` has «» around what is wrong.
#[track_caller]
fn is_wrong(source: &str, format: Format, why: &str) {
    let (begin, end) = (source.find('«').unwrap(), source.find('»').unwrap() - '«'.len_utf8());
    let source = source.replace(['«', '»'], "");
    let mistake = Template::checked(&source, format, &Values::default(), 8).unwrap_err();
    assert!(mistake.message.contains(why), "{}", mistake.message);
    assert_eq!(
        mistake.at,
        begin..end,
        "{}: {}",
        mistake.message,
        &source[mistake.at.clone()]
    );
}

#[test]
fn a_template_says_what_messages_hold() {
    says(
        "{{ nodes[1] }}: {{ value | number }}, {{ opened_at | time }}, {{ tags.dc }}{{ closed_at }}",
        Format::Text,
        "servers.web1.load;dc=eu;x=y=z",
        "web1: 93.5, 2023-11-14T22:13:20Z, eu",
    );
    // Names differ in length and in tags: what is missing is empty.
    says(
        "{{ nodes | join('/') }}|{{ nodes[7] }}|{{ nodes[-1] }}|{{ tags.dc }}",
        Format::Text,
        "a.b",
        "a/b||b|",
    );
    says(
        "{{ series | cut(5) }} {{ series | cut(7) }} {{ lasted | duration }}",
        Format::Text,
        "größer1",
        "größ… größer1 0s",
    );
    says(
        "{% for m in messages %}{{ m.status }} {{ m.severity | upper }}{% endfor %}",
        Format::Text,
        "a",
        "firing WARNING",
    );
}

#[test]
fn no_value_breaks_out_of_json() {
    let hostile = "a\"}],{{x}}\\u0022\\.</script>";
    let expected = serde_json::to_string(hostile).unwrap();
    says(
        r#"{"name": "{{ series }}"}"#,
        Format::Json,
        hostile,
        &format!(r#"{{"name": {expected}}}"#),
    );
    says(
        r#"{"name": {{ series | tojson }}}"#,
        Format::Json,
        hostile,
        &format!(r#"{{"name": {expected}}}"#),
    );
    // What a macro has put together is a text as any other.
    says(
        r#"{% macro both(a) %}<{{ a }}>{% endmacro %}["{{ both(series) }}", {{ value }}, {{ closed_at }}, {{ test }}]"#,
        Format::Json,
        "\"",
        r#"["<\"">", 93.5, null, false]"#.replace(r#"<\"">"#, r#"<\">"#).as_str(),
    );
    // In a text that is JSON already it is one level deeper.
    says(
        r#"["{{ tags | tojson }}"]"#,
        Format::Json,
        "a;b=\"c",
        r#"["{\"b\":\"\\\"c\"}"]"#,
    );
    // Out of quotes a name that looks like a value would be taken for one.
    is_wrong(r#"{"name": {{ «series» }}}"#, Format::Json, "outside of quotes");
    is_wrong(
        r#"{% macro one(a) %}{"a": "{{ a }}"}{% endmacro %}[{{ «one(series)» }}]"#,
        Format::Json,
        "outside of quotes",
    );
    is_wrong(r#"["\{{ «series» }}"]"#, Format::Json, "backslash");
}

#[test]
fn mistakes_have_a_place() {
    is_wrong("x\n{{ «serise» }}", Format::Text, "there is no `serise`");
    is_wrong("{{ «group.place» }}", Format::Text, "there is no `group.place`");
    is_wrong("{{ «group\n .place» }}", Format::Text, "there is no `group .place`");
    is_wrong(
        "{% if severity %}{{ «messages[0].nope» }}{% endif %}",
        Format::Text,
        "there is no",
    );
    is_wrong("{{ series | «shout» }}", Format::Text, "filter shout is unknown");
    is_wrong(
        "[{% for m in messages %}\n{{ «m.value» }} {% endfor %}]",
        Format::Json,
        "no JSON",
    );
    is_wrong("{\"a\": 1«]»", Format::Json, "no JSON");
    let endless = "{% for a in range(1000) %}{% for b in range(1000) %}{{ «b» }}{% endfor %}{% endfor %}";
    let source = endless.replace(['«', '»'], "");
    let mistake = Template::checked(&source, Format::Text, &Values::default(), 1).unwrap_err();
    assert!(mistake.message.contains("too long"), "{}", mistake.message);
    for broken in ["{{ series", "{% if %}", "{% for m in messages %}", "{{ 'x }}"] {
        let mistake = Template::new(broken, Format::Text).unwrap_err();
        assert!(
            mistake.at.end <= broken.len() && !mistake.message.is_empty(),
            "{broken}: {mistake:?}"
        );
    }
}

#[test]
fn templates_read_nothing_else_and_show_no_secret() {
    Template::checked("{% include '/etc/passwd' %}", Format::Text, &Values::default(), 1).unwrap_err();
    let values = Values {
        values: [("team".to_owned(), "ops".to_owned())].into(),
        secrets: [("token".to_owned(), Secret::Text("s3cret".to_owned()))].into(),
    };
    let source = "{{ secrets.token }} {{ values.team }}{% if status == 'resolved' %}{{ secrets.token + 1 }}{% endif %}";
    let template = Template::new(source, Format::Text).unwrap();
    let given = values.reveal().unwrap();
    assert_eq!(
        template.render(&told(Status::Firing, "a"), &given).unwrap(),
        "s3cret ops"
    );
    let mistake = template.render(&told(Status::Resolved, "a"), &given).unwrap_err();
    assert!(
        !format!("{mistake} {mistake:?} {given:?}").contains("s3cret"),
        "{mistake}"
    );
    assert_eq!(given.secrets(), ["s3cret"]);
}
