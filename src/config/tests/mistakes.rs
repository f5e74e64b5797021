//! Mistakes, and what is said about them.

use super::*;

/// What may stand behind `kind` in a detector.
const KINDS: &str = "expected kind to be `adaptive`, `skyline`, `threshold`, `trend`, `forecast`, `expression`, `absence`, `all_of`, `any_of` or `k_of`";

/// The file `text` has one mistake, which is this.
#[track_caller]
fn says(text: &str, expected: &str) {
    say_all(text, &[expected]);
}

/// The file `text` has these mistakes.
#[track_caller]
fn say_all(text: &str, expected: &[&str]) {
    let error = Config::parse(Path::new("f.toml"), text).expect_err("the file should be refused");
    let said: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(said, expected);
    for problem in error.problems() {
        assert!(problem.position.is_some());
        assert!(!problem.message.ends_with('.'), "{}", problem.message);
    }
}

#[test]
fn unknown_keys() {
    says(
        "[listen]\n  tpc = [\"0.0.0.0:2003\"]",
        "f.toml:2:3: unknown key `tpc` in [listen]; did you mean `tcp`?",
    );
    says(
        "[listn]\ntcp = []",
        "f.toml:1:2: unknown key `listn` at the top; did you mean `listen`?",
    );
    says(
        "[detector.d.grubbs]\nalpah = 0.1\n[detector.d]\nkind = \"skyline\"",
        "f.toml:2:1: unknown key `alpah` in [detector.NAME.grubbs]; did you mean `alpha`?",
    );
    says(
        "[log]\nshutdown_deadline = \"10s\"",
        "f.toml:2:1: unknown key `shutdown_deadline` in [log]; it belongs at the top of the file, before the first [section]",
    );
    says(
        "[listen]\nspan = \"24h\"",
        "f.toml:2:1: unknown key `span` in [listen]; it belongs in [window]",
    );
    says(
        "[log]\ncolour = true",
        "f.toml:2:1: unknown key `colour` in [log], expected `level` or `format`",
    );
}

#[test]
fn people_who_could_not_get_in_and_secrets_that_are_none() {
    say_all(
        "[http]\nuser = \"ops\"\nuser_header = \"X-User\"",
        &[
            "f.toml:2:8: http.user has no password, expected http.password, password_file or password_env",
            "f.toml:3:15: http.user_header would be believed of nobody, expected http.trusted_proxies as well",
        ],
    );
    say_all(
        "[http]\npassword = \"a\"\npassword_env = \"A\"\nprotect = \"everything\"\ntrusted_proxies = [\"::1\"]",
        &[
            "f.toml:2:12: http.password is of nobody, expected http.user as well",
            "f.toml:3:16: http.password_env is given beside password, expected one of the two",
            "f.toml:4:11: http.protect has nobody to let in, expected http.user or http.user_header as well",
            "f.toml:5:19: http.trusted_proxies has nothing to say, expected http.user_header as well",
        ],
    );
    say_all(
        "[http]\nuser = \"o:ps\"\npassword = 4711",
        &[
            "f.toml:2:8: http.user has a colon in it, behind which browsers send the password",
            "f.toml:3:12: http.password is not a text, expected the secret in quotes",
        ],
    );
    says(
        "[http]\nhosts = [\"a.b\", \"a.b:80\"]",
        "f.toml:2:17: http.hosts has `a.b:80`, expected a name without a port, such as \"skyrelay.example.net\"",
    );
}

#[test]
fn a_password_is_masked_and_its_place_is_not() {
    let user = |key: &str, value: &str| good(&format!("[http]\nuser = \"ops\"\n{key} = \"{value}\""));
    let written = user("password", "open sesame");
    let shown = format!("{}{written:?}", written.to_toml());
    assert!(
        shown.contains("ops") && shown.contains(MASK) && !shown.contains("sesame"),
        "{shown}"
    );
    for elsewhere in [user("password_file", "/etc/secret"), user("password_env", "SECRET")] {
        assert_eq!(good(&elsewhere.to_toml()), elsewhere);
    }
}

