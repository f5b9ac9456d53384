//! The binary behind a certificate: its options, and SIGHUP.

#![cfg(all(feature = "cli", feature = "tls"))]

use crate::support::process::{finish, headstart};
use crate::support::tls::Certificate;

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn certificate_and_key_need_each_other() {
    let certificate = Certificate::new();
    let (cert, key) = (text(&certificate.files.cert), text(&certificate.files.key));
    for (given, message) in [
        (["--tls-cert", cert], "headstart: --tls-cert needs tls-key beside it\n"),
        (["--tls-key", key], "headstart: --tls-key needs tls-cert beside it\n"),
    ] {
        let finished = finish(headstart(&[&["--check"][..], &given].concat()));
        assert_eq!((finished.code, &*finished.stderr), (Some(2), message));
    }
    let mut command = headstart(&["--check", "--tls-cert", cert]);
    command.env("HEADSTART_TLS_KEY", key);
    assert_eq!(finish(command).code, Some(0), "they may come from different layers");
}

#[test]
fn files_that_cannot_be_used_are_mistakes() {
    let (ours, other) = (Certificate::new(), Certificate::new());
    let (cert, key) = (text(&ours.files.cert), text(&other.files.key));
    for (cert, key, start) in [
        (
            "/does/not/exist",
            key,
            "headstart: --tls-cert cannot be '/does/not/exist': expected a readable file".to_owned(),
        ),
        (
            key,
            key,
            format!("headstart: --tls-cert cannot be '{key}': expected a file in PEM format with the certificate"),
        ),
        (
            cert,
            key,
            format!("headstart: --tls-key cannot be '{key}': expected a file in PEM format with the private key"),
        ),
    ] {
        let finished = finish(headstart(&["--check", "--tls-cert", cert, "--tls-key", key]));
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.starts_with(&start), "{finished:?}");
    }
}

#[cfg(unix)]
mod signals {
    use super::*;
    use crate::support::process::Process;
    use rustix::process::Signal;
    use std::fs;
    use std::net::SocketAddr;

    #[test]
    fn sighup_reloads_the_certificate_and_keeps_it_when_the_new_one_is_bad() {
        let mut certificate = Certificate::new();
        let (cert, key) = (text(&certificate.files.cert).to_owned(), text(&certificate.files.key).to_owned());
        let mut process =
            Process::start(headstart(&["--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key]));
        let line = process.wait_for("listening on https://");
        let address: SocketAddr = line.trim_end().rsplit('/').next().unwrap().parse().unwrap();
        process.wait_for("try: curl --insecure 'https://");
        let mut before = certificate.connect(address);
        assert!(before.get("/healthz").answer().0.starts_with("HTTP/1.1 200 "));

        certificate.renew();
        process.signal(Signal::HUP);
        process.wait_for("SIGHUP: new connections");
        assert!(certificate.connect(address).get("/healthz").answer().0.starts_with("HTTP/1.1 200 "));

        fs::write(&key, "nonsense").unwrap();
        process.signal(Signal::HUP);
        process.wait_for("SIGHUP: the certificate in use stays: tls_key");
        assert!(certificate.connect(address).get("/healthz").answer().0.starts_with("HTTP/1.1 200 "));
        assert!(before.get("/healthz").answer().0.starts_with("HTTP/1.1 200 "));

        process.signal(Signal::TERM);
        assert_eq!(process.wait().0.code(), Some(0));
    }
}
