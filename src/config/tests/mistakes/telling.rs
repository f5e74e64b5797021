//! Mistakes in `[notify.*]`, `[[alert]]` and in what leads to either.

use super::*;

#[test]
fn mail_that_cannot_be() {
    let mail = |rest: &str| format!("[notify.mail]\nkind = \"smtp\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\n{rest}");
    says(
        &mail(""),
        "f.toml:1:1: notify.mail has no host, expected the name of a mail server, such as \"mail.example.com\"",
    );
    says(
        &mail("host = \"mail.example.com\"\ntls = \"none\"\nuser = \"a\"\npassword = \"b\""),
        "f.toml:6:7: notify.mail would send a password that others can read, expected tls = \"starttls\" or \"implicit\"",
    );
    says(
        &mail("host = \"localhost\"\ntls_verify = false"),
        "f.toml:6:14: notify.mail.tls_verify is of TLS, and tls is \"none\"",
    );
    says(
        "[notify.mail]\nkind = \"smtp\"\nhost = \"localhost\"\nfrom = \"a@b.c\"\nto = [\"x\"]",
        "f.toml:5:7: notify.mail.to has `x`, expected an address, such as \"ops@example.com\" or \"Ops <ops@example.com>\"",
    );
}

#[test]
fn nagios_that_cannot_be() {
    says(
        "[notify.n]\nkind = \"nagios\"\ncommand_file = \"/x\"",
        "f.toml:1:1: notify.n has no host, expected the name of a host, such as \"{{ nodes[1] }}\"",
    );
}

#[test]
fn channels_over_http_that_cannot_be() {
    let channel = |rest: &str| format!("[notify.x]\nkind = {rest}");
    says(
        &channel("\"webhook\""),
        "f.toml:1:1: notify.x has no url, expected url, url_file or url_env, as the whole of it may be a secret",
    );
    // What may be a secret is not repeated.
    says(
        &channel("\"webhook\"\nurl = \"example.com/s3cret\""),
        "f.toml:3:7: notify.x.url is no URL, expected one such as \"https://example.com/hook\"",
    );
    says(
        &channel(
            "\"webhook\"\nurl = \"http://a\"\nbody = '@@\n{\"a\":\n {{ serise }}}'@@"
                .replace('@', "'")
                .as_str(),
        ),
        "f.toml:6:5: notify.x.body: there is no `serise`\n 6 |  {{ serise }}}'@@\n   |     ^^^^^^"
            .replace('@', "'")
            .as_str(),
    );
    says(
        &channel("\"webhook\"\nurl = \"http://a\"\nbody = '{\"a\": {{ series }}}'"),
        "f.toml:4:18: notify.x.body: this text is outside of quotes, expected it within, or `| tojson` behind it\n \
         4 | body = '{\"a\": {{ series }}}'\n   |                  ^^^^^^",
    );
    says(
        &channel("\"webhook\"\nurl = \"http://a\"\npreset = \"pagerduty\""),
        "f.toml:4:10: notify.x has no secrets.routing_key, which its preset needs",
    );
    says(
        &channel("\"webhook\"\nurl = \"http://a\"\npreset = \"slak\""),
        "f.toml:4:10: notify.x.preset is `slak`, expected `slack`, `pagerduty` or `ntfy`; did you mean `slack`?",
    );
    says(
        &channel("\"webhook\"\nurl = \"http://a\"\nheaders = { Host = \"b\" }"),
        "f.toml:4:13: notify.x.headers has `Host`, which is made from what is sent, expected it to be left out",
    );
    says(
        &channel("\"alertmanager\"\nurls = [\"http://u:p@a\"]"),
        "f.toml:3:9: notify.x.urls has one that holds a user, expected `user` and `password_file` for that",
    );
    says(
        &channel("\"alertmanager\"\nurls = [\"http://a\"]\nlabels = { a-b = \"c\" }"),
        "f.toml:4:12: notify.x.labels has `a-b`, which is no name, expected letters, digits and underscores",
    );
    let icinga = "\"icinga2\"\nurl = \"https://a:5665\"\nuser = \"u\"\npassword_env = \"P\"\n";
    says(
        &channel(&format!("{icinga}service = \"x\"")),
        "f.toml:1:1: notify.x has no host, expected `host` and `service`, or a `filter`",
    );
    says(
        &channel(&format!("{icinga}filter = 'host.name == \"{{{{ series }}}}\"'")),
        "f.toml:6:10: notify.x.filter is no template, as a name in it could be any expression, expected variables, from \
         filter_vars",
    );
    says(
        &channel("\"icinga2\"\nurl = \"https://a:5665\"\nhost = \"x\""),
        "f.toml:1:1: notify.x has no user, which Icinga asks for",
    );
    says(
        &channel("\"graphite-events\"\nurl = \"http://a?b=c\""),
        "f.toml:3:7: notify.x.url has a query, expected the URL of the server alone",
    );
}

