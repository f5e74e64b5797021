//! `skyrelay backtest --report`: the page, as it is and as Chromium shows it.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::{process::find_peer, skyrelay::PROGRAM};
use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A name that would be a script if it could.
const HOSTILE: &str = "web.<script>document.title='taken'</script>\"'><img/src=x/onerror=alert(1)>.load";

/// Eight hours a minute apart of a calm series and of two with spikes.
fn lines() -> String {
    let mut lines = String::new();
    for minute in 0..480 {
        let timestamp = 1_700_000_000 + 60 * minute;
        let spike = if minute % 100 == 50 {
            70 + minute / 10
        } else {
            10 + minute % 7
        };
        writeln!(lines, "calm.load {} {timestamp}", 10 + minute % 7).unwrap();
        writeln!(lines, "{HOSTILE} {spike} {timestamp}").unwrap();
        writeln!(lines, "queue.length {spike} {timestamp}").unwrap();
    }
    lines
}

fn threshold(folder: &Path, name: &str, above: u32) -> PathBuf {
    let path = folder.join(name);
    let text = format!(
        "[detector.limit]\nkind = \"threshold\"\nabove = {above}\n[[watch]]\nmatch = [\"**\"]\ndetectors = [\"limit\"]\n"
    );
    fs::write(&path, text).unwrap();
    path
}

/// Runs a backtest with `lines` on standard input.
fn backtest(arguments: &[&Path], lines: &str) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("backtest").args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end without having read anything.
    let _ = stdin.write_all(lines.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_report_shows_series_with_anomalies_first_and_asks_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (config, page) = (threshold(folder.path(), "a.toml", 60), folder.path().join("out.html"));
    let flag = |text: &'static str| Path::new(text);
    let plain = backtest(&[flag("--config"), &config], &lines());
    let output = backtest(&[flag("--config"), &config, flag("--report"), &page], &lines());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, plain.stdout, "what is told is the same");

    let html = fs::read_to_string(&page).unwrap();
    let titles: Vec<&str> = html
        .split("<h2>")
        .skip(1)
        .map(|rest| rest.split("</h2>").next().unwrap())
        .collect();
    assert_eq!(titles.len(), 3, "{titles:?}");
    assert_eq!(titles[2], "calm.load");
    assert!(titles.contains(&"queue.length"), "{titles:?}");
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script") && !html.contains("<img"));
    assert!(html.contains("default-src 'none'"));
    assert_eq!(
        html.matches("<figure>").count(),
        10,
        "five spikes of each, seen from close by"
    );
    assert_eq!(html.matches("<svg").count(), 3 + 10);
    assert_eq!(html.matches("<circle").count(), 20, "each spike twice");
    for asks in ["src=\"", "href=", "url(", "@import", "<link", "<iframe"] {
        assert!(!html.contains(asks), "{asks}");
    }
}

#[test]
fn a_report_on_two_configurations_has_a_plot_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (
        threshold(folder.path(), "old.toml", 60),
        threshold(folder.path(), "new.toml", 100),
    );
    let (page, file) = (folder.path().join("out.html"), folder.path().join("lines"));
    fs::write(&file, lines()).unwrap();
    let flag = |text: &'static str| Path::new(text);
    let output = backtest(
        &[
            flag("--config"),
            &old,
            flag("--against"),
            &new,
            flag("--report"),
            &page,
            &file,
        ],
        "",
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().contains("limit on **"));
    let html = fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("<figure>").count(), 2 * (5 + 2));
    assert_eq!(html.matches("<svg").count(), 6 + 14);
    for heading in ["5 anomalies with ", "2 anomalies with ", "0 anomalies with "] {
        assert!(html.contains(heading), "{heading}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_the_work() {
    let flag = |text: &'static str| Path::new(text);
    let output = backtest(&[flag("--report"), flag("/nonexistent/out.html")], &lines());
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("/nonexistent/out.html cannot be written"), "{stderr}");
    assert_eq!(output.stdout, b"");
}

/// Chromium, asked for the page as it is once its scripts, if it had any, have run.
fn chromium(page: &Path, arguments: &[&str]) -> Output {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(find_peer("chromium"));
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--enable-logging=stderr", "--log-level=0"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(page);
    command.output().unwrap()
}

#[test]
fn chromium_shows_the_report_without_a_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let (config, page) = (threshold(folder.path(), "a.toml", 60), folder.path().join("out.html"));
    let flag = |text: &'static str| Path::new(text);
    let output = backtest(&[flag("--config"), &config, flag("--report"), &page], &lines());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = chromium(&page, &["--dump-dom"]);
    let dom = String::from_utf8_lossy(&shown.stdout);
    let said = String::from_utf8_lossy(&shown.stderr);
    assert!(dom.contains("<title>skyrelay backtest</title>"), "{dom}\n{said}");
    assert_eq!(dom.matches("<svg").count(), 3 + 10);
    assert!(!dom.contains("<script") && !dom.contains("<img"));
    // What a page does wrong, by its own rules as well, is said on the console.
    assert!(!said.contains("CONSOLE"), "{said}");
    if let Some(kept) = std::env::var_os("SKYRELAY_PICTURES") {
        let picture = Path::new(&kept).join("report.png");
        let screenshot = format!("--screenshot={}", picture.display());
        chromium(&page, &[&screenshot, "--window-size=1000,1100"]);
        let picture = Path::new(&kept).join("report-dark.png");
        let screenshot = format!("--screenshot={}", picture.display());
        let dark = ["--window-size=420,1000", "--blink-settings=preferredColorScheme=0"];
        chromium(&page, &[&screenshot, dark[0], dark[1]]);
        fs::copy(&page, Path::new(&kept).join("report.html")).unwrap();
    }
}
