//! A server of a few files in memory, for browsers on this machine.
//!
//! It answers GET for exactly these files, by the names of this machine alone: a page from
//! elsewhere whose name is made to lead here (DNS rebinding) is refused, and so is every other
//! path and method. It logs nothing and keeps nothing.

use pyroclast_web::page::{POLICY, PageFile};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// The largest request that is read.
const LONGEST: usize = 16 * 1024;
/// The most headers of a request.
const HEADERS: usize = 100;
/// The most connections at once.
const CONNECTIONS: usize = 64;
/// The time that a connection may wait for the other side.
const PATIENCE: Duration = Duration::from_secs(10);
/// The port where none is given, and how many after it are tried.
const PORTS: std::ops::Range<u16> = 8000..8020;

/// Listens on this port of this machine, or on the first free one of a few.
pub(crate) fn listen(port: Option<u16>) -> io::Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if let Some(port) = port {
        return bind(port);
    }
    let mut last = None;
    for port in PORTS {
        match bind(port) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => last = Some(error),
            other => return other,
        }
    }
    Err(last.expect("there are ports to try"))
}

/// Serves the files until the process ends.
///
/// # Errors
/// Those of a socket that can no longer accept connections.
pub(crate) fn serve(listener: &TcpListener, files: Vec<PageFile>) -> io::Result<()> {
    let port = listener.local_addr()?.port();
    let (files, open) = (Arc::new(files), Arc::new(AtomicUsize::new(0)));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            // The other side has gone already, or there are too many files for a moment.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(_) => {
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        if open.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let (files, open) = (files.clone(), open.clone());
        thread::spawn(move || {
            // Who has gone does not miss an answer.
            let _ = answer(stream, &files, port);
            open.fetch_sub(1, Ordering::AcqRel);
        });
    }
    Ok(())
}

/// Reads one request and answers it.
fn answer(mut stream: TcpStream, files: &[PageFile], port: u16) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let reply = loop {
        let mut part = [0; 2048];
        let n = stream.read(&mut part)?;
        request.extend_from_slice(&part[..n]);
        match Reply::to(&request, files, port) {
            Some(reply) => break reply,
            None if n == 0 => return Ok(()),
            None if request.len() > LONGEST => {
                break Reply::refusal("431 Request Header Fields Too Large");
            }
            None => {}
        }
    };
    reply.write(&mut stream)?;
    stream.shutdown(Shutdown::Write)?;
    // A socket that is closed with bytes unread takes back what it has sent.
    let mut rest = (&stream).take(LONGEST as u64);
    io::copy(&mut rest, &mut io::sink()).map(|_| ())
}

/// An answer to a request.
struct Reply<'a> {
    status: &'static str,
    media_type: &'static str,
    body: &'a [u8],
}

impl<'a> Reply<'a> {
    /// The answer to these bytes; `None` if they are the beginning of a request.
    fn to(request: &[u8], files: &'a [PageFile], port: u16) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(request) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return None,
            Err(_) => return Some(Self::refusal("400 Bad Request")),
        }
        let mut hosts = parsed
            .headers
            .iter()
            .filter(|h| h.name.eq_ignore_ascii_case("host"));
        let host = hosts.next().map(|header| header.value);
        if hosts.next().is_some() || !host.is_some_and(|host| is_own(host, port)) {
            return Some(Self::refusal("421 Misdirected Request"));
        }
        if parsed.method != Some("GET") {
            return Some(Self::refusal("405 Method Not Allowed"));
        }
        let path = parsed.path.unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let name = match path {
            "/" => "index.html",
            path => path.strip_prefix('/').unwrap_or_default(),
        };
        let file = files.iter().find(|file| file.name == name);
        Some(match file {
            Some(file) => Self {
                status: "200 OK",
                media_type: file.media_type,
                body: &file.contents,
            },
            None => Self::refusal("404 Not Found"),
        })
    }

    /// An answer without a file; its body is the status.
    fn refusal(status: &'static str) -> Self {
        Self {
            status,
            media_type: "text/plain; charset=utf-8",
            body: status.as_bytes(),
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self {
            status,
            media_type,
            body,
        } = self;
        let allow = match status.starts_with("405") {
            true => "Allow: GET\r\n",
            false => "",
        };
        write!(
            out,
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n{allow}\
             Content-Security-Policy: {POLICY}; frame-ancestors 'none'\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            body.len()
        )?;
        out.write_all(body)
    }
}

/// Whether a browser that asks for this host means this server.
fn is_own(host: &[u8], port: u16) -> bool {
    ["127.0.0.1", "localhost"].iter().any(|name| {
        let with_port = format!("{name}:{port}");
        host.eq_ignore_ascii_case(with_port.as_bytes())
            || (port == 80 && host.eq_ignore_ascii_case(name.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> Option<&'static str> {
        let file = |name: &str| PageFile {
            name: name.to_owned(),
            media_type: "text/html",
            contents: b"hello".as_slice().into(),
        };
        let files = [file("index.html"), file("a.js")];
        Reply::to(request.as_bytes(), &files, 8000).map(|reply| reply.status)
    }

    #[test]
    fn only_get_of_its_own_files_by_its_own_name_is_answered() {
        let host = "Host: localhost:8000\r\n\r\n";
        for (request, expected) in [
            (format!("GET / HTTP/1.1\r\n{host}"), "200 OK"),
            (format!("GET /a.js?v=1 HTTP/1.1\r\n{host}"), "200 OK"),
            (format!("GET /b.js HTTP/1.1\r\n{host}"), "404 Not Found"),
            (format!("GET /../a.js HTTP/1.1\r\n{host}"), "404 Not Found"),
            (format!("GET //a.js HTTP/1.1\r\n{host}"), "404 Not Found"),
            (
                format!("GET /%2e%2e/a.js HTTP/1.1\r\n{host}"),
                "404 Not Found",
            ),
            (
                format!("GET http://localhost:8000/ HTTP/1.1\r\n{host}"),
                "404 Not Found",
            ),
            (
                format!("POST / HTTP/1.1\r\n{host}"),
                "405 Method Not Allowed",
            ),
            (
                format!("HEAD / HTTP/1.1\r\n{host}"),
                "405 Method Not Allowed",
            ),
            (
                format!("GET / HTTP/1.1\r\nHost: localhost:8000\r\n{host}"),
                "421 Misdirected Request",
            ),
            ("GET / HTTP/1.1\r\n\r\n".into(), "421 Misdirected Request"),
            (
                "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
                "421 Misdirected Request",
            ),
            (
                "GET / HTTP/1.1\r\nHost: localhost:8001\r\n\r\n".into(),
                "421 Misdirected Request",
            ),
            (
                "GET / HTTP/1.1\r\nHost: evil.example:8000\r\n\r\n".into(),
                "421 Misdirected Request",
            ),
            (
                "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil:8000\r\n\r\n".into(),
                "421 Misdirected Request",
            ),
            ("\u{1}\r\n\r\n".into(), "400 Bad Request"),
        ] {
            assert_eq!(status(&request), Some(expected), "{request}");
        }
        assert_eq!(status("GET / HTTP/1.1\r\nHost: local"), None);
    }
}
