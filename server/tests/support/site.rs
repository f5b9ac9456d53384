//! An upstream with something for real clients: files with ranges, uploads, a git repository, a page with events.

use super::client::Client;
use super::message::Message;
use super::teller::{After, Teller};
use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// Targets and the bodies that were sent to them, in order.
type Sent = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// What a site has: contents by their paths, and what was sent to it.
pub(crate) struct Site {
    pub(crate) teller: Teller,
    /// By POST and by PUT.
    sent: Sent,
}

impl Site {
    /// With these files, and the git repositories below a directory at `/git`.
    pub(crate) fn start(files: &[(&str, &str, Vec<u8>)], repositories: Option<PathBuf>) -> Site {
        let files: HashMap<String, (String, Vec<u8>)> = files
            .iter()
            .map(|(path, kind, content)| ((*path).to_owned(), ((*kind).to_owned(), content.clone())))
            .collect();
        let sent = Sent::default();
        let noted = sent.clone();
        let teller = Teller::start(move |link, head, body| {
            let mut words = head.start.split(' ');
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            if let (Some(below), Some(root)) = (path.strip_prefix("/git/"), &repositories) {
                return git(link, head, &body, &[method, below, query], root);
            }
            if matches!(method, "POST" | "PUT") {
                link.send(format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n", body.len())).send(&body);
                noted.lock().unwrap().push((target.to_owned(), body));
                return After::Keep;
            }
            if path == "/events" {
                return events(link);
            }
            match files.get(path) {
                Some((kind, content)) => file(link, head, kind, content),
                None => drop(link.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")),
            }
            After::Keep
        });
        Site { teller, sent }
    }

    /// Waits for a body that was sent to this target.
    pub(crate) fn until_sent(&self, target: &str) -> Vec<u8> {
        let found = || self.sent.lock().unwrap().iter().find(|(to, _)| to == target).map(|(_, body)| body.clone());
        headstart_testing::eventually(target, || found().is_some());
        found().unwrap()
    }
}

fn file(link: &mut Client, head: &Message, kind: &str, content: &[u8]) {
    let from = head.field("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let length = content.len();
    let fields = format!("Content-Type: {kind}\r\nAccept-Ranges: bytes\r\nETag: \"{length}\"\r\n");
    let part = &content[from.unwrap_or(0)..];
    let status = match from {
        Some(from) => format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{length}", length - 1),
        None => "200 OK".to_owned(),
    };
    link.send(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", part.len()));
    if !head.start.starts_with("HEAD ") {
        link.send(part);
    }
}

/// Three events, and then nothing until the client leaves.
fn events(link: &mut Client) -> After {
    link.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n");
    for number in 0..3 {
        link.send(format!("id: {number}\ndata: event {number}\n\n"));
    }
    link.is_over();
    After::Close
}

/// `git http-backend`, as the common gateway interface calls it.
fn git(link: &mut Client, head: &Message, body: &[u8], request: &[&str; 3], root: &PathBuf) -> After {
    let [method, below, query] = *request;
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("PATH_INFO", format!("/{below}")).env("QUERY_STRING", query).env("REQUEST_METHOD", method);
    command.env("CONTENT_LENGTH", body.len().to_string()).env("REMOTE_USER", "tests");
    for (field, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "HTTP_GIT_PROTOCOL"),
    ] {
        command.env(variable, head.field(field).unwrap_or_default());
    }
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git starts");
    process.stdin.take().unwrap().write_all(body).unwrap();
    let output = process.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let fields = String::from_utf8(output[..end].to_vec()).unwrap();
    let status = fields.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    // Without a length, as its output comes.
    link.send(format!("HTTP/1.1 {status}\r\n{fields}\r\n\r\n")).send(&output[end + 4..]);
    After::Close
}
