//! Memcached servers: the real one, in a process of its own, and fakes that follow a test's script.

#![allow(dead_code)] // each test file uses its part

use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart::memcached::{Memcached, MemcachedSettings};
use headstart::{Crew, CrewSettings};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

pub(crate) fn client(crew: &Crew, server: impl ToString) -> Memcached {
    client_with(crew, server, |settings| settings)
}

pub(crate) fn client_with(
    crew: &Crew,
    server: impl ToString,
    change: impl FnOnce(MemcachedSettings) -> MemcachedSettings,
) -> Memcached {
    let settings = change(MemcachedSettings::new(server.to_string()));
    Memcached::new(crew, settings).unwrap()
}

/// Waits, within reason, until `condition` holds: for what tells of itself in figures only.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// memcached itself, on a free port.
pub(crate) struct RealMemcached {
    process: Child,
    port: u16,
}

impl RealMemcached {
    /// `None`, said loudly, when it is not installed; a failure under CI.
    pub(crate) fn start() -> Option<RealMemcached> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        // With -1 it takes a free port and writes its number, as in its own tests.
        let told = std::env::temp_dir().join(format!("headstart-memcached-{}-{number}", std::process::id()));
        let process = Command::new("memcached")
            .args(["-U", "0", "-l", "127.0.0.1", "-p", "-1", "-u", "root"])
            .env("MEMCACHED_PORT_FILENAME", &told)
            .stdin(Stdio::null())
            .spawn();
        let mut process = match process {
            Ok(process) => process,
            Err(error) => {
                missing(&error.to_string());
                return None;
            }
        };
        let mut port = None;
        eventually("memcached says its port", || {
            assert!(process.try_wait().unwrap().is_none(), "memcached has ended");
            port = std::fs::read_to_string(&told)
                .ok()
                .and_then(|text| text.trim().strip_prefix("TCP INET: ")?.parse().ok());
            port.is_some()
        });
        let _ = std::fs::remove_file(&told);
        Some(RealMemcached { process, port: port.unwrap() })
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops the process. The system still accepts connections and bytes for it.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        // The signal is sent; each thread stops a moment later.
        let tasks = format!("/proc/{}/task", self.process.id());
        let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        };
        eventually("all of its threads have stopped", || std::fs::read_dir(&tasks).unwrap().all(is_stopped));
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for RealMemcached {
    fn drop(&mut self) {
        let _ = self.process.kill(); // ends a stopped process too
        let _ = self.process.wait();
    }
}

/// Says that memcached is missing, and fails under CI.
fn missing(why: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    assert!(std::env::var_os("CI").is_none(), "memcached is missing: {why}");
    // Past the test harness, which would keep it to itself.
    let line = format!("\n*** NOT TESTED: memcached is missing ({why}): install Debian's memcached for {test} ***\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// One request as a fake sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) line: String,
    /// Counted from 0, over all connections of the fake.
    pub(crate) number: usize,
}

impl Request {
    pub(crate) fn key(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    pub(crate) fn opaque(&self) -> u64 {
        self.line.split(' ').find_map(|word| word.strip_prefix('O')).unwrap().parse().unwrap()
    }

    /// The right reply, with this value.
    pub(crate) fn value(&self, value: &str) -> String {
        format!("VA {} f0 k{} O{}\r\n{value}\r\n", value.len(), self.key(), self.opaque())
    }
}

/// The steps of a fake for one request, in order. Then it waits for the next request.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Says(Vec<u8>),
    /// Sends a byte every 50 ms.
    Drips(Vec<u8>),
    Waits(Duration),
    /// Sends this repeatedly, as long as the client reads.
    Floods(Vec<u8>),
    /// Sends nothing more, until the client leaves.
    Hangs,
    Closes,
}

pub(crate) fn says(text: impl Into<Vec<u8>>) -> Deed {
    Deed::Says(text.into())
}

/// What a fake saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Request(Request),
    /// The client has left a connection.
    Gone,
}

type Script = Arc<dyn Fn(&Request) -> Vec<Deed> + Send + Sync>;

/// A server that follows a script for each request. Dropping it ends its threads.
pub(crate) struct FakeMemcached {
    address: SocketAddr,
    sights: Receiver<Sight>,
    ending: Arc<AtomicBool>,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
    listening: Option<JoinHandle<()>>,
}

