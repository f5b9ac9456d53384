//! Memcached servers: the real one, in a process of its own, and fakes that do to each request what a test says.

use crate::{PATIENCE, eventually};
use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// memcached itself, on a free port.
pub struct RealMemcached {
    process: Child,
    port: u16,
}

impl RealMemcached {
    pub fn start() -> RealMemcached {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        // It takes a free port for -1 and writes which: its own tests start it so.
        let told = std::env::temp_dir().join(format!("headstart-memcached-{}-{number}", std::process::id()));
        let mut process = Command::new("memcached")
            .args(["-U", "0", "-l", "127.0.0.1", "-p", "-1", "-u", "root"])
            .env("MEMCACHED_PORT_FILENAME", &told)
            .stdin(Stdio::null())
            .spawn()
            .expect("memcached is installed");
        let mut port = None;
        eventually("memcached says its port", || {
            assert!(process.try_wait().unwrap().is_none(), "memcached has ended");
            port = std::fs::read_to_string(&told)
                .ok()
                .and_then(|text| text.trim().strip_prefix("TCP INET: ")?.parse().ok());
            port.is_some()
        });
        let _ = std::fs::remove_file(&told);
        RealMemcached { process, port: port.unwrap() }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops the process where it is: its system still takes connections and bytes.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        // The signal is sent; each thread stops when it comes to it.
        let tasks = format!("/proc/{}/task", self.process.id());
        let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        };
        eventually("all of its threads have stopped", || std::fs::read_dir(&tasks).unwrap().all(is_stopped));
    }

    pub fn go_on(&self) {
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

/// One request as a fake sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub line: String,
    /// Counted from 0, over all connections of the fake.
    pub number: usize,
}

impl Request {
    pub fn key(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    pub fn opaque(&self) -> u64 {
        self.line.split(' ').find_map(|word| word.strip_prefix('O')).unwrap().parse().unwrap()
    }

    /// The right reply, with this value.
    pub fn value(&self, value: &str) -> String {
        format!("VA {} f0 k{} O{}\r\n{value}\r\n", value.len(), self.key(), self.opaque())
    }
}

/// What a fake does about a request, one after the other; then it waits for the next.
#[derive(Clone, Debug)]
pub enum Deed {
    Says(Vec<u8>),
    /// Says a byte every 50 ms.
    Drips(Vec<u8>),
    Waits(Duration),
    /// Says this again and again, as long as somebody takes it.
    Floods(Vec<u8>),
    /// Says nothing more, until the other side leaves.
    Hangs,
    Closes,
}

pub fn says(text: impl Into<Vec<u8>>) -> Deed {
    Deed::Says(text.into())
}

/// What a fake saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    Request(Request),
    /// The other side has left a connection.
    Gone,
}

type Script = Arc<dyn Fn(&Request) -> Vec<Deed> + Send + Sync>;

/// A server that does to each request what its script says. Dropping it ends its threads.
pub struct FakeMemcached {
    address: SocketAddr,
    sights: Receiver<Sight>,
    ending: Arc<AtomicBool>,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
    listening: Option<JoinHandle<()>>,
}

impl FakeMemcached {
    pub fn start(script: impl Fn(&Request) -> Vec<Deed> + Send + Sync + 'static) -> FakeMemcached {
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

    /// Answers every request with the value `hi`, in a way.
    pub fn answering(how: impl Fn(Vec<u8>) -> Vec<Deed> + Send + Sync + 'static) -> FakeMemcached {
        FakeMemcached::start(move |request| how(request.value("hi").into_bytes()))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[track_caller]
    pub fn next(&self) -> Sight {
        self.sights.recv_timeout(PATIENCE).expect("something to be seen")
    }

    #[track_caller]
    pub fn next_request(&self) -> Request {
        match self.next() {
            Sight::Request(request) => request,
            Sight::Gone => panic!("the other side has left"),
        }
    }

    #[track_caller]
    pub fn next_gone(&self) {
        assert_eq!(self.next(), Sight::Gone);
    }

    /// Whether nothing was seen that was not asked for.
    pub fn has_seen_nothing(&self) -> bool {
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
    // Reads on to the end or the reset, so that what it sees is the other side's leaving.
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
