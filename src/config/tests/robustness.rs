//! Whatever the bytes are, reading them ends soon, with settings or with messages that point into the text.

use proptest::prelude::*;

use super::*;

/// Settings that read back, or messages that are in order.
fn check(text: &str) {
    match Config::parse(Path::new("f.toml"), text) {
        Ok(config) => {
            let printed = config.to_toml();
            // What is masked is gone.
            if !printed.contains(MASK) {
                assert_eq!(good(&printed), config, "{printed}");
            }
        }
        Err(error) => {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                let shown = problem.to_string();
                let lines = if problem.excerpt.is_some() { 3 } else { 1 };
                assert_eq!(shown.lines().count(), lines, "{shown:?}");
                let position = problem.position.unwrap_or(Position { line: 1, column: 1 });
                // What is missing is missed behind the end.
                assert!(position.line <= text.split('\n').count(), "{shown}");
                let line = text.split('\n').nth(position.line - 1).unwrap_or_default();
                assert!(position.column <= line.chars().count() + 1, "{shown}");
            }
        }
    }
}

/// An edit of a text: at a place in it (of 10,000), so many characters are replaced by something.
fn edits() -> impl Strategy<Value = Vec<(usize, usize, String)>> {
    let pieces = "\\PC{0,3}|[\"'\\[\\]{}=.,#\n0-9]{1,3}|off|true|\\[\\[watch\\]\\]\n|\\[listen\\]\n|-1|\"24h\"";
    prop::collection::vec((0..10_000_usize, 0..12_usize, pieces), 1..4)
}

proptest! {
    #[test]
    fn any_text(text: String) {
        check(&text);
    }

    #[test]
    fn any_text_of_the_right_characters(text in "([a-z_]{1,4}|[\"'\\[\\]{}=.,# \n0-9:-]|\"\"\"|= ){0,60}") {
        check(&text);
    }

    #[test]
    fn the_example_with_slips(edits in edits()) {
        let mut text: Vec<char> = uncommented().chars().collect();
        for (place, count, piece) in edits {
            let start = text.len() * place / 10_000;
            let end = text.len().min(start + count);
            text.splice(start..end, piece.chars());
        }
        check(&text.into_iter().collect::<String>());
    }
}

#[test]
fn deep_nesting_is_refused() {
    let keys = vec!["a"; 79].join(".");
    let (open, close) = (format!("{{{keys} = ").repeat(78), "}".repeat(78));
    let text = format!("[{keys}]\n{keys} = {open}1{close}");
    let error = Config::parse(Path::new("f.toml"), &text).unwrap_err();
    assert!(
        error.to_string().ends_with("tables are nested too deep here"),
        "{error}"
    );
    check(&text);
    check(&vec!["a"; 100_000].join("."));
    check(&format!("a = {}", "[".repeat(100_000)));
    check(&format!("a = {}", "{a=".repeat(100_000)));
}

/// What `show` makes of each number below `count`, one behind the other.
fn numbered(count: usize, show: fn(usize) -> String) -> String {
    (0..count).map(show).collect()
}

#[test]
fn many_mistakes_are_counted() {
    let text = numbered(20_000, |index| format!("key{index} = 1\n"));
    let error = Config::parse(Path::new("f.toml"), &text).unwrap_err();
    assert_eq!(error.problems().len(), 101);
    assert_eq!(
        error.problems()[100].to_string(),
        "f.toml: 19900 more mistakes are not shown"
    );
}

/// Processor time that this process has used. Others on the machine do not count, other tests do.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // In the program and in the kernel, in hundredths of a second: fields 14 and 15; the name, the second, may hold blanks.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

#[test]
fn large_files_end_soon() {
    // Other tests run at the same time, one on each other processor.
    let cores = u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    let many = |element: &str, count: usize| vec![element; count].join(",");
    for text in [
        "x = = 1 ".repeat(100_000),
        "[[forward]]\n".repeat(9000),
        numbered(9000, |n| format!("[[forward]]\naddress = \"host:{n}\"\n")),
        format!("listen.tcp = [{}]", many("\"127.0.0.1:1\"", 10_000)),
        format!("listen.tcp = [{}]", numbered(10_000, |n| format!("\"127.0.0.1:{n}\","))),
        format!("listen.tcp = [{}]", many("\"127.0.0.1:1\"", 20_000)),
        format!(
            "[[watch]]\nmatch = [{}]",
            many(&format!("\"{}\"", "?".repeat(300)), 9000)
        ),
        numbered(9000, |n| format!("[detector.detector{n}]\nkind = \"skyline\"\n")) + "watch = []",
        format!("[[watch]]\nmatch = [{}]", many("\"a.*\"", 300)),
        format!("[[watch]]\nmatch = [\"{}\"]", "?".repeat(1 << 20)),
        format!("[[watch]]\nmatch = [\"{}\"]", "{".repeat(1 << 20)),
        format!("{} = 1", "x".repeat(1 << 20)),
    ] {
        let before = processor_time();
        check(&text);
        let took = processor_time().checked_sub(before).unwrap();
        assert!(took < cores * Duration::from_secs(60), "{took:?} for {}", &text[..40]);
    }
}