impl FakeMemcached {
    pub(crate) fn start(script: impl Fn(&Request) -> Vec<Deed> + Send + Sync + 'static) -> FakeMemcached {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ending, sockets) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (tell, sights) = unbounded();
        let script: Script = Arc::new(script);
        let listening = std::thread::spawn({
            let (ending, sockets) = (ending.clone(), sockets.clone());
            move || {
                let (mut serving, requests) = (Vec::new(), Arc::new(AtomicUsize::new(0)));
                while let Ok((socket, _)) = listener.accept() {
                    if ending.load(Ordering::Acquire) {
                        break;
                    }
                    sockets.lock().unwrap().push(socket.try_clone().unwrap());
                    let (tell, script, requests) = (tell.clone(), script.clone(), requests.clone());
                    serving.push(std::thread::spawn(move || serve(socket, &tell, &script, &requests)));
                }
                drop(listener);
                serving.into_iter().for_each(|thread| thread.join().unwrap());
            }
        });
        FakeMemcached { address, sights, ending, sockets, listening: Some(listening) }
    }

    /// Answers every request with the value `hi`, by these steps.
    pub(crate) fn answering(how: impl Fn(Vec<u8>) -> Vec<Deed> + Send + Sync + 'static) -> FakeMemcached {
        FakeMemcached::start(move |request| how(request.value("hi").into_bytes()))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    #[track_caller]
    pub(crate) fn next(&self) -> Sight {
        self.sights.recv_timeout(PATIENCE).expect("something to be seen")
    }

    #[track_caller]
    pub(crate) fn next_request(&self) -> Request {
        match self.next() {
            Sight::Request(request) => request,
            Sight::Gone => panic!("the other side has left"),
        }
    }

    #[track_caller]
    pub(crate) fn next_gone(&self) {
        assert_eq!(self.next(), Sight::Gone);
    }

    /// Whether no events are left that a test did not ask for.
    pub(crate) fn has_seen_nothing(&self) -> bool {
        self.sights.is_empty()
    }
}

impl Drop for FakeMemcached {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address)); // wakes the accept
        for socket in self.sockets.lock().unwrap().iter() {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        self.listening.take().unwrap().join().unwrap();
    }
}

fn serve(socket: TcpStream, tell: &Sender<Sight>, script: &Script, requests: &AtomicUsize) {
    let mut input = BufReader::new(&socket);
    let mut line = String::new();
    while matches!(input.read_line(&mut line), Ok(1..)) {
        if line == "mn\r\n" {
            // The question whether anybody is there, before a change over an idle connection.
            let _ = do_it(&socket, says("MN\r\n"));
            line.clear();
            continue;
        }
        let request = Request { line: line.trim_end().to_owned(), number: requests.fetch_add(1, Ordering::Relaxed) };
        if request.line.starts_with("ms ") {
            let size: u64 = request.line.split(' ').nth(2).unwrap().parse().unwrap();
            let _ = std::io::copy(&mut (&mut input).take(size + 2), &mut std::io::sink());
        }
        let _ = tell.send(Sight::Request(request.clone()));
        for deed in script(&request) {
            if do_it(&socket, deed).is_err() {
                let _ = socket.shutdown(std::net::Shutdown::Both);
            }
        }
        line.clear();
    }
    // Reads to the end or the reset, which is the client's leaving.
    let _ = std::io::copy(&mut input, &mut std::io::sink());
    let _ = tell.send(Sight::Gone);
}

fn do_it(mut socket: &TcpStream, deed: Deed) -> std::io::Result<()> {
    match deed {
        Deed::Says(bytes) => socket.write_all(&bytes),
        Deed::Drips(bytes) => bytes.iter().try_for_each(|byte| {
            std::thread::sleep(Duration::from_millis(50));
            socket.write_all(&[*byte])
        }),
        Deed::Waits(time) => {
            std::thread::sleep(time);
            Ok(())
        }
        Deed::Floods(bytes) => loop {
            socket.write_all(&bytes)?;
        },
        Deed::Hangs => std::io::copy(&mut socket, &mut std::io::sink()).map(drop),
        Deed::Closes => socket.shutdown(std::net::Shutdown::Both),
    }
}
