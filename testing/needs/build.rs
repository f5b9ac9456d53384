//! Finds out which of the programs that tests need are installed.

use std::net::UdpSocket;
use std::process::{Command, Stdio};

/// Each with arguments that end it at once.
const PROGRAMS: [(&str, &[&str]); 7] = [
    ("chromium", &["--version"]),
    ("curl", &["--version"]),
    ("git", &["--version"]),
    ("mariadbd", &["--version"]),
    ("memcached", &["--version"]),
    ("openssl", &["version"]),
    ("python3", &["--version"]),
];

/// Packages of Python.
const MODULES: [&str; 4] = ["h11", "requests", "urllib3", "websockets"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for variable in ["CI", "PATH", "PYTHON"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let programs = PROGRAMS.iter().filter(|(name, arguments)| !runs(name, arguments)).map(|(name, _)| *name);
    let mut missing: Vec<&str> = programs.collect();
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    missing.extend(MODULES.iter().filter(|module| !runs(&python, &["-c", &format!("import {module}")])));
    if !may_replace_the_resolver() {
        missing.push("unshare");
    }
    if !missing.is_empty() {
        // Installing one is noticed by the place it comes to.
        ["/usr/bin", "/usr/sbin"].iter().for_each(|place| println!("cargo::rerun-if-changed={place}"));
    }
    println!("cargo::rustc-env=MISSING={}", missing.join(" "));
    println!("cargo::rustc-env=IN_CI={}", std::env::var_os("CI").is_some());
}

/// Whether a program can be given name servers of the tests' own: by a mount namespace, and a socket at port 53.
fn may_replace_the_resolver() -> bool {
    UdpSocket::bind(("127.13.37.53", 53)).is_ok()
        && (runs("unshare", &["-m", "true"]) || runs("unshare", &["-U", "-r", "-m", "true"]))
}

fn runs(name: &str, arguments: &[&str]) -> bool {
    // Some are only on the superuser's path.
    [name.to_owned(), format!("/usr/sbin/{name}")].iter().any(|program| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}
