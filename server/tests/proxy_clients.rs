//! Real clients through the proxy, as they are.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::proxied::Proxied;
use crate::support::python::curl;
use crate::support::site::Site;
use headstart_testing::needs;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory that is gone with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let place = std::env::temp_dir().join(format!("headstart-clients-{}-{number}", std::process::id()));
        fs::create_dir(&place).unwrap();
        Place(place)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// As `clients.py` makes it.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

fn site() -> (Site, Proxied) {
    let site = Site::start(&[("/file", "application/octet-stream", content(300_000))], None);
    let proxy = Proxied::to(&[site.teller.url()], &["--schedule", "0,300"]);
    (site, proxy)
}

#[track_caller]
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An exercise of `clients.py`.
fn python(exercise: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
    command.args(["-I", "-c", include_str!("support/clients.py"), exercise, argument]);
    command
}

#[needs("curl")]
#[test]
fn curl_downloads_resumes_and_uploads() {
    let (site, proxy) = site();
    let place = Place::new();
    let whole = content(300_000);
    for version in ["--http1.1", "--http1.0"] {
        assert!(run(&mut curl(&[version, &proxy.url("/file")])) == whole, "{version}");
        let part = place.file("part");
        fs::write(&part, &whole[..123_456]).unwrap();
        run(&mut curl(&[version, "-C", "-", "-o", part.to_str().unwrap(), &proxy.url("/file")]));
        assert!(fs::read(&part).unwrap() == whole, "resumed with {version}");
    }
    // Above a megabyte curl asks first: Expect: 100-continue.
    let large = content(3_000_000);
    fs::write(place.file("large"), &large).unwrap();
    let file = place.file("large");
    let file = file.to_str().unwrap();
    for (number, how) in [&["-T", file][..], &["--http1.0", "-T", file]].into_iter().enumerate() {
        let target = format!("/upload/{number}");
        assert!(run(curl(how).arg(proxy.url(&target))) == large, "{how:?}");
        assert!(site.until_sent(&target) == large);
    }
    let mut chunked = curl(&["-T", "-"]);
    let mut chunked = chunked.arg(proxy.url("/chunked")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = chunked.stdin.take().unwrap();
    let sent = large.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    assert!(chunked.wait_with_output().unwrap().stdout == large);
    writer.join().unwrap();
    let form = run(curl(&["-F", &format!("f=@{file};filename=a b")]).arg(proxy.url("/form")));
    assert!(form.windows(1_000).any(|part| part == &large[..1_000]));
    assert_eq!(run(curl(&["-d", "a=b", "-o", "/dev/null", "-w", "%{http_code}"]).arg(proxy.url("/form2"))), b"201");
}

#[needs("requests")]
#[test]
fn python_s_requests_works() {
    let (_site, proxy) = site();
    run(&mut python("with_requests", &proxy.url("")));
}

#[needs("urllib3")]
#[test]
fn python_s_urllib3_works() {
    let (_site, proxy) = site();
    run(&mut python("with_urllib3", &proxy.url("")));
}

#[needs("websockets")]
#[test]
fn a_websocket_client_works() {
    let mut server = python("websocket_server", "").stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
    let proxy = Proxied::to(&[format!("http://127.0.0.1:{}", port.trim())], &["--schedule", "0,300"]);
    let done = python("websocket", &proxy.url("")).output();
    server.kill().unwrap();
    server.wait().unwrap();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn git(place: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", place);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    command.args(["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]);
    run(command.current_dir(place).args(arguments))
}

