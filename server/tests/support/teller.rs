//! An upstream that answers every whole request by a function of it, on as many connections as come.

use super::client::Client;
use super::message::Message;
use headstart_testing::PATIENCE;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What becomes of a connection after an answer.
pub(crate) enum After {
    Keep,
    /// Ended at once, which ends a body without a length too.
    Close,
    /// Ended when no request has come for so long, without a word and whether or not one is on its way.
    CloseWithin(Duration),
}

pub(crate) type Answer = dyn Fn(&mut Client, &Message, Vec<u8>) -> After + Send + Sync;

/// Ends its threads and connections when dropped.
pub(crate) struct Teller {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Teller {
    /// Has each request, with its body, answered by `answer`, which writes to the connection.
    pub(crate) fn start(answer: impl Fn(&mut Client, &Message, Vec<u8>) -> After + Send + Sync + 'static) -> Teller {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, answer): (_, Arc<Answer>) = (stopping.clone(), Arc::new(answer));
        let acceptor = std::thread::spawn(move || accept_all(&listener, &stop, &answer));
        Teller { address, stopping, acceptor: Some(acceptor) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the acceptor
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept_all(listener: &TcpListener, stopping: &AtomicBool, answer: &Arc<Answer>) {
    let open: Arc<Mutex<Vec<(u16, TcpStream)>>> = Arc::default();
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for stream in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            break;
        }
        let stream = stream.unwrap();
        let port = stream.peer_addr().map_or(0, |peer| peer.port());
        open.lock().unwrap().push((port, stream.try_clone().unwrap()));
        threads.retain(|thread| !thread.is_finished());
        let (answer, open) = (answer.clone(), open.clone());
        threads.push(std::thread::spawn(move || {
            serve(Client::over(stream), &*answer);
            open.lock().unwrap().retain(|(other, _)| *other != port);
        }));
    }
    for (_, stream) in &*open.lock().unwrap() {
        let _ = stream.shutdown(Shutdown::Both);
    }
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

fn serve(mut link: Client, answer: &Answer) {
    while !link.is_over() {
        // The patience of a request that has begun.
        link.stream().set_read_timeout(Some(PATIENCE)).unwrap();
        // What is cut is no request.
        if !link.awaits_head() {
            return;
        }
        let head = link.message();
        if head.field("expect").is_some() {
            link.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if !link.awaits_body(&head) {
            return;
        }
        let body = link.body(&head);
        match answer(&mut link, &head, body) {
            After::Keep => {}
            After::Close => return,
            After::CloseWithin(rest) => {
                link.stream().set_read_timeout(Some(rest.max(Duration::from_micros(1)))).unwrap();
            }
        }
    }
}
