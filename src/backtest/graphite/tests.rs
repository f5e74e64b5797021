//! Against a Graphite of a few lines, that answers what a test has it answer.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};

use super::*;

/// What is asked: method and path with its query, headers in small letters, and the body.
struct Asked {
    line: String,
    headers: String,
    body: String,
}

impl Asked {
    /// The values of a parameter, wherever they are.
    fn all(&self, name: &str) -> Vec<String> {
        let path = self.line.split(' ').nth(1).unwrap();
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let pairs = [query, &self.body].map(|pairs| form_urlencoded::parse(pairs.as_bytes()).into_owned());
        let named = pairs.into_iter().flatten().filter(|(key, _)| key == name);
        named.map(|(_, value)| value).collect()
    }

    fn is_find(&self) -> bool {
        self.line.contains("/metrics/find")
    }
}

/// Status, headers and body.
type Answer = (u16, &'static str, Vec<u8>);

fn ok(text: impl Into<String>) -> Answer {
    (200, "", text.into().into_bytes())
}

/// Serves as long as the test runs. Gives the address.
fn serve(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer_one(stream.unwrap(), &*answer));
        }
    });
    format!("http://{address}")
}

fn answer_one(mut stream: TcpStream, answer: &dyn Fn(&Asked) -> Answer) {
    let (mut text, mut buffer) = (Vec::new(), [0; 8_192]);
    let asked = loop {
        let read = stream.read(&mut buffer).unwrap();
        if read == 0 {
            return;
        }
        text.extend(&buffer[..read]);
        let so_far = String::from_utf8(text.clone()).unwrap();
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else {
            continue;
        };
        let (line, headers) = head.split_once("\r\n").unwrap();
        let headers = headers.to_lowercase();
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            break Asked {
                line: line.to_owned(),
                headers: headers.clone(),
                body: body.to_owned(),
            };
        }
    };
    let (status, headers, body) = answer(&asked);
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    )
    .unwrap();
    stream.write_all(&body).unwrap();
}

/// Series of a shop, and of 450 hosts.
fn tree() -> Vec<String> {
    let shop = [
        "shop.web1.load",
        "shop.web2.load",
        "shop.web10.cpu.idle",
        "shop.load",
        "total",
    ];
    let hosts = (0..450).map(|host| format!("hosts.h{host}.up"));
    shop.into_iter().map(str::to_owned).chain(hosts).collect()
}