#[test]
fn a_spool_without_a_directory_or_with_a_strange_policy() {
    says(
        "[spool]\nmax_bytes = \"4 GiB\"",
        "f.toml:1:1: [spool] has no directory, expected one such as \"/var/lib/skyrelay/spool\"",
    );
    says(
        "[spool]\ndirectory = \"d\"\nsync = \"sometimes\"",
        "f.toml:3:8: spool.sync is `sometimes`, expected \"never\", \"always\", or a time from 1ms to 1h, such as \"1s\"",
    );
    says(
        "[spool]\ndirectory = \"d\"\ndrain_lines_per_second = 0",
        "f.toml:3:26: spool.drain_lines_per_second is 0, expected a whole number from 1 to 1000000000",
    );
    says(
        "[spool]\ndirectory = \"d\"\nmax_bytes = \"1 KiB\"",
        "f.toml:3:13: spool.max_bytes is `1 KiB`, expected 1 MiB to 1024 TiB",
    );
}

#[test]
fn what_later_versions_have() {
    says(
        "[[watch]]\nmatch = [\"**\"]\nas = \"rates\"",
        "f.toml:3:6: watch.as is `rates`, expected `value` or `rate`; did you mean `rate`?",
    );
}

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
fn mistakes_within_a_model_are_shown() {
    says(
        "[detector.busy]\nkind = \"expression\"\nwhen = \"value > 3 * medain('1h')\"",
        "f.toml:3:21: detector.busy.when: there is no function `medain`; did you mean `median`?\n \
         3 | when = \"value > 3 * medain('1h')\"\n   \
           |                     ^^^^^^",
    );
    say_all(
        "[detector.busy]\nkind = \"expression\"\nwhen = '''\nlet m = median('1h');\n  value > 3 * n\n'''\nscore = \"2 >\"",
        &[
            "f.toml:5:15: detector.busy.when: nothing is called `n`; did you mean `m`?\n 5 |   value > 3 * n\n   |               ^",
            "f.toml:7:13: detector.busy.score: the end stands here, expected a value, such as `value`, `median('1h')` or a \
             number\n 7 | score = \"2 >\"\n   |             ^",
        ],
    );
    say_all(
        "[detector.busy]\nkind = \"expression\"\n[detector.default]\nkind = \"expression\"\nwhen = true\nmax_age = \"0s\"",
        &[
            "f.toml:1:1: detector.busy has no `when`, expected a condition in quotes, such as \"value > 3 * median('1h')\"",
            "f.toml:5:8: detector.default.when is true, expected a condition in quotes, such as \"value > 3 * median('1h')\"",
            "f.toml:6:11: detector.default.max_age is `0s`, expected 1s to 3650d",
        ],
    );
    says(
        "[detector.busy]\nkind = \"expression\"\nwhen = \"detector('defalt').anomalous\"\n[detector.default]\nkind = \"skyline\"",
        "f.toml:3:18: detector.busy.when names `defalt`, which does not exist; did you mean `default`?",
    );
    say_all(
        "[detector.busy]\nkind = \"expression\"\nwhen = \"\"\"\nlet high = value > 3;\nhigh and detector('a').anomalous\"\"\"\nscore = \"1 + detector('b').score\"",
        &[
            "f.toml:5:19: detector.busy.when names `a`, which does not exist; declare it as [detector.a]",
            "f.toml:6:23: detector.busy.score names `b`, which does not exist; declare it as [detector.b]",
        ],
    );
    says(
        "[detector.busy]\nkind = \"expression\"\nwhen = \"detector('busy').anomalous\"",
        "f.toml:1:1: detector `busy` goes by `busy`, expected detectors that do not wait for themselves",
    );
}

#[test]
fn snapshots_that_cannot_be() {
    says(
        "[snapshot]\nfile = true",
        "f.toml:2:8: snapshot.file is true, expected the path of a file",
    );
    says(
        "[snapshot]\nfile = \"\"",
        "f.toml:2:8: `` is no name for a file, expected 1 to 200 bytes without control characters",
    );
    says(
        "[snapshot]\nevery = \"1s\"",
        "f.toml:2:9: snapshot.every is `1s`, expected 10s to 3650d, or \"off\"",
    );
}

