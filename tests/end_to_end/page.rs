//! The page at `/`, in a real Chromium: what it shows, how soon, and what it does not do.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{
    SOON,
    chromium::{Chromium, DESK, NIGHT, PHONE},
    net::{http_get, raw_get, url_encoded},
    sink::Sink,
    skyrelay::Skyrelay,
    unix_now, wait_for,
};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    io::Write,
    time::{Duration, Instant},
};

/// One value far from all others opens an anomaly, and the next one closes it.
const SPIKES: &str = r#"
[detector.default]
kind = "skyline"
consensus = 1
algorithms = ["mean_subtraction_cumulation"]
[[watch]]
match = ["unwatched.**"]
detectors = []
[[watch]]
match = ["**"]
"#;

/// A value above 90 is an anomaly, whatever was before.
const BOUND: &str = r#"
[detector.full]
kind = "threshold"
above = 90
[[watch]]
match = ["**"]
detectors = ["full"]
[notify.nobody]
kind = "json-lines"
path = "notices.json"
"#;

/// Lines of calm series, up to `until`.
fn calm(names: &[&str], until: u64) -> String {
    let line = |name: &&str, second: u64| format!("{name} {} {}\n", second % 3, until - 60 + second);
    (0..60)
        .flat_map(|second| names.iter().map(move |name| line(name, second)))
        .collect()
}

fn page(relay: &Skyrelay, place: &str) -> String {
    format!("http://127.0.0.1:{}/{place}", relay.http_port)
}

/// The hash of a series' view.
fn of_series(name: &str) -> String {
    format!("#/series/{}", url_encoded(name))
}

/// Neither a complaint nor a word with anybody but the relay.
#[track_caller]
fn is_clean(browser: &mut Chromium, relay: &Skyrelay) {
    assert_eq!(browser.problems(), [""; 0]);
    let home = page(relay, "");
    let elsewhere: Vec<_> = browser.asked().iter().filter(|url| !url.starts_with(&home)).collect();
    assert!(!browser.asked().is_empty());
    assert!(elsewhere.is_empty(), "asked somebody else: {elsewhere:?}");
}

/// An expression for the visible text of what a selector finds.
fn text_of(selector: &str) -> String {
    format!(
        "[...document.querySelectorAll({})].map((one) => one.innerText).join('\\n')",
        json!(selector)
    )
}

#[test]
fn a_spike_is_on_the_page_as_it_comes_and_gone_when_it_is_over() {
    let mut relay = Skyrelay::start(&[], SPIKES);
    let mut browser = Chromium::start();
    browser.open(&page(&relay, ""));
    browser.wait_until(
        "reason for nothing",
        "document.body.innerText.includes('No line has arrived yet')",
    );
    let now = unix_now() - 20;
    let mut sender = relay.connect();
    sender.write_all(calm(&["a.one", "b.two"], now).as_bytes()).unwrap();
    relay.wait_until_through(120, &[]);
    browser.wait_until("live stream", "document.querySelector('.live.live')");
    browser.open(&page(&relay, ""));
    browser.wait_until("calm", "document.body.innerText.includes('All is as usual')");
    browser.wait_until("live stream", "document.querySelector('.live.live')");

    let begun = Instant::now();
    sender.write_all(format!("a.one 900 {now}\n").as_bytes()).unwrap();
    browser.wait_until("spike", "document.querySelector('.row .name')?.textContent === 'a.one'");
    eprintln!("a spike is seen after {:?}", begun.elapsed());
    let row = browser.eval(&text_of(".row"));
    assert!(row.as_str().unwrap().contains("900"), "{row}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let lines: String = (1..4).fold(String::new(), |mut lines, second| {
        writeln!(lines, "a.one 0 {}", now + second).unwrap();
        lines
    });
    sender.write_all(lines.as_bytes()).unwrap();
    browser.wait_until("end of it", "document.body.innerText.includes('All is as usual')");
    is_clean(&mut browser, &relay);

    // It says when nobody is there, and goes on by itself when somebody is.
    relay.kill();
    browser.wait_until(
        "word of the loss",
        "document.getElementById('live').innerText.includes('no connection')",
    );
    relay.start_again();
    browser.wait_until("live stream", "document.querySelector('.live.live')");
    let mut sender = relay.connect();
    let now = unix_now() - 20;
    sender
        .write_all((calm(&["c"], now) + &format!("c 900 {now}\n")).as_bytes())
        .unwrap();
    browser.wait_until(
        "next spike",
        "document.querySelector('.row .name')?.textContent === 'c'",
    );
}

