//! A real Chromium without a window, told what to do over a pipe in its own protocol (the `DevTools` protocol).
//!
//! What it complains about is kept: exceptions, errors on the console, and what the policy of a page has forbidden. So is
//! each address that it has asked.

use super::process::{bound_to_this_process, find_peer};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Enough for any answer of a browser on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

/// It reads on descriptor 3 and writes on 4. What it says otherwise is of its own affairs.
const ON_PIPES: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];

/// A browser with one tab. Dropping it ends it.
pub(crate) struct Chromium {
    child: Child,
    to: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    problems: Vec<String>,
    asked: Vec<String>,
    _profile: TempDir,
}

/// How a page is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// Of the screen (pixels).
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

/// On a desk, by day.
pub(crate) const DESK: Look = Look {
    width: 1280,
    height: 900,
    dark: false,
};
/// On a desk, by night.
pub(crate) const NIGHT: Look = Look { dark: true, ..DESK };
/// On a small phone.
pub(crate) const PHONE: Look = Look {
    width: 360,
    height: 780,
    dark: false,
};

impl Chromium {
    /// Starts it with a profile of its own.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut command = bound_to_this_process(Path::new("sh"));
        command
            .args(["-c", ON_PIPES, "sh"])
            .arg(find_peer("chromium"))
            .args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg("about:blank");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromium does not start: {error}"));
        let to = child.stdin.take().expect("piped");
        let mut from = BufReader::new(child.stdout.take().expect("piped"));
        let (told, messages) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while from.read_until(0, &mut message).is_ok_and(|bytes| bytes > 0) {
                message.pop();
                let message = std::mem::take(&mut message);
                // Nobody may be listening any more.
                let _ = told.send(serde_json::from_slice(&message).expect("it speaks JSON"));
            }
        });
        let mut browser = Self {
            child,
            to,
            messages,
            session: None,
            last_id: 0,
            problems: Vec::new(),
            asked: Vec::new(),
            _profile: profile,
        };
        let targets = browser.call("Target.getTargets", &json!({}));
        let targets = targets["targetInfos"].as_array().expect("a list");
        let tab = targets.iter().find(|target| target["type"] == "page");
        let tab = tab.expect("it was started with a tab")["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({"targetId": tab, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.look(DESK);
        browser
    }

    /// Asks for something, and gives the answer.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut text = message.to_string().into_bytes();
        text.push(0);
        self.to.write_all(&text).expect("chromium is there");
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .messages
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(mut answer) if answer["id"] == json!(id) => {
                    assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                    return answer["result"].take();
                }
                Ok(event) => self.note(&event),
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer within {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: chromium has ended"),
            }
        }
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.problems.push(parameters["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") if parameters["type"] == "error" || parameters["type"] == "warning" => {
                self.problems.push(parameters["args"].to_string());
            }
            Some("Log.entryAdded") if parameters["entry"]["level"] != "verbose" => {
                let entry = &parameters["entry"];
                self.problems
                    .push(format!("{} {}", text(&entry["text"]), text(&entry["url"])));
            }
            Some("Network.requestWillBeSent") => self.asked.push(text(&parameters["request"]["url"])),
            _ => {}
        }
    }

    /// Has the page be looked at like this.
    pub(crate) fn look(&mut self, look: Look) {
        let Look { width, height, dark } = look;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &features);
    }

    /// Goes to an address, from nowhere, so that nothing of the page before is left.
    #[track_caller]
    pub(crate) fn open(&mut self, address: &str) {
        self.call("Page.navigate", &json!({"url": "about:blank"}));
        self.call("Page.navigate", &json!({"url": address}));
    }

    /// What an expression is on the page.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let wanted = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", &wanted);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true on the page, and gives how long that took.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, expression: &str) -> Duration {
        let begun = Instant::now();
        // What it asks for may not be there yet.
        let expression = format!("(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()");
        while self.eval(&expression) != json!(true) {
            if begun.elapsed() > PATIENCE {
                let text = self.eval("document.body?.innerText");
                panic!(
                    "no {what} within {PATIENCE:?}: {} {:?}",
                    text.as_str().unwrap_or_default(),
                    self.problems
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        begun.elapsed()
    }

    /// Presses keys, one after the other: letters as they are, others by their names.
    #[track_caller]
    pub(crate) fn press(&mut self, keys: &[&str]) {
        for key in keys {
            let (text, code) = match *key {
                "Enter" => ("\r", 13),
                "Escape" => ("", 27),
                one => (one, 0),
            };
            let down = json!({"type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", &down);
            let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", &up);
        }
    }

    /// Writes into what has the focus.
    #[track_caller]
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Presses, moves and lets go of the mouse.
    #[track_caller]
    pub(crate) fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        for (kind, (x, y), buttons) in [
            ("mouseMoved", from, 0),
            ("mousePressed", from, 1),
            ("mouseMoved", to, 1),
            ("mouseReleased", to, 0),
        ] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({"type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1});
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Keeps a picture of what is seen as a file of that name under `target/tmp/page/`.
    #[track_caller]
    pub(crate) fn picture(&mut self, name: &str) {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let picture = self.call("Page.captureScreenshot", &json!({}));
        let bytes = STANDARD
            .decode(picture["data"].as_str().expect("text"))
            .expect("base64");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
        fs::create_dir_all(&folder).expect("the directory is ours");
        fs::write(folder.join(name).with_extension("png"), bytes).expect("the directory is ours");
    }

    /// What it has complained about since it was last asked.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        // So that it has told all that has come before.
        self.eval("new Promise((done) => setTimeout(done, 50))");
        std::mem::take(&mut self.problems)
    }

    /// The addresses that it has asked for anything.
    pub(crate) fn asked(&self) -> &[String] {
        &self.asked
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        self.child.wait().expect("our own child");
    }
}