#[test]
fn values_of_the_wrong_type_or_unit() {
    say_all(
        "[window]\nspan = 24\nmax_series = \"many\"\nexpire_after = \"24hours\"",
        &[
            "f.toml:2:8: window.span is 24, expected a time with its unit, such as \"24s\" or \"24h\"",
            "f.toml:3:14: window.max_series is `many`, expected a whole number from 1 to 1000000000",
            "f.toml:4:16: window.expire_after is `24hours`, expected a unit out of `ms`, `s`, `m`, `h`, `d` and `w` after \
             the number, such as \"10s\" or \"24h\"",
        ],
    );
    say_all(
        "[listen]\ntcp = \"0.0.0.0:2003\"\nmax_line = 16384\nudp_buffer = \"8 mib\"\nidle_timeout = false",
        &[
            "f.toml:2:7: listen.tcp is `0.0.0.0:2003`, expected an array of addresses, such as [\"0.0.0.0:2003\"]",
            "f.toml:3:12: listen.max_line is 16384, expected a size with its unit, such as \"16384 KiB\" or \"16384 MiB\"",
            "f.toml:4:14: listen.udp_buffer is `8 mib`, expected a known unit; did you mean \"8 MiB\"?",
            "f.toml:5:16: listen.idle_timeout is false, expected a time with its unit, such as \"10s\" or \"24h\", \
             or \"off\"",
        ],
    );
    says(
        "forward_invalid = \"dorp\"",
        "f.toml:1:19: forward_invalid is `dorp`, expected `forward` or `drop`; did you mean `drop`?",
    );
    says(
        "listen = 1979-05-27",
        "f.toml:1:10: listen is a date, expected a table, [listen]",
    );
    says(
        "[watch]\nmatch = [\"**\"]",
        "f.toml:1:1: watch is a table, expected a [[watch]] for each",
    );
    says(
        "[detector]\nkind = \"skyline\"",
        "f.toml:2:1: detector.kind is `skyline`, expected a table such as [detector.NAME]",
    );
    says(
        "[detector.d]\nkind = \"skyline\"\npublished_votes = \"yes\"",
        "f.toml:3:19: detector.d.published_votes is `yes`, expected true or false, without quotes",
    );
}

#[test]
fn values_out_of_range() {
    says(
        "[window]\nspan = \"59s\"",
        "f.toml:2:8: window.span is `59s`, expected 1m to 3650d",
    );
    says(
        "[window]\nspan = \"90500ms\"",
        "f.toml:2:8: window.span is not a number of whole seconds",
    );
    says(
        "[analysis]\nshards = 0",
        "f.toml:2:10: analysis.shards is 0, expected a whole number from 1 to 256",
    );
    says(
        "[analysis]\nshards = 99999999999999999999",
        "f.toml:2:10: analysis.shards is a number beyond 64 bits, expected a whole number from 1 to 256",
    );
    says(
        "[listen]\nmax_line = \"64 KiB\"",
        "f.toml:2:12: listen.max_line is `64 KiB`, expected 64 B to 65535 B",
    );
    let detector = "[detector.d]\nkind = \"skyline\"\n";
    for value in ["2", "0", "nan", "inf", "-0.1", "1.0"] {
        let error = Config::parse(Path::new("f.toml"), &format!("{detector}grubbs.alpha = {value}")).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("f.toml:3:16: detector.d.grubbs.alpha is "),
            "{message}"
        );
        assert!(message.ends_with("expected a number above 0 and below 1"), "{message}");
    }
}