#[test]
fn pages_that_were_left_hold_no_connection() {
    // A browser has six to a host, and a stream lasts for a minute.
    const PAGES: usize = 16;
    let relay = Skyrelay::start(&[], SPIKES);
    let mut browser = Chromium::start();
    let begun = Instant::now();
    for _ in 0..PAGES {
        browser.open(&page(&relay, "#/now"));
        browser.wait_until("live stream", "document.querySelector('.live.live')");
        browser.eval("location.hash = '#/relay'");
        browser.wait_until("configuration", "document.querySelectorAll('#main pre').length > 0");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    is_clean(&mut browser, &relay);
}

/// As the page shows it: what would turn the direction of a text is spelled out.
fn spelled(name: &str) -> String {
    name.replace('\u{202e}', "\\u202e")
}

#[test]
fn names_are_text_whatever_they_hold() {
    let names = [
        "<script>window.pwned=1</script>",
        "\"><img/src=x/onerror=window.pwned=1>",
        "javascript:window.pwned=1",
        "</title></script><script>window.pwned=1</script>",
        "'-window.pwned=1-'",
        "a/../../b?c=d#e%41&f;g=h",
        "${window.pwned=1}{{7*7}}[*]",
        "\u{202e}gnp.exe",
    ];
    let relay = Skyrelay::start(&[], SPIKES);
    let now = unix_now() - 20;
    let mut lines = calm(&names, now);
    for name in names {
        writeln!(lines, "{name} 900 {now}").unwrap();
    }
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(61 * names.len() as u64, &[]);
    let mut browser = Chromium::start();
    for place in ["#/now?match=**", "#/series", "#/relay"] {
        browser.open(&page(&relay, place));
        browser.wait_until(
            "view",
            "document.querySelectorAll('#main .row, #main tr[data-row], #main pre').length > 0",
        );
        if place != "#/relay" {
            let shown =
                browser.eval("[...document.querySelectorAll('[data-row] .name')].map((one) => one.textContent)");
            let shown: Vec<&str> = shown.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            for name in names.map(spelled) {
                assert!(shown.contains(&&*name), "{place} has no {name}: {shown:?}");
            }
        }
    }
    for name in names {
        browser.open(&page(&relay, &of_series(name)));
        let heading = format!("document.querySelector('h1').textContent === {}", json!(spelled(name)));
        browser.wait_until(name, &format!("{heading} && document.querySelector('.mark')"));
        assert_eq!(browser.eval("document.title"), format!("{name} · skyrelay"));
        // The way from a row leads there, too.
        browser.open(&page(&relay, "#/now?match=**"));
        let link = format!(
            "[...document.querySelectorAll('.row a.name')].find((one) => one.textContent === {})",
            json!(spelled(name))
        );
        browser.wait_until(name, &link);
        browser.eval(&format!("{link}.click()"));
        browser.wait_until(name, &heading);
    }
    assert_eq!(browser.eval("typeof window.pwned"), "undefined");
    assert_eq!(browser.eval("document.scripts.length"), 1);
    is_clean(&mut browser, &relay);
    // Text cannot become markup here, even where somebody tries.
    browser.eval(
        "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'done' } catch (error) { return error.name } })()",
    );
    assert_eq!(browser.eval("document.querySelectorAll('body > b').length"), 0);
}

#[test]
fn every_view_is_right_by_day_by_night_and_on_a_phone() {
    let sink = Sink::start();
    let relay = Skyrelay::start(&[("carbon", sink.port)], SPIKES);
    let now = unix_now() - 20;
    let mut names = Vec::new();
    for host in 0..6 {
        for metric in ["load", "requests", "errors"] {
            names.push(format!("servers.web{host}.{metric}"));
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut lines = calm(&names, now);
    for name in names
        .iter()
        .filter(|name| name.contains("web1") || name.contains("web2"))
    {
        writeln!(lines, "{name} 900 {now}").unwrap();
    }
    writeln!(lines, "unwatched.a 1 {now}").unwrap();
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(60 * 18 + 7, &["carbon"]);
    let mut browser = Chromium::start();
    let series = of_series("servers.web1.load");
    for (how, look) in [("light", DESK), ("dark", NIGHT), ("phone", PHONE)] {
        browser.look(look);
        for (view, place, there) in [
            ("now", "#/now", ".members .row .sparkline path"),
            ("series", series.as_str(), ".mark"),
            ("all-series", "#/series", "tr[data-row]"),
            ("silences", "#/silences", ".empty"),
            ("relay", "#/relay", "pre"),
        ] {
            browser.open(&page(&relay, place));
            browser.wait_until(view, &format!("document.querySelector({})", json!(there)));
            let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(look.width), "{view} is {wide} wide on {}", look.width);
            browser.picture(&format!("{view}-{how}"));
        }
    }
    let upstream = format!("carbon\n127.0.0.1:{}", sink.port);
    let is_below = format!("document.body.innerText.includes({})", json!(upstream));
    browser.wait_until("an address below its name", &is_below);
    is_clean(&mut browser, &relay);

    // All of it without a mouse.
    browser.look(DESK);
    browser.open(&page(&relay, "#/series?match=servers.**"));
    browser.wait_until("list", "document.querySelectorAll('tr[data-row]').length === 18");
    browser.press(&["j", "j", "Enter"]);
    browser.wait_until(
        "second series",
        "document.querySelector('h1').textContent === 'servers.web0.load'",
    );
    browser.press(&["?"]);
    browser.wait_until("help", "document.querySelector('dialog[open] kbd')");
    browser.picture("help-light");
    browser.press(&["Escape"]);
    browser.wait_until("end of help", "!document.querySelector('dialog')");
    browser.press(&["g", "s"]);
    browser.wait_until("all series", "document.querySelectorAll('tr[data-row]').length === 19");
    browser.press(&["/"]);
    browser.write("web3");
    browser.wait_until(
        "filtered list",
        "document.querySelectorAll('tr[data-row]').length === 3",
    );
    assert_eq!(browser.eval("location.hash"), "#/series?match=web3");
    browser.eval("history.back()");
    browser.wait_until(
        "series",
        "document.querySelector('h1').textContent === 'servers.web0.load'",
    );

    // A part of the window by dragging, and all of it again.
    browser.open(&page(&relay, &series));
    browser.wait_until("graph", "document.querySelector('.plot .samples')");
    let place = browser.eval("(({x, y, width, height}) => [x + width / 3, y + height / 2, x + width / 1.5])(document.querySelector('.plot').getBoundingClientRect())");
    let at = |index: usize| place[index].as_f64().unwrap();
    browser.drag((at(0), at(1)), (at(2), at(1)));
    browser.wait_until(
        "zoom",
        "location.hash.includes('from=') && location.hash.includes('until=')",
    );
    browser.eval("document.querySelector('.plot').dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))");
    browser.wait_until("whole window", "!location.hash.includes('from=')");
    is_clean(&mut browser, &relay);
}

#[test]
fn an_empty_page_says_why_and_a_name_that_nobody_knows_is_said_to_be_so() {
    let relay = Skyrelay::start(&[], "");
    relay
        .connect()
        .write_all(calm(&["a.b", "a.c"], unix_now()).as_bytes())
        .unwrap();
    relay.wait_until_through(120, &[]);
    let mut browser = Chromium::start();
    browser.open(&page(&relay, ""));
    browser.wait_until(
        "reason",
        "document.body.innerText.includes('2 series are still being learnt')",
    );
    browser.open(&page(&relay, "#/series"));
    browser.wait_until(
        "progress",
        "document.body.innerText.includes('warming up: 60 of 150 samples')",
    );
    browser.open(&page(&relay, "#/series?state=analysed"));
    browser.wait_until("nothing", "document.body.innerText.includes('No series matches')");
    assert_eq!(browser.problems(), [""; 0]);
    let full = Skyrelay::start(&[], "[window]\nmax_series = 1\n[analysis]\nshards = 1\n");
    full.connect()
        .write_all(calm(&["a.b", "a.c"], unix_now()).as_bytes())
        .unwrap();
    full.wait_until_through(120, &[]);
    browser.open(&page(&full, "#/series?match=a.c"));
    browser.wait_until(
        "reason",
        "document.body.innerText.includes('60 lines were of series for which there was no room')",
    );
    assert_eq!(browser.problems(), [""; 0]);
    browser.open(&page(&relay, "#/series/a.d"));
    browser.wait_until(
        "reason",
        "document.body.innerText.includes('knows no series of this name')",
    );
}

#[test]
fn a_hundred_thousand_series_and_five_thousand_anomalies_are_shown_in_small_answers() {
    const SERIES: u64 = 100_000;
    const ODD: u64 = 5_000;
    let relay = Skyrelay::start(&[], &format!("{BOUND}[analysis]\nwhen_behind = \"wait\"\n"));
    let mut sender = relay.connect();
    let now = unix_now() - 100;
    let name = |number: u64| {
        format!(
            "servers.rack{}.host{}.metric{}",
            number % 40,
            number / 40 % 250,
            number / 10_000
        )
    };
    let mut lines = String::new();
    for number in 0..SERIES {
        let value = if number < ODD { 95 } else { 5 };
        writeln!(lines, "{} {value} {now}", name(number)).unwrap();
    }
    sender.write_all(lines.as_bytes()).unwrap();
    let open = |wanted: u64| {
        wait_for("anomalies", 6 * SOON, || {
            let open = relay.metrics().sum("skyrelay_anomalies_open", &[]);
            if open == wanted {
                Ok(())
            } else {
                Err(format!("{open} are open"))
            }
        });
    };
    open(ODD);
    relay.wait_until_through(SERIES, &[]);

    let mut browser = Chromium::start();
    browser.open(&page(&relay, ""));
    let shown = browser.wait_until("rows", "document.querySelectorAll('.row').length > 0");
    let paint = browser.eval("performance.getEntriesByName('first-contentful-paint')[0].startTime");
    eprintln!("first paint after {paint} ms, rows after {shown:?}");
    assert!(paint.as_f64().unwrap() < 15_000.0, "{paint}");
    let total = format!("document.body.innerText.replace(/\\D/g, '').includes('{ODD}')");
    browser.open(&page(&relay, "#/now?match=**"));
    browser.wait_until("total", &total);
    let rows = "document.querySelectorAll('.row').length";
    assert!(browser.eval(rows).as_u64().unwrap() <= 60);
    browser.picture("many-light");
    let some = url_encoded(&name(7));
    for path in [
        "/api/v1/anomalies?limit=1000".to_owned(),
        "/api/v1/groups?limit=1000&members=1000".to_owned(),
        "/api/v1/series?limit=1000".to_owned(),
        "/api/v1/series?limit=1000&state=analysed&match=**metric9".to_owned(),
        "/api/v1/subtrees?limit=1000".to_owned(),
        format!("/api/v1/series/{some}?view=true"),
        "/api/v1/relay".to_owned(),
        "/api/v1/config".to_owned(),
    ] {
        let begun = Instant::now();
        let (status, text) = http_get(relay.http_port, &path).unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        eprintln!("{path}: {} bytes in {:?}", text.len(), begun.elapsed());
        assert!(text.len() < 1_000_000, "{path}: {} bytes", text.len());
    }
    // Pages of a list follow each other, and none is missing.
    let (mut after, mut seen) = (String::new(), 0);
    loop {
        let list = relay.api(&format!("/api/v1/series?limit=1000&match=**.metric1{after}"));
        seen += list["series"].as_array().unwrap().len();
        assert_eq!(list["total"], 10_000);
        match list["next"].as_str() {
            Some(next) => after = format!("&after={}", url_encoded(next)),
            None => break,
        }
    }
    assert_eq!(seen, 10_000);

    // Twenty thousand events leave nothing behind on the page.
    let heap = |browser: &mut Chromium| {
        browser.call("HeapProfiler.collectGarbage", &json!({}));
        let heap = browser.call("Runtime.getHeapUsage", &json!({}));
        heap["usedSize"].as_f64().unwrap()
    };
    let nodes = "document.getElementsByTagName('*').length";
    let mut used = Vec::new();
    for round in 1..=2 {
        for (half, value) in [(0, 5), (1, 95)] {
            let mut lines = String::new();
            for number in 0..ODD {
                writeln!(lines, "{} {value} {}", name(number), now + 2 * round + half).unwrap();
            }
            sender.write_all(lines.as_bytes()).unwrap();
            open(if half == 0 { 0 } else { ODD });
        }
        browser.wait_until("total", &total);
        used.push(heap(&mut browser));
    }
    eprintln!("heap of the page after 10,000 and 20,000 events: {used:?}");
    assert!(used[1] < used[0] + 8e6, "{used:?}");
    assert!(browser.eval(nodes).as_u64().unwrap() < 6_000);
    is_clean(&mut browser, &relay);
}

#[test]
fn what_people_say_on_the_page_holds() {
    let relay = Skyrelay::start(&[], BOUND);
    let now = unix_now();
    let lines = format!("a.one 95 {now}\nb.two 95 {now}\n");
    relay.connect().write_all(lines.as_bytes()).unwrap();
    relay.wait_until_through(2, &[]);
    let mut browser = Chromium::start();
    browser.open(&page(&relay, "#/now?match=a.*"));
    browser.wait_until("row", "document.querySelector('.row .name')?.textContent === 'a.one'");

    // With keys alone.
    browser.press(&["j", "s"]);
    browser.wait_until(
        "preview",
        "document.querySelector('.preview').innerText.includes('1 series')",
    );
    let shown = browser.eval(&text_of(".preview"));
    assert!(shown.as_str().unwrap().contains("1 open anomaly"), "{shown}");
    browser.picture("silence-light");
    for (name, text) in [("reason", "<b>disks</b>"), ("author", "ann")] {
        browser.eval(&format!("document.querySelector('[name={name}]').focus()"));
        browser.write(text);
    }
    browser.press(&["Enter"]);
    browser.wait_until("end of the dialog", "!document.querySelector('dialog')");
    browser.wait_until(
        "silenced row",
        "document.querySelector('.row').innerText.includes('silenced')",
    );
    let silences = relay.api("/api/v1/silences");
    assert_eq!(silences["silences"][0]["match"], json!(["a.one"]));
    assert_eq!(silences["silences"][0]["reason"], "<b>disks</b>");

    browser.press(&["j", "a"]);
    browser.wait_until(
        "dialog",
        "document.querySelector('dialog [name=author]').value === 'ann'",
    );
    browser.eval("document.querySelector('dialog .primary').click()");
    browser.wait_until(
        "acknowledged row",
        "document.querySelector('.row').innerText.includes('acknowledged by ann')",
    );
    let anomalies = relay.api("/api/v1/anomalies?match=a.one");
    assert_eq!(anomalies["anomalies"][0]["acknowledged"]["author"], "ann");
    browser.eval("document.querySelector('#quiet').click()");
    browser.wait_until("nothing that is not seen to", "!document.querySelector('.row')");

    browser.open(&page(&relay, "#/silences"));
    browser.wait_until(
        "silence",
        "document.querySelector('tr[data-row]')?.innerText.includes('<b>disks</b>')",
    );
    browser.picture("silences-light");
    browser.eval("document.querySelector('tr[data-row] button').click()");
    browser.wait_until("end of it", "document.body.innerText.includes('Nothing is silenced')");
    assert_eq!(relay.api("/api/v1/silences")["total"], 0);

    browser.open(&page(&relay, &of_series("b.two")));
    browser.wait_until("button", "document.querySelector('[data-action=feedback]')");
    browser.eval("document.querySelector('[data-action=feedback]').click()");
    browser.wait_until("dialog", "document.querySelector('dialog .primary')");
    browser.eval("document.querySelector('dialog .primary').click()");
    browser.wait_until(
        "raised bar",
        "document.querySelector('.cards').innerText.includes('told only')",
    );
    assert_eq!(relay.api("/api/v1/feedback")["feedback"][0]["series"], "b.two");
    is_clean(&mut browser, &relay);
}

#[test]
fn the_page_is_told_with_what_keeps_it_safe() {
    let relay = Skyrelay::start(&[], "");
    for path in ["/", "/page/app.js", "/page/style.css"] {
        let head = head(&relay, path);
        for wanted in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; ",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-cache",
            "etag: \"",
        ] {
            assert!(head.contains(wanted), "{path} says no {wanted}: {head}");
        }
        assert!(!head.contains("unsafe"), "{head}");
    }
    let answer = head(&relay, "/api/v1/relay");
    assert!(
        answer.contains("cache-control: no-store") && answer.contains("content-security-policy: default-src 'none'")
    );
    assert_eq!(http_get(relay.http_port, "/page/nothing.js").unwrap().0, 404);
}

/// The head of an answer, in lower case.
fn head(relay: &Skyrelay, path: &str) -> String {
    let answer = raw_get(relay.http_port, path);
    answer.split("\r\n\r\n").next().unwrap().to_ascii_lowercase()
}