#[test]
fn routes_that_lead_nowhere() {
    let everything = "expected match = [\"**\"] for everything";
    say_all(
        "[[watch]]\ndetectors = []\n[[alert]]\nmatch = []",
        &[
            &format!("f.toml:1:1: this [[watch]] has nothing to match, {everything}"),
            &format!("f.toml:4:9: this [[alert]] has nothing to match, {everything}"),
        ],
    );
    says(
        "[[watch]]\nmatch = [\"a.{b\", \"ok\"]",
        "f.toml:2:10: watch.match has `a.{b`, which is no pattern: `{` is opened but not closed",
    );
    say_all(
        "[[watch]]\nmatch = [\"a\"]\ndetectors = [\"defualt\", \"else\", \"default\", \"default\"]",
        &[
            "f.toml:3:14: watch.detectors names `defualt`, which does not exist; did you mean `default`?",
            "f.toml:3:25: watch.detectors names `else`, which does not exist; declare it as [detector.else]",
            "f.toml:3:44: watch.detectors has `default` twice, first at f.toml:3:33",
        ],
    );
    says(
        "[[watch]]\nmatch = [\"a\", \"**\"]\n[[watch]]\nmatch = [\"b\"]",
        "f.toml:3:1: no series gets here: the first match wins, and the one at f.toml:1:1 matches everything",
    );
    says(
        "[[alert]]\nmatch = [\"**\"]\nto = [\"stdout\", \"ops\"]\ndetectors = [\"default\"]\n[[alert]]\nmatch = [\"**\"]",
        "f.toml:3:17: alert.to names `ops`, which does not exist; declare it as [notify.ops]",
    );
    let two = "[detector.a]\nkind = \"skyline\"\n[detector.b]\nkind = \"skyline\"\n";
    let several = "several detectors are declared, and none of them is called `default`";
    says(
        two,
        &format!("f.toml:1:1: {several}: say in a [[watch]] which of them judges what"),
    );
    says(
        &format!("{two}[[watch]]\nmatch = [\"**\"]"),
        &format!("f.toml:5:1: {several}: say which of them in `detectors`"),
    );
    let channel = |name: &str| format!("[notify.{name}]\nkind = \"json-lines\"\npath = \"f\"\n");
    says(
        &(channel("a") + &channel("b")),
        "f.toml:6:8: notify has `path = \"f\"` twice, first at f.toml:3:8",
    );
    says(
        "[notify.a]\nkind = \"json-lines\"",
        "f.toml:1:1: notify.a has no path, expected path = \"stdout\" or that of a file, or tcp = \"HOST:PORT\"",
    );
    says(
        "[notify.a]\nkind = \"json-lines\"\npath = \"stdout\"\ntcp = \"logs:1\"",
        "f.toml:4:7: notify.a.tcp has a path as well, expected one of the two",
    );
    says(
        "[notify.a]\nkind = \"json-lines\"\ntcp = \"logs\"",
        "f.toml:3:7: notify.a.tcp is `logs`, expected a host and port, such as \"logs.example.com:5000\"",
    );
    says(
        "[notify.a]\nkind = \"json-lines\"\npath = \"a\"\ntimeout = \"1s\"",
        "f.toml:4:11: notify.a.timeout is of tcp, which is not given",
    );
    let command = "expected the program and its arguments, such as [\"/usr/local/bin/tell\", \"--urgent\"]";
    says(
        "[notify.a]\nkind = \"exec\"",
        &format!("f.toml:1:1: notify.a has no command, {command}"),
    );
    says(
        "[notify.a]\nkind = \"exec\"\ncommand = \"tell me\"",
        &format!("f.toml:3:11: notify.a.command is `tell me`, {command}"),
    );
    says(
        "[notify.a]\nkind = \"exec\"\ncommand = []",
        &format!("f.toml:3:11: notify.a.command names no program, {command}"),
    );
}