#[test]
fn votes_that_cannot_be() {
    let detector = "[detector.d]\nkind = \"skyline\"\n";
    says(
        &format!("{detector}consensus = 12"),
        "f.toml:3:13: detector.d.consensus is 12, but 9 algorithms are on, expected 1 to 9",
    );
    says(
        &format!("{detector}algorithms = [\"grubbs\", \"ks_test\"]"),
        "f.toml:3:14: 2 algorithms are on, so detector.d.consensus has to say how many of them make an anomaly, \
         expected 1 to 2",
    );
    says(
        &format!("{detector}algorithms = []"),
        "f.toml:3:14: detector.d.algorithms is empty, expected at least one",
    );
    says(
        &format!("{detector}consensus = 2\nalgorithms = [\"ks_test\", \"grubs\"]\ngrubbs.alpha = 0.1"),
        "f.toml:4:26: detector.d.algorithms has `grubs`, which is not an algorithm; did you mean `grubbs`?",
    );
    says(
        &format!("{detector}consensus = 1\nalgorithms = [\"grubbs\", \"grubbs\"]"),
        "f.toml:4:25: detector.d.algorithms has `grubbs` twice, first at f.toml:4:15",
    );
    says(
        &format!("{detector}consensus = 1\nalgorithms = [\"grubbs\"]\nks_test.alpha = 0.1"),
        "f.toml:5:1: detector.d.ks_test is set, but detector.d.algorithms leaves it out",
    );
    says(
        &format!("{detector}ks_test.probe = \"1h\""),
        "f.toml:3:17: detector.d.ks_test.probe is not shorter than detector.d.ks_test.reference, in which the samples \
         before it are looked for",
    );
    says(
        &format!("window.span = \"6h\"\n{detector}first_hour_average.older_than = \"6h\""),
        "f.toml:4:33: detector.d.first_hour_average.older_than reaches back further than window.span",
    );
    says(
        "[detector.d]\ngrubbs.alpha = 0.1",
        &format!("f.toml:1:1: detector.d has no kind, {KINDS}"),
    );
    says(
        "[detector.d]\nkind = \"skylime\"",
        &format!("f.toml:2:8: detector.d.kind is `skylime`, {KINDS}; did you mean `skyline`?"),
    );
}

#[test]
fn addresses_that_cannot_be() {
    let address = "expected an address and port, such as";
    say_all(
        "[listen]\ntcp = [\"localhost:2003\", 2003]\nallow = [\"10.0.0.0/33\"]",
        &[
            &format!("f.toml:2:8: listen.tcp has `localhost:2003`, {address} \"0.0.0.0:2003\" or \"[::1]:2003\""),
            &format!("f.toml:2:26: listen.tcp has 2003, {address} \"0.0.0.0:2003\" or \"[::1]:2003\""),
            "f.toml:3:10: listen.allow has `10.0.0.0/33`, expected a network such as \"10.0.0.0/8\"",
        ],
    );
    say_all(
        "[listen]\ntcp = []\nudp = []\nallow = []",
        &[
            "f.toml:2:7: neither tcp nor udp has an address, expected one to listen on",
            "f.toml:4:9: listen.allow is empty, so nobody may send; leave it out to let anyone",
        ],
    );
    says(
        "[listen]\ntcp = [\"0.0.0.0:1\", \"10.0.0.1:1\"]",
        "f.toml:2:21: listen.tcp 10.0.0.1:1 collides with listen.tcp 0.0.0.0:1, f.toml:2:8",
    );
    says(
        "[listen]\nudp = [\"[::1]:1\", \"[::1]:1\"]",
        "f.toml:2:19: listen.udp [::1]:1 collides with listen.udp [::1]:1, f.toml:2:8",
    );
    says(
        "[listen]\ntcp = [\"127.0.0.1:2080\"]",
        "f.toml:2:8: listen.tcp 127.0.0.1:2080 collides with http.listen 127.0.0.1:2080, its default",
    );
    says(
        "[http]\nlisten = \"127.0.0.1:2003\"",
        "f.toml:2:10: http.listen 127.0.0.1:2003 collides with listen.tcp 127.0.0.1:2003, its default",
    );
    says(
        "[http]\nlisten = \"no\"",
        &format!("f.toml:2:10: http.listen is `no`, {address} \"127.0.0.1:2080\", or \"off\""),
    );
}

