//! Races two different blocking calls: ask a server, and after 50 ms without an answer look into a file as well.
//!
//! The server here accepts and never says a word, so the file wins, and the read that hangs is ended by shutting its
//! socket down. Run it with `cargo run --example race_two_closures`.

use headstart::{Attempt, CancelReason, Crew, CrewSettings, Race, Schedule};
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Reads an answer from `server`, until it comes or the attempt is canceled.
fn ask(server: SocketAddr, attempt: &Attempt, ended: &mpsc::Sender<CancelReason>) -> io::Result<String> {
    let mut socket = TcpStream::connect(server)?;
    // How to free this thread from what comes next. Taken back when `_cleanup` is dropped.
    let (handle, ended) = (socket.try_clone()?, ended.clone());
    let _cleanup = attempt.token().on_cancel(move |reason| {
        let _ = handle.shutdown(Shutdown::Both);
        let _ = ended.send(reason);
    });
    let mut answer = String::new();
    match socket.read_to_string(&mut answer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(answer),
    }
}

fn look_up() -> io::Result<String> {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let server = silent.local_addr()?;
    let (ended_tx, ended) = mpsc::channel();

    let crew = Crew::new(CrewSettings::default())?;
    let start = Instant::now();
    let outcome = Race::new(&crew)
        .schedule(Schedule::new(&[Duration::ZERO, Duration::from_millis(50)])?)
        .limit(Duration::from_secs(2))
        .label("example")
        .first(move |attempt| match attempt.number() {
            0 => ask(server, attempt, &ended_tx),
            _ => look_up(),
        });

    let winner = outcome.winner().ok_or("neither succeeded in time")?;
    println!("attempt {} won after {:?}: {} bytes", winner.attempt, start.elapsed(), winner.value.len());
    println!("the other one was ended: {}", ended.recv()?);
    println!("calls still running after the shutdown: {}", crew.shutdown(Duration::from_secs(1)));
    Ok(())
}