#[test]
fn telling_people_wrongly() {
    says(
        "[notify]\ndirectry = \"x\"",
        "f.toml:2:1: unknown key `directry` in [notify]; did you mean `directory`?",
    );
    say_all(
        "[notify]\nmax_bytes = \"1 KiB\"\nkeep = \"1s\"",
        &[
            "f.toml:2:13: notify.max_bytes is `1 KiB`, expected 64 KiB to 1 TiB",
            "f.toml:3:8: notify.keep is `1s`, expected 1m to 3650d",
        ],
    );
    says(
        "[notify.a]\nkind = \"json-lines\"\npath = \"stdout\"\nrate_limit = \"30\"",
        "f.toml:4:14: notify.a.rate_limit is `30`, expected messages and a time, such as \"30/5m\", or \"off\"",
    );
    let limits = ", with 1 to 1000000 messages and whole seconds from 1s to 24h";
    for limit in ["0/5m", "many/5m", "1/5", "1/500ms", "1/2d", "1/1s/1s"] {
        says(
            &format!("[notify.a]\nkind = \"json-lines\"\npath = \"stdout\"\nrate_limit = \"{limit}\""),
            &format!(
                "f.toml:4:14: notify.a.rate_limit is `{limit}`, expected messages and a time, such as \"30/5m\", or \"off\"{limits}"
            ),
        );
    }
    let alert = "[[alert]]\nmatch = [\"**\"]\n";
    say_all(
        &format!(
            "{alert}severity = \"high\"\nmin_members = 0\nrepeat = \"1s\"\ngroup_wait = \"1500ms\"\nresolved = \"no\"\nquiet_hours = [\"at night\"]\ntimezone = \"Berlin\""
        ),
        &[
            "f.toml:3:12: alert.severity is `high`, expected `info`, `warning` or `critical`",
            "f.toml:4:15: alert.min_members is 0, expected a whole number from 1 to 1000",
            "f.toml:5:10: alert.repeat is `1s`, expected 1m to 3650d, or \"off\"",
            "f.toml:6:14: alert.group_wait is not a number of whole seconds",
            "f.toml:7:12: alert.resolved is `no`, expected true or false, without quotes",
            "f.toml:8:16: alert.quiet_hours has `at night`, expected days, a time, or both, such as \"sat-sun\", \
             \"22:00-07:00\" or \"mon-fri 18:00-08:00\"",
            "f.toml:9:12: alert.timezone is `Berlin`, expected a time zone by its IANA name, such as \
             \"Europe/Berlin\"",
        ],
    );
    says(
        &format!("{alert}name = \"a\"\ncontinue = true\n{alert}name = \"a\""),
        "f.toml:7:8: alert has `name = \"a\"` twice, first at f.toml:3:8",
    );
    // What is behind one that takes all and leads on is reached; behind one that leads nowhere it is not.
    says(
        &format!("{alert}severity = \"critical\"\n{alert}min_members = 2\n{alert}continue = true\n{alert}{alert}"),
        "f.toml:12:1: no anomaly gets here: the first match wins, and the one at f.toml:10:1 matches everything",
    );
    for url in ["relay.example.com", "https://", "https://a b"] {
        says(
            &format!("[http]\nurl = \"{url}\""),
            &format!(
                "f.toml:2:7: http.url is `{url}`, expected the address at which people reach the page, such as \
                      \"https://relay.example.com\", or \"off\""
            ),
        );
    }
}
