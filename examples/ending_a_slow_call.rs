//! The ways to end a slow call, side by side: how long the caller waited, and what is left of the call afterwards.
//!
//! The call is a read from a peer that sends one byte every 20 ms, so that no read takes long and the whole never ends.
//! Each way is given 100 ms for it, ten times. `cargo run --release --example ending_a_slow_call`; the guide in the
//! documentation of `headstart::timeout::guide` tells when to use which.

use headstart::{CancelToken, Crew, CrewSettings, Deadline, TimedCall};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(100);
const CALLS: u32 = 10;
const FAST_CALLS: u32 = 1_000;
const DRIP: Duration = Duration::from_millis(20);
/// The peer gives up by itself after this long, or some calls would never end.
const PATIENCE: Duration = Duration::from_secs(2);

type Error = Box<dyn std::error::Error>;

/// A way to call: the slow call, whose result does not matter, and one that is done at once, for what the way itself
/// costs.
struct Technique {
    name: &'static str,
    slow: fn(SocketAddr) -> Result<(), Error>,
    fast: fn() -> Result<u32, Error>,
}

const TECHNIQUES: [Technique; 6] = [
    Technique { name: "wait no longer", slow: wait_no_longer, fast: fast_on_a_thread },
    Technique { name: "a socket timeout", slow: socket_timeout, fast: fast_here },
    Technique { name: "a deadline on every read", slow: deadline_on_every_read, fast: fast_here },
    Technique { name: "a token the call asks", slow: cooperative, fast: fast_in_the_crew },
    Technique { name: "a cleanup that frees it", slow: cleanup, fast: fast_in_the_crew },
    Technique { name: "a process that is ended", slow: process, fast: fast_process },
];

fn main() -> Result<(), Error> {
    crew()?; // with its alarm's thread, before any is counted
    println!("{:<26} {:>10} {:>14} {:>18} {:>14}", "", "waited", "threads left", "connections left", "a fast call");
    for technique in TECHNIQUES {
        let peer = Drips::start()?;
        let threads_before = threads();
        let began = Instant::now();
        for _ in 0..CALLS {
            // An error is what is expected here: the time was over.
            let _ended = (technique.slow)(peer.address);
        }
        let waited = began.elapsed() / CALLS;
        thread::sleep(Duration::from_millis(50)); // what is on its way out is not left over
        let (threads_after, connections) = (threads(), peer.open.load(Ordering::SeqCst));

        let began = Instant::now();
        for _ in 0..FAST_CALLS {
            (technique.fast)()?;
        }
        println!(
            "{:<26} {:>7} ms {:>14} {:>18} {:>11.1} us",
            technique.name,
            waited.as_millis(),
            threads_after.saturating_sub(threads_before + connections), // the peer has a thread for each of its own
            connections,
            began.elapsed().as_secs_f64() * 1e6 / f64::from(FAST_CALLS)
        );
    }
    Ok(())
}

/// The caller goes on. The thread stays in its read, the socket stays open.
fn wait_no_longer(peer: SocketAddr) -> Result<(), Error> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || {
        let _nobody_is_left = done.send(connect(peer).and_then(|mut socket| read_all(&mut socket)));
    });
    Ok(result.recv_timeout(TIMEOUT)??)
}

/// Bounds each read, and a drip makes sure that no read takes long.
fn socket_timeout(peer: SocketAddr) -> Result<(), Error> {
    let mut socket = connect(peer)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    Ok(read_all(&mut socket)?)
}

/// Where every read is one's own, it can be given what is left.
fn deadline_on_every_read(peer: SocketAddr) -> Result<(), Error> {
    let deadline = Deadline::after(TIMEOUT);
    let mut socket = connect(peer)?;
    loop {
        let left = deadline
            .remaining()
            .filter(|left| !left.is_zero())
            .ok_or(Error::from(std::io::Error::from(ErrorKind::TimedOut)))?;
        socket.set_read_timeout(Some(left))?;
        if socket.read(&mut [0; 64])? == 0 {
            return Ok(());
        }
    }
}

/// The call looks at its token now and then, and is late by as much as that takes.
fn cooperative(peer: SocketAddr) -> Result<(), Error> {
    let call = TimedCall::new(TIMEOUT).on(crew()?);
    Ok(call.run(move |token: &CancelToken| {
        let mut socket = connect(peer)?;
        while token.reason().is_none() && socket.read(&mut [0; 64])? > 0 {}
        Ok::<(), std::io::Error>(())
    })??)
}

/// Whatever the call is doing with its socket, it is over when the socket is shut down.
fn cleanup(peer: SocketAddr) -> Result<(), Error> {
    let socket = Arc::new(connect(peer)?);
    let freed = socket.clone();
    let call = TimedCall::new(TIMEOUT).on(crew()?).cleanup(move || freed.shutdown(Shutdown::Both));
    Ok(call.run(move |_| read_all(&mut &*socket))??)
}

/// The last resort for code that cannot be freed: it runs in a process of its own, and that can always be ended.
#[cfg(unix)]
fn process(_: SocketAddr) -> Result<(), Error> {
    use rustix::process::{Pid, Signal, kill_process};
    let mut child = std::process::Command::new("sleep").arg("1000").spawn()?;
    let pid = Pid::from_child(&child);
    // Until `wait` has returned, the number is the child's and nobody else's.
    let call = TimedCall::new(TIMEOUT).on(crew()?).cleanup(move || kill_process(pid, Signal::KILL));
    call.run(move |_| child.wait().map(drop))??;
    Ok(())
}

#[cfg(not(unix))]
fn process(_: SocketAddr) -> Result<(), Error> {
    Err("only shown on Unix".into())
}

fn fast_here() -> Result<u32, Error> {
    Ok(std::hint::black_box(1))
}

fn fast_on_a_thread() -> Result<u32, Error> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(1));
    Ok(result.recv_timeout(TIMEOUT)?)
}

fn fast_in_the_crew() -> Result<u32, Error> {
    Ok(TimedCall::new(TIMEOUT).on(crew()?).run(|_| 1)?)
}

fn fast_process() -> Result<u32, Error> {
    std::process::Command::new("true").status()?;
    Ok(1)
}

fn crew() -> Result<&'static Crew, Error> {
    static CREW: OnceLock<Crew> = OnceLock::new();
    if let Some(crew) = CREW.get() {
        return Ok(crew);
    }
    // Idle threads leave at once here: what is left is then what hangs.
    let settings = CrewSettings::default().idle_timeout(Duration::from_millis(10));
    let crew = Crew::new(settings)?;
    Ok(CREW.get_or_init(|| crew))
}

fn connect(peer: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(peer)
}

fn read_all(socket: &mut impl Read) -> std::io::Result<()> {
    std::io::copy(socket, &mut std::io::sink()).map(drop)
}

/// A peer that sends a byte at a time and counts the connections it has.
struct Drips {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
}

impl Drips {
    fn start() -> Result<Drips, Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let drips = Drips { address: listener.local_addr()?, open: Arc::default() };
        let open = drips.open.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let open = open.clone();
                open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    drip(socket);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(drips)
    }
}

fn drip(mut socket: TcpStream) {
    let began = Instant::now();
    while began.elapsed() < PATIENCE && socket.write_all(b".").is_ok() {
        thread::sleep(DRIP);
    }
}

/// Threads of this process, as far as the system tells.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