#[test]
fn upstreams_that_cannot_be() {
    let host = "expected a host and port, such as \"127.0.0.1:2103\" or \"[::1]:2103\"";
    says(
        "[[forward]]\naddress = \"127.0.0.1:2003\"",
        "f.toml:2:11: forward.address is `127.0.0.1:2003`, which is listen.tcp 127.0.0.1:2003: the stream would go \
         round in a circle",
    );
    say_all(
        "[[forward]]\n[[forward]]\naddress = \"carbon\"\n[[forward]]\nname = \"\"\naddress = \"a:1\"",
        &[
            &format!("f.toml:1:1: this [[forward]] has no address, {host}"),
            &format!("f.toml:3:11: forward.address is `carbon`, {host}"),
            "f.toml:5:8: `` is no name for a [[forward]], expected 1 to 200 bytes without control characters",
        ],
    );
    says(
        "[[forward]]\nname = \"a\"\naddress = \"b:1\"\n[[forward]]\nname = \"a\"\naddress = \"c:1\"",
        "f.toml:5:8: forward has `name = \"a\"` twice, first at f.toml:2:8",
    );
    says(
        "[[forward]]\naddress = \"a:1\"\nqueue = \"1 KiB\"",
        "f.toml:3:9: forward.queue is `1 KiB`, expected 1 MiB to 1 TiB",
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

#[test]
fn more_patterns_than_memory_should_hold() {
    let too_many = "there are too many patterns, expected 10000 in 256 KiB at most, in all watches and alerts";
    let half = vec![format!("\"{}\"", "a".repeat(1000)); 150].join(",");
    says(
        &format!("[[watch]]\nmatch = [{half}]\n[[alert]]\nmatch = [{half}]"),
        &format!("f.toml:4:9: {too_many}"),
    );
    let short = vec!["\"a\""; 6000].join(",");
    says(
        &format!("[[watch]]\nmatch = [{short}]\n[[watch]]\nmatch = [{short}]"),
        &format!("f.toml:4:9: {too_many}"),
    );
}

#[test]
fn text_that_is_not_toml() {
    says("a = \"x\n", "f.toml:1:7: invalid basic string, expected `\"`");
    says(
        "[window]\nspan = 24h\n",
        "f.toml:2:8: string values must be quoted, expected literal string",
    );
    say_all(
        "x = 1\nx = 2\n[listen]\ny = = 3\n",
        &[
            "f.toml:2:1: `x` is given twice",
            "f.toml:4:5: extra `=`, expected nothing",
        ],
    );
}

#[test]
fn every_mistake_in_the_order_of_the_file() {
    let error = Config::parse(
        Path::new("f.toml"),
        "[log]\nlevel = 1\nlvl = 2\n[http]\nlisten = 3\n[listen]\nmax_line = 4\n[[watch]]\n",
    );
    let lines: Vec<usize> = error
        .unwrap_err()
        .problems()
        .iter()
        .filter_map(|problem| problem.position)
        .map(|position| position.line)
        .collect();
    assert_eq!(lines, [2, 3, 5, 7, 8]);
}

#[test]
fn an_adaptive_detector_that_cannot_be() {
    let adaptive = "[detector.d]\nkind = \"adaptive\"\n";
    say_all(
        &format!("{adaptive}sensitivity = 0\ndirection = \"up\"\nmin_deviation = \"ten\"\ntimezone = \"Berlin\""),
        &[
            "f.toml:3:15: detector.d.sensitivity is 0, expected a number from 0.01 to 100",
            "f.toml:4:13: detector.d.direction is `up`, expected `above`, `below` or `both`",
            "f.toml:5:17: detector.d.min_deviation is `ten`, expected a percentage, such as \"10%\"",
            "f.toml:6:12: detector.d.timezone is `Berlin`, expected a time zone by its IANA name, such as \
             \"Europe/Berlin\"",
        ],
    );
    say_all(
        &format!("{adaptive}min_deviation = -1\nseverity.level = \"fatal\"\nconsensus = 6"),
        &[
            "f.toml:3:17: detector.d.min_deviation is -1, expected a number, 0 or more, or a percentage of what is \
             expected, such as \"10%\"",
            "f.toml:4:18: detector.d.severity.level is `fatal`, expected `info`, `warning` or `critical`",
            "f.toml:5:1: unknown key `consensus` in [detector.NAME], expected `kind`, `sensitivity`, `direction`, \
             `min_deviation`, `timezone`, `silent_samples`, `silent_for`, `quiet_samples`, `quiet_for`, `explain` or `severity`",
        ],
    );
}

#[test]
fn ensembles_that_cannot_be() {
    let of = |name: &str, kind: &str| format!("[detector.{name}]\nkind = \"{kind}\"\n");
    let members = |name: &str, of: &str| format!("[detector.{name}]\nkind = \"any_of\"\nof = [{of}]\n");
    let watched = |detectors: &str| detectors.to_owned() + "[[watch]]\nmatch = [\"**\"]\ndetectors = [\"default\"]\n";
    says(
        &of("e", "all_of"),
        "f.toml:1:1: detector.e.of has no members, expected an array of detectors, such as [\"default\", \"classic\"]",
    );
    says(
        &members("e", ""),
        "f.toml:3:6: detector.e.of has no members, expected an array of detectors, such as [\"default\", \"classic\"]",
    );
    says(
        &members("e", "\"defualt\""),
        "f.toml:3:7: detector.e.of names `defualt`, which does not exist; did you mean `default`?",
    );
    says(
        &members("e", "\"default\", \"default\""),
        "f.toml:3:18: detector.e.of has `default` twice, first at f.toml:3:7",
    );
    says(
        &(of("e", "k_of") + "of = [\"default\"]\n"),
        "f.toml:1:1: detector.e has no `k`, expected how many of its members have to agree",
    );
    says(
        &(of("e", "k_of") + "k = 2\nof = [\"default\"]\n"),
        "f.toml:3:5: detector.e.k is 2, but there is 1 member, expected 1",
    );
    says(
        &(of("e", "any_of") + "k = 2\nof = [\"default\"]\n"),
        "f.toml:3:1: unknown key `k` in [detector.NAME], expected `kind`, `of` or `severity`",
    );
    let expected = "expected detectors that do not wait for themselves";
    says(
        &watched(&members("e", "\"e\"")),
        &format!("f.toml:1:1: detector `e` goes by `e`, {expected}"),
    );
    says(
        &watched(&(members("a", "\"default\", \"b\"") + &members("b", "\"c\"") + &members("c", "\"b\""))),
        &format!("f.toml:4:1: detector `b` goes by `c`, which goes by `b`, {expected}"),
    );
}

#[test]
fn thresholds_that_cannot_be() {
    let threshold = |keys: &str| format!("[detector.t]\nkind = \"threshold\"\n{keys}");
    let one_of = "expected one of `above`, `below`, `outside` and `inside`";
    says(
        &threshold(""),
        &format!("f.toml:1:1: detector.t has no bound, {one_of}"),
    );
    says(
        &threshold("above = 5\nbelow = 1"),
        "f.toml:4:9: detector.t.below is set beside `above`, expected `outside = [below, above]` for both",
    );
    says(
        &threshold("above = 5\ninside = [1, 2]"),
        &format!("f.toml:4:10: detector.t.inside is set beside `above`, {one_of}"),
    );
    says(
        &threshold("outside = [9, 1]"),
        "f.toml:3:11: detector.t.outside is an array, expected two numbers, the smaller one first, such as [10, 90]",
    );
    says(
        &threshold("above = \"90%\""),
        "f.toml:3:9: detector.t.above is `90%`, expected a number",
    );
    says(
        &threshold("above = 90\nclear = 95"),
        "f.toml:4:9: detector.t.clear lies on the wrong side of the bound, expected a value that is not above it",
    );
    says(
        &threshold("outside = [1, 2]\nclear = [0, 3]"),
        "f.toml:4:9: detector.t.clear lies on the wrong side of the bound, expected two values between its two",
    );
    says(
        &threshold("above = 90\nfor = 5"),
        "f.toml:4:7: detector.t.for is 5, expected a time with its unit, such as \"5s\" or \"5h\"",
    );
    let n_of_m = "f.toml:4:10: detector.t.n_of_m is not what it should be, expected two whole numbers, such as [3, 5] for 3 of \
                  the last 5 samples, up to 64";
    for wrong in ["[5, 3]", "[0, 3]", "[3]", "[1, 65]", "3", "[1.5, 2]"] {
        says(&threshold(&format!("above = 90\nn_of_m = {wrong}")), n_of_m);
    }
}

#[test]
fn trends_that_cannot_be() {
    let trend = |keys: &str| format!("[detector.t]\nkind = \"trend\"\n{keys}");
    says(
        &trend(""),
        "f.toml:1:1: detector.t has no `reaches`, expected the value that is not to be reached, such as reaches = 95",
    );
    says(
        &trend("reaches = 95\nwithin = \"24h\"\nclear = \"12h\""),
        "f.toml:5:9: detector.t.clear is shorter than `within`, expected a time that is not",
    );
    says(
        &trend("reaches = 95\nover = \"61d\""),
        "f.toml:4:8: detector.t.over is `61d`, expected 1h to 60d",
    );
    says(
        &trend("reaches = 95\nover = \"2h\"\nmin_history = \"3h\""),
        "f.toml:5:15: detector.t.min_history is longer than `over`, expected a time that is not",
    );
    says(
        &trend("reaches = 95\ndirection = \"above\""),
        "f.toml:4:13: detector.t.direction is `above`, expected `up`, `down` or `either`",
    );
    says(
        &trend("reaches = 95\nconfidence = 90"),
        "f.toml:4:14: detector.t.confidence is 90, expected a number from 0.5 to 0.99",
    );
}

#[test]
fn forecasts_that_cannot_be() {
    let forecast = |keys: &str| format!("[detector.f]\nkind = \"forecast\"\n{keys}");
    says(
        &forecast("horizon = \"25h\""),
        "f.toml:3:11: detector.f.horizon is `25h`, expected 1h to 24h",
    );
    says(
        &forecast("horizon = \"90m\""),
        "f.toml:3:11: detector.f.horizon is not a number of whole hours",
    );
    says(
        &forecast("min_history = \"1d\""),
        "f.toml:3:15: detector.f.min_history is `1d`, expected 4d to 42d",
    );
    says(
        &forecast("confidence = 1"),
        "f.toml:3:14: detector.f.confidence is 1, expected a number from 0.5 to 0.999",
    );
}

#[test]
fn absences_that_cannot_be() {
    let absence = |keys: &str| format!("[detector.a]\nkind = \"absence\"\n{keys}");
    says(
        &absence("after = 900"),
        "f.toml:3:9: detector.a.after is 900, expected a time with its unit, such as \"900s\" or \"900h\", or \"auto\"",
    );
    says(
        &absence("after = \"2d\""),
        "f.toml:3:9: detector.a.after is too long: window.expire_after forgets a series before that, \
         expected less than 24h",
    );
    says(
        &absence("after = \"30s\"\nof = [\"a.**\"]"),
        "f.toml:3:9: detector.a.after is too short: expected 2m or more, as it takes a minute to look at all series",
    );
    says(
        &absence("of = [\"a{\"]"),
        "f.toml:3:7: detector.a.of has `a{`, which is no pattern: `{` is opened but not closed",
    );
    let watch = "[[watch]]\nmatch = [\"**\"]\ndetectors = [\"a\"]\n";
    says(
        &(absence("of = [\"a.**\"]\n") + watch),
        "f.toml:6:14: watch.detectors names `a`, which looks at the patterns of its `of` by itself",
    );
    says(
        &(absence("[detector.e]\nkind = \"any_of\"\nof = [\"a\"]\n") + watch),
        "f.toml:5:7: detector.e.of names `a`, which tells of silence, when there is no sample to agree on",
    );
}
