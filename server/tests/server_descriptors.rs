//! A process out of descriptors answers, and serves again as soon as there are some. One test, because the limit
//! belongs to the whole process.
#![cfg(target_os = "linux")]

use crate::support::client::Client;
use crate::support::server::{eventually, settings, start_echo};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Command, Stdio};

/// Opens twice as many connections as the server has descriptors, from a process of its own, which says when they are
/// open and holds them until it is told to end.
const STORM: &str = "
import socket, sys
resource = __import__('resource')
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
held = [socket.create_connection(('127.0.0.1', int(sys.argv[1]))) for _ in range(400)]
print('open', flush=True)
sys.stdin.read()
";

/// The process's CPU time so far, from a file opened while that was possible.
fn cpu_ticks(mut opened: &File) -> u64 {
    let mut stat = String::new();
    opened.rewind().unwrap();
    opened.read_to_string(&mut stat).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[headstart_testing::needs("python3")] // the storm needs a process with descriptors of its own
#[test]
fn a_storm_of_connections_beyond_the_descriptors_passes() {
    headstart_testing::alone!();
    let stat = File::open("/proc/self/stat").unwrap();
    let fixture = start_echo(settings());
    let mut admitted = fixture.connect();
    admitted.get("/").answer();
    let mut storm = Command::new("python3")
        .args(["-c", STORM, &fixture.server.local_addr().port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut tell, mut hear) = (storm.stdin.take().unwrap(), storm.stdout.take().unwrap());
    let few = Rlimit { current: Some(200), maximum: Some(200) };
    setrlimit(Resource::Nofile, few).unwrap();
    hear.read_exact(&mut [0; 4]).unwrap();

    eventually("connections are refused", || fixture.server.stats().refused_connections > 0);
    assert_eq!(admitted.get("/still").answer().text(), "GET /still");
    let ticks = cpu_ticks(&stat);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(cpu_ticks(&stat) - ticks < 25, "the accept loop spins");

    tell.write_all(b"\n").unwrap();
    drop(tell);
    assert!(storm.wait().unwrap().success());
    eventually("the storm is over", || fixture.server.stats().connections == 1);
    let mut again = Client::connect(fixture.server.local_addr());
    assert_eq!(again.get("/again").answer().text(), "GET /again");
    assert_eq!(admitted.get("/still").answer().text(), "GET /still");
}
