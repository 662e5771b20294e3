//! `serve` and `page` from the real binary: what is written, what is answered, what is refused.

mod place;

use place::{Place, QUICK_DIGITS};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A server of a page that is stopped when it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(place: &Place, models: &[&str]) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("pyroclast"))
            .arg("serve")
            .args(models.iter().map(|model| place.path(model)))
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out)
            .read_line(&mut line)
            .expect("its address");
        let address = line.trim().strip_prefix("http://127.0.0.1:");
        let port = address.and_then(|rest| rest.trim_end_matches('/').parse().ok());
        Self {
            child,
            port: port.unwrap_or_else(|| panic!("no address: {line}")),
        }
    }

    /// The head and the body of the answer to these bytes.
    fn answer(&self, request: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("it answers");
        let end = bytes
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        (head, bytes.split_off(end + 4))
    }

    fn get(&self, path: &str) -> (String, Vec<u8>) {
        let port = self.port;
        self.answer(&format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(answer: &(String, Vec<u8>)) -> &str {
    answer.0.split(' ').nth(1).expect("a status")
}

#[test]
fn a_page_is_a_folder_of_files_with_the_models_in_half_precision() {
    let place = Place::new();
    place.trained();
    place.ok(&format!("train digits --out digits {QUICK_DIGITS}"));
    place.ok("export digits --out digits.safetensors");
    let ran = place.ok("page run digits --out site");
    assert!(
        ran.stdout.contains("8 files") && ran.stdout.contains("site"),
        "{}",
        ran.stdout
    );
    let size = |name: &str| fs::metadata(place.path(name)).expect("a file").len();
    let (half, single) = (size("site/digits.safetensors"), size("digits.safetensors"));
    assert!(10 * half < 6 * single, "{half} of {single} bytes");
    let page = fs::read_to_string(place.path("site/index.html")).expect("a page");
    let (moons, digits) = (
        page.find("moons.safetensors"),
        page.find("digits.safetensors"),
    );
    assert!(
        moons < digits && moons.is_some(),
        "the first model comes first"
    );
    assert!(page.contains("default-src 'none'"));
    // The model of the page is a model like any other.
    place.ok("sample site/digits.safetensors -n 2 --steps 2 --device flex --out s.npy");
    // The same again, with JSON; into another folder, no.
    let ran = place.ok("page run --out site --json");
    assert!(
        ran.stdout.contains("\"files\":[\"index.html\""),
        "{}",
        ran.stdout
    );
    place.fails(
        "page run --out run",
        2,
        &["the folder run holds other files; give a new one"],
    );
    place.fails(
        "page run --out digits.safetensors",
        2,
        &["is a file; give the name of a folder"],
    );
    place.fails("page nothing --out site", 1, &["nothing"]);
    place.fails("page --out site", 2, &["<RUN>..."]);
}

#[test]
fn the_server_answers_get_of_its_files_by_its_own_name_alone() {
    let place = Place::new();
    place.trained();
    let server = Server::start(&place, &["run"]);
    let page = server.get("/");
    assert_eq!(status(&page), "200");
    for header in [
        "Content-Security-Policy: default-src 'none';",
        "frame-ancestors 'none'",
        "X-Content-Type-Options: nosniff",
        "Cross-Origin-Resource-Policy: same-origin",
    ] {
        assert!(page.0.contains(header), "{header} is not in {}", page.0);
    }
    place.ok("page run --out site");
    for name in [
        "pyroclast.wasm",
        "pyroclast-gpu.js",
        "pyroclast-gpu.wasm",
        "pyroclast.js",
        "pyroclast.css",
        "moons.safetensors",
    ] {
        let (head, body) = server.get(&format!("/{name}"));
        let file = fs::read(place.path("site").join(name)).expect("a file");
        assert!(
            head.starts_with("HTTP/1.1 200 OK") && body == file,
            "{name}: {head}"
        );
    }
    for path in [
        "/run/config.toml",
        "/../run/config.toml",
        "/etc/passwd",
        "/index.html/",
    ] {
        assert_eq!(status(&server.get(path)), "404", "{path}");
    }
    let port = server.port;
    for (request, expected) in [
        (
            format!("GET / HTTP/1.1\r\nHost: rebound.example:{port}\r\n\r\n"),
            "421",
        ),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "421"),
        (
            format!("POST / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
            "405",
        ),
        (
            format!("DELETE / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
            "405",
        ),
        ("no request\r\n\r\n".to_owned(), "400"),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)), "431"),
    ] {
        let answer = server.answer(&request);
        assert_eq!(status(&answer), expected, "{:.60}", request);
    }
    // A port that is taken is named.
    place.fails(
        &format!("serve run --port {port}"),
        1,
        &[&format!("port {port}")],
    );
}