#[needs("git")]
#[test]
fn git_clones_and_pushes_over_http() {
    let place = Place::new();
    fs::create_dir(place.file("work")).unwrap();
    let work = place.file("work");
    git(&work, &["init", "--quiet"]);
    fs::write(work.join("large"), content(2_000_000)).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "first"]);
    git(&place.0, &["clone", "--quiet", "--bare", "work", "repositories/a.git"]);
    git(&place.file("repositories/a.git"), &["config", "http.receivepack", "true"]);
    let site = Site::start(&[], Some(place.file("repositories")));
    let proxy = Proxied::to(&[site.teller.url()], &["--schedule", "0,3000"]);
    let url = proxy.url("/git/a.git");
    git(&place.0, &["clone", "--quiet", &url, "cloned"]);
    let cloned = place.file("cloned");
    assert!(fs::read(cloned.join("large")).unwrap() == content(2_000_000));
    // Too large to be sent in one piece: git sends it in chunks.
    fs::write(cloned.join("more"), content(5_000_000).iter().rev().copied().collect::<Vec<u8>>()).unwrap();
    git(&cloned, &["add", "."]);
    git(&cloned, &["commit", "--quiet", "-m", "second"]);
    git(&cloned, &["-c", "http.postBuffer=1000", "push", "--quiet"]);
    let heads = [&cloned, &place.file("repositories/a.git")].map(|place| git(place, &["rev-parse", "main"]));
    assert_eq!(heads[0], heads[1]);
}

#[needs("python3")]
#[test]
fn pip_installs_from_an_index() {
    let place = Place::new();
    let name = "headstart_demo-1.0-py3-none-any.whl";
    run(&mut python("wheel", place.file(name).to_str().unwrap()));
    let index = format!("<!DOCTYPE html><a href=\"/files/{name}\">{name}</a>").into_bytes();
    let wheel = fs::read(place.file(name)).unwrap();
    let files = [
        ("/simple/headstart-demo/", "text/html", index),
        (&*format!("/files/{name}"), "application/octet-stream", wheel),
    ];
    let site = Site::start(&files, None);
    let proxy = Proxied::to(&[site.teller.url()], &["--schedule", "0,300"]);
    let mut pip = Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
    pip.args(["-m", "pip", "--isolated", "install", "--quiet", "--no-deps", "--no-cache-dir", "--target"]);
    pip.arg(place.file("installed")).args(["--index-url", &proxy.url("/simple/"), "headstart-demo"]);
    run(pip.env("PIP_CONFIG_FILE", "/dev/null"));
    assert_eq!(fs::read(place.file("installed/headstart_demo.py")).unwrap(), b"ANSWER = 42\n");
}

#[needs("chromium")]
#[test]
fn a_browser_loads_a_page_with_images_and_hears_events() {
    let pixel =
        *b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    let page = "<!DOCTYPE html><title>t</title><script>
        let seen = [];
        function note(what) {
            seen.push(what);
            if (seen.length == 13) fetch('/done', {method: 'POST', body: seen.sort().join()});
        }
        new EventSource('/events').onmessage = event => note(event.data);
        for (let n = 0; n < 10; n++) {
            let image = new Image();
            image.onload = () => note('image ' + n);
            image.src = '/image/' + n;
        }
        </script>";
    let paths: Vec<String> = (0..10).map(|number| format!("/image/{number}")).collect();
    let images = paths.iter().map(|path| (path.as_str(), "image/gif", pixel.to_vec()));
    let files: Vec<_> = images.chain([("/page", "text/html", page.as_bytes().to_vec())]).collect();
    let site = Site::start(&files, None);
    let proxy = Proxied::to(&[site.teller.url()], &["--schedule", "0,300"]);
    let place = Place::new();
    let mut browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args([
            "--no-proxy-server",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--remote-debugging-port=0",
        ])
        .arg(format!("--user-data-dir={}", place.0.display()))
        .arg(proxy.url("/page"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let seen = site.until_sent("/done");
    browser.kill().unwrap();
    browser.wait().unwrap();
    let images = (0..10).map(|number| format!("image {number}"));
    let expected: Vec<String> = (0..3).map(|number| format!("event {number}")).chain(images).collect();
    assert_eq!(String::from_utf8(seen).unwrap(), expected.join(","));
}