/// What completes a query, as graphite-web answers it.
fn completed(query: &str) -> String {
    let query = if query.ends_with('*') {
        query.to_owned()
    } else {
        format!("{query}*")
    };
    let (glob, depth) = (Glob::new(&query).unwrap(), nodes(&query).len());
    let mut found = BTreeSet::new();
    for name in tree() {
        let end = name.match_indices('.').nth(depth - 1).map(|(end, _)| end);
        let path = &name[..end.unwrap_or(name.len())];
        if glob.matches(path) {
            found.insert(format!("{path}{}", if end.is_some() { "." } else { "" }));
        }
    }
    let node = |path: &String| format!(r#"{{"path": "{path}", "name": "x", "is_leaf": "1"}}"#);
    let nodes: Vec<_> = found.iter().map(node).collect();
    format!(r#"{{"metrics": [{}]}}"#, nodes.join(","))
}

/// Two points of each target that is there, of which the first is none.
fn rendered(targets: &[String]) -> String {
    let there: BTreeSet<_> = tree().into_iter().collect();
    let series = targets
        .iter()
        .filter(|target| there.contains(*target) || is_call(target));
    let series: Vec<_> = series
        .map(|target| format!(r#"{{"target": {target:?}, "tags": {{}}, "datapoints": [[null, 60], [1.5, 120]]}}"#))
        .collect();
    format!("[{}]", series.join(","))
}

fn graphite(url: &str, targets: &[&str]) -> Graphite {
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    Graphite::new(url, &targets, &[], None).unwrap()
}

/// The lines that come of it, or why there are none.
fn lines(graphite: &Graphite) -> Result<Vec<String>, String> {
    let tape = graphite.record(Wanted::default(), &mut |_, _| {});
    let mut text = String::new();
    let mut played = tape.map_err(|error| error.to_string())?.play(0);
    played.read_to_string(&mut text).unwrap();
    Ok(text.lines().map(str::to_owned).collect())
}

#[test]
fn the_tree_is_walked_for_what_matches() {
    let url = serve(|asked| {
        if asked.is_find() {
            ok(completed(&asked.all("query")[0]))
        } else {
            ok(rendered(&asked.all("target")))
        }
    });
    let names = |targets: &[&str]| -> Vec<String> {
        let lines = lines(&graphite(&url, targets)).unwrap();
        lines
            .iter()
            .map(|line| line.strip_suffix(" 1.5 120").unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&["shop.*.load"]), ["shop.web1.load", "shop.web2.load"]);
    assert_eq!(
        names(&["shop.web1.load", "nothing", "shop.web?.load"]),
        ["shop.web1.load", "shop.web2.load"]
    );
    assert_eq!(names(&["shop.{web2,web10}.*"]), ["shop.web2.load"]);
    assert_eq!(names(&["shop.**"]).len(), 4);
    assert_eq!(names(&["**.load"]), ["shop.load", "shop.web1.load", "shop.web2.load"]);
    assert_eq!(names(&["*"]), ["total"]);
    assert_eq!(names(&["hosts.*.up", "total"]).len(), 451);
    assert_eq!(names(&["sumSeries(hosts.*.up)"]), ["sumSeries(hosts.*.up)"]);
    let nobody = lines(&graphite(&url, &["hosts.*.down.*"])).unwrap_err();
    assert_eq!(nobody, "it has no series that matches hosts.*.down.*");
    let nothing = lines(&graphite(&url, &["nothing.at.all"])).unwrap_err();
    assert_eq!(nothing, "it has no points of nothing.at.all in that time");
}

#[test]
fn questions_are_of_200_targets_at_most_and_two_at_a_time() {
    let counts = Arc::new(Mutex::new((0, 0, Vec::new())));
    let url = serve({
        let counts = Arc::clone(&counts);
        move |asked| {
            if asked.is_find() {
                return ok(completed(&asked.all("query")[0]));
            }
            let targets = asked.all("target");
            {
                let (now, most, sizes) = &mut *counts.lock().unwrap();
                *now += 1;
                *most = (*now).max(*most);
                sizes.push(targets.len());
            }
            thread::sleep(Duration::from_millis(50));
            counts.lock().unwrap().0 -= 1;
            ok(rendered(&targets))
        }
    });
    let mut seen = Vec::new();
    let tape = graphite(&url, &["hosts.*.up"]).record(Wanted::default(), &mut |done, all| seen.push((done, all)));
    let mut text = String::new();
    tape.unwrap().play(0).read_to_string(&mut text).unwrap();
    let played: BTreeSet<_> = text.lines().map(str::to_owned).collect();
    assert_eq!(
        played,
        (0..450).map(|host| format!("hosts.h{host}.up 1.5 120")).collect()
    );
    let (_, most, sizes) = &mut *counts.lock().unwrap();
    sizes.sort_unstable();
    assert_eq!(sizes, &[10, 40, 200, 200]);
    assert!((1..=2).contains(most), "{most} at a time");
    assert_eq!(seen.last(), Some(&(450, 450)));
}

#[test]
fn values_come_as_graphite_writes_them() {
    let answer =
        r#"[{"target": "a b", "datapoints": [[1e9999, 60], [null, 70], [-1e9999, 80.5], [0.1, 90], [-7, 100]]}]"#;
    // Packed, as it is when it is asked for so.
    let url = serve(|asked| {
        assert!(asked.headers.contains("accept-encoding: gzip"), "{}", asked.headers);
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(answer.as_bytes()).unwrap();
        (200, "content-encoding: gzip\r\n", packed.finish().unwrap())
    });
    let lines = lines(&graphite(&url, &["a"])).unwrap();
    assert_eq!(lines, ["a_b inf 60", "a_b -inf 80", "a_b 0.1 90", "a_b -7 100"]);
}

#[test]
fn what_is_too_much_is_asked_in_halves() {
    let url = serve(|asked| {
        let targets = asked.all("target");
        match (asked.is_find(), targets.len()) {
            (true, _) => ok(completed(&asked.all("query")[0])),
            (false, 4..) => (413, "", b"{\"error\": \"too much\"}".to_vec()),
            (false, _) => ok(rendered(&targets)),
        }
    });
    assert_eq!(lines(&graphite(&url, &["hosts.h1?.up", "total"])).unwrap().len(), 11);
}

#[test]
fn time_is_asked_for_as_it_is_wanted() {
    let asked_for = Arc::new(Mutex::new(String::new()));
    let url = serve({
        let asked_for = Arc::clone(&asked_for);
        move |asked| {
            asked_for.lock().unwrap().clone_from(&asked.body);
            ok(rendered(&asked.all("target")))
        }
    });
    let graphite = graphite(&url, &["total"]);
    let form = || asked_for.lock().unwrap().clone();
    graphite.record(Wanted::default(), &mut |_, _| {}).unwrap();
    assert_eq!(form(), "format=json&noNullPoints=true&from=-24h&target=total");
    let wanted = Wanted {
        from: Some(120),
        until: Some(500),
        step: None,
    };
    graphite.record(wanted, &mut |_, _| {}).unwrap();
    assert_eq!(form(), "format=json&noNullPoints=true&from=119&until=500&target=total");
}

#[test]
fn who_asks_is_said_to_that_host_alone() {
    let url = serve(|asked| match asked.line.split(' ').nth(1).unwrap() {
        "/old/render" => (308, "location: /new/render/\r\n", Vec::new()),
        "/far/render" => (302, "location: http://other.example/render?secret=1\r\n", Vec::new()),
        "/round/render" => (302, "location: /round/render\r\n", Vec::new()),
        "/new/render/" => ok(format!(
            r#"[{{"target": {:?}, "datapoints": [[1, 60]]}}]"#,
            asked
                .headers
                .lines()
                .filter(|line| line.starts_with("auth") || line.starts_with("x-"))
                .collect::<String>()
        )),
        _ => (401, "", b"who are you".to_vec()),
    });
    let with = |url: &str, headers: &[&str], authorization: Option<&str>| {
        let headers: Vec<_> = headers.iter().map(ToString::to_string).collect();
        let graphite = Graphite::new(url, &["a".to_owned()], &headers, authorization.map(str::to_owned)).unwrap();
        assert!(!format!("{graphite:?}").contains("word"), "{graphite:?}");
        lines(&graphite)
    };
    let told = with(&format!("{url}/old/"), &["X-Org: 7"], Some("Bearer word")).unwrap();
    assert_eq!(told, ["authorization:_bearer_wordx-org:_7 1 60"]);
    // `p@ss word` in base64.
    let user = url.replace("http://", "http://me:p%40ss%20word@");
    let told = with(&format!("{user}/new"), &[], None);
    assert!(
        told.unwrap_err().starts_with("it answered 401"),
        "there is no slash behind render"
    );
    let told = with(&format!("{user}/old"), &[], Some("Bearer word")).unwrap();
    assert_eq!(told, ["authorization:_basic_bwu6cebzcyb3b3jk 1 60"]);
    let refused = with(&format!("{url}/far"), &[], Some("Bearer word")).unwrap_err();
    assert_eq!(
        refused,
        "it leads on to http://other.example/render: give that as --graphite if it is right"
    );
    let refused = with(&format!("{url}/round"), &[], None).unwrap_err();
    assert_eq!(refused, "it leads on more than 5 times");
    let refused = with(&format!("{url}/wrong"), &[], None).unwrap_err();
    assert!(refused.contains("SKYRELAY_GRAPHITE_AUTHORIZATION"), "{refused}");
}

#[test]
fn what_is_no_answer_is_shown() {
    let url = serve(|asked| {
        if asked.is_find() {
            (200, "content-type: text/html\r\n", b"<html>\n  Please log in".to_vec())
        } else {
            (400, "", b"{\"error\": \"target: \\u001b\"}".to_vec())
        }
    });
    let why = lines(&graphite(&url, &["a.*"])).unwrap_err();
    assert!(
        why.starts_with("its answer is not what Graphite gives (") && why.ends_with(": Please log in"),
        "{why}"
    );
    let why = lines(&graphite(&url, &["a"])).unwrap_err();
    assert!(why.starts_with("it answered 400 Bad Request: {\"error\""), "{why}");
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begin = std::time::Instant::now();
    let why = lines(&graphite(&format!("http://{refused}"), &["a"])).unwrap_err();
    assert!(why.to_lowercase().contains("refused"), "{why}");
    assert!(begin.elapsed() >= Duration::from_secs(6), "it is tried again");
}

#[test]
fn what_cannot_be_asked_is_said() {
    let refused = |url: &str, target: &str, header: &str| {
        Graphite::new(url, &[target.to_owned()], &[header.to_owned()], None).unwrap_err()
    };
    for url in ["graphite", "ftp://graphite", "http://", "http://a b", "http://a/?b"] {
        let why = refused(url, "a", "X: 1");
        assert!(
            why.starts_with("--graphite ") && why.contains("expected where Graphite is"),
            "{why}"
        );
    }
    assert!(refused("http://me:secret@a b", "a", "X: 1").starts_with("--graphite http://a b:"));
    assert!(refused("http://a", "a.[b", "X: 1").contains("opened but not closed"));
    assert!(refused("http://a", "a.{b.c,d}", "X: 1").contains("{b.c,d}"));
    assert!(refused("http://a", "a", "X").starts_with("--header: expected"));
}
