//! Mistakes, and what is said about them.

mod detectors;
mod telling;

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
        "f.toml:2:1: unknown key `alpah` in [detector.d.grubbs]; did you mean `alpha`?",
    );
    says(
        "[detector.d.grubbs]\nboring_samples = 1\n[detector.d]\nkind = \"skyline\"",
        "f.toml:2:1: unknown key `boring_samples` in [detector.d.grubbs]; it belongs in [detector.d]",
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
fn histories_that_cannot_be() {
    say_all(
        "[history]\ndirectory = true\nmax_bytes = \"1 KiB\"\nmax_age = \"1500ms\"\nmax_size = 1",
        &[
            "f.toml:2:13: history.directory is true, expected the path of a directory",
            "f.toml:3:13: history.max_bytes is `1 KiB`, expected 1 MiB to 16 GiB",
            "f.toml:4:11: history.max_age is not a number of whole seconds",
            "f.toml:5:1: unknown key `max_size` in [history], expected `directory`, `max_bytes` or `max_age`",
        ],
    );
}

#[test]
fn what_is_learnt_is_not_forgotten_before_the_series() {
    says(
        "[window]\nexpire_after = \"2w\"\nforget_after = \"1w\"",
        "f.toml:3:16: window.forget_after is too short: expected window.expire_after, 14d, or more",
    );
    // Alone it goes on as long as it has to.
    let config = Config::parse(Path::new("f.toml"), "[window]\nexpire_after = \"52w\"").unwrap();
    assert_eq!(config.shard.forget_after_s, config.shard.expire_after_s);
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
