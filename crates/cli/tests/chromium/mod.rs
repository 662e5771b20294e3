//! A browser without a window, driven through its debugging pipe: messages of JSON that end with a
//! zero byte, to its descriptor 3 and from its descriptor 4.

use serde_json::{Value, json};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that a page may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Chromium {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last: u64,
    session: Value,
    requests: Vec<String>,
    complaints: Vec<String>,
    _profile: TempDir,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = write!(self.to, "{}\0", json!({"id": 0, "method": "Browser.close"}));
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Chromium {
    pub(crate) fn start() -> Self {
        Self::with(&["--disable-gpu"])
    }

    /// With a GPU of software behind WebGPU.
    pub(crate) fn with_gpu() -> Self {
        Self::with(&[
            "--enable-unsafe-webgpu",
            "--use-webgpu-adapter=swiftshader",
            "--enable-features=Vulkan",
        ])
    }

    fn with(flags: &[&str]) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let program = env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$@\" 3<&0 4>&1 >/dev/null 2>&1",
                "sh",
                &program,
            ])
            .args(["--headless", "--no-sandbox", "--disable-dev-shm-usage"])
            .args(flags)
            .args([
                "--remote-debugging-pipe",
                "--no-first-run",
                "--disable-background-networking",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let to = child.stdin.take().expect("piped");
        let from = BufReader::new(child.stdout.take().expect("piped"));
        let mut browser = Self {
            child,
            to,
            from,
            last: 0,
            session: Value::Null,
            requests: Vec::new(),
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        browser.session = browser.call("Target.attachToTarget", attach)["sessionId"].clone();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let workers = json!({"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true});
        browser.call("Target.setAutoAttach", workers);
        browser
    }

    /// Sends a command and waits for its result. Events on the way are noted.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params, &self.session.clone());
        self.result(method, id)
    }

    /// Stops the process that draws with the GPU, as a fault of its driver would.
    pub(crate) fn lose_gpu(&mut self) {
        let method = "Browser.crashGpuProcess";
        let id = self.send(method, json!({}), &Value::Null);
        self.result(method, id);
    }

    fn result(&mut self, method: &str, id: u64) -> Value {
        loop {
            let message = self.receive();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    fn send(&mut self, method: &str, params: Value, session: &Value) -> u64 {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !session.is_null() {
            message["sessionId"] = session.clone();
        }
        write!(self.to, "{message}\0").expect("the browser runs");
        self.last
    }

    fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from
            .read_until(0, &mut bytes)
            .expect("the browser runs");
        assert_eq!(
            bytes.pop(),
            Some(0),
            "the browser has ended; is chromium installed?"
        );
        let message: Value = serde_json::from_slice(&bytes).expect("JSON");
        let params = message["params"].clone();
        match message["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                self.requests.push(url.to_owned());
            }
            // A worker is not started before its requests are watched too.
            Some("Target.attachedToTarget") => {
                let session = params["sessionId"].clone();
                for method in ["Network.enable", "Runtime.runIfWaitingForDebugger"] {
                    self.send(method, json!({}), &session);
                }
            }
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"].to_string());
            }
            Some("Runtime.exceptionThrown") => self.complaints.push(params.to_string()),
            _ => {}
        }
        message
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.wait("document.readyState === 'complete'");
    }

    /// Runs a script before those of every page that is opened from now on.
    pub(crate) fn before_scripts(&mut self, source: &str) {
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({"source": source}),
        );
    }

    /// The value of an expression.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Waits until an expression is neither 0 nor empty.
    pub(crate) fn wait(&mut self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while !self
            .value(&format!("!!({expression})"))
            .as_bool()
            .unwrap_or(false)
        {
            if Instant::now() > until {
                let shown = self.value("document.body?.innerText ?? ''");
                panic!(
                    "waited for {expression}: {:?}; the page says: {shown}",
                    self.complaints
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A window of this size and colour scheme.
    pub(crate) fn window(&mut self, scheme: &str, width: u32, height: u32) {
        self.call("Emulation.setScrollbarsHidden", json!({"hidden": true}));
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.call("Emulation.setEmulatedMedia", json!({"features": [feature]}));
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}),
        );
    }

    /// Presses and releases a key.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "ArrowRight" => 39,
            key => panic!("the code of {key} is not here"),
        };
        let mut event =
            json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code});
        if key == "Enter" {
            event["text"] = "\r".into();
        }
        self.call("Input.dispatchKeyEvent", event.clone());
        event["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Takes a picture of the whole page; keeps it if a folder for pictures is named. Returns 1.
    pub(crate) fn picture(&mut self, name: &str) -> usize {
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let taken = self.call("Page.captureScreenshot", params);
        let picture = from_base64(taken["data"].as_str().expect("a picture"));
        assert!(picture.len() > 5000, "{name} is all of one colour");
        keep(&format!("{name}.png"), &picture);
        1
    }

    /// A picture of the window, a tenth smaller, as the bytes of a PNG file.
    pub(crate) fn photograph(&mut self) -> Vec<u8> {
        let size = self.value("[innerWidth, innerHeight]");
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 0.9});
        let params = json!({"format": "png", "clip": clip});
        let taken = self.call("Page.captureScreenshot", params);
        from_base64(taken["data"].as_str().expect("a picture"))
    }

    /// The addresses of all that has been asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.clone()
    }

    /// Errors in the log of the browser.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.clone()
    }
}

/// Keeps a file if `SCREENSHOTS` names a folder for pictures.
pub(crate) fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = env::var_os("SCREENSHOTS") {
        fs::create_dir_all(&folder).expect("a writable folder");
        fs::write(Path::new(&folder).join(name), bytes).expect("a writable folder");
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn from_base64(text: &str) -> Vec<u8> {
    let values: Vec<u32> = (text.bytes())
        .filter_map(|b| DIGITS.iter().position(|d| *d == b))
        .map(|value| value as u32)
        .collect();
    let bytes = values.chunks(4).flat_map(|part| {
        let word = (0..4).fold(0, |word, i| word << 6 | part.get(i).copied().unwrap_or(0));
        word.to_be_bytes()[1..part.len()].to_vec()
    });
    bytes.collect()
}
