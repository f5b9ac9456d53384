//! After hundreds of XML-RPC calls that end in every way, descriptors and threads are what they were.
//!
//! In a process of its own: it counts what belongs to the whole process.

#![cfg(all(feature = "xmlrpc", target_os = "linux"))]

use headstart::xmlrpc::{XmlRpc, XmlRpcSettings};
use headstart::{Crew, CrewSettings};
use headstart_testing::eventually;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use std::time::Duration;

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn nothing_leaks() {
    headstart_testing::alone!();
    const ONE: &str = "<methodResponse><params><param><value><int>1</int></value></param></params></methodResponse>";
    let (descriptors, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let answers = || Behavior::Says(answer_with("200 OK", "text/xml", ONE));
    let fake = FakeUpstream::start(Behavior::TakesTurns(
        [
            answers(),
            Behavior::HangsAfterRequest,
            answers(),
            Behavior::DripsBody,
            Behavior::Says(answer_with("500 No", "text/xml", ONE)),
            Behavior::SaysAndResets(Vec::new()),
            Behavior::SaysAndCloses(answer_with("200 OK", "text/xml", ONE)),
            Behavior::HangsAfterHeaders,
            Behavior::Says(answer_with("200 OK", "text/xml", "nonsense")),
            Behavior::EndlessBody,
        ]
        .into(),
    ));
    let settings = XmlRpcSettings::new(fake.url()).max_response(1 << 20);
    let client = XmlRpc::new(&crew, settings).unwrap();

    let answered: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| (0..50).filter(|_| client.call("m", (), Duration::from_millis(50)).is_ok()).count())
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert!(answered > 20 && answered < 380, "{answered} of 400 answered");
    drop((client, crew, fake));
    eventually("descriptors and threads are back at the baseline", || {
        count("/proc/self/fd") <= descriptors && count("/proc/self/task") <= threads
    });
}
