//! An upstream that does what the test says, byte by byte.
//!
//! It has no thread and no behavior of its own: a test accepts its connections, reads what came over them and sends or
//! ends as it likes, in one order with what it does as the client. So every wait is for an event, and none is without
//! a bound.

use super::client::Client;
use super::message::Message;
use headstart_testing::PATIENCE;
use socket2::SockRef;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A connection as the upstream has it. Dropping it closes it.
pub(crate) type Link = Client;

pub(crate) struct Upstream {
    listener: TcpListener,
    address: SocketAddr,
    /// Attempts that came before the one that was asked for.
    early: RefCell<Vec<(Link, Message)>>,
}

impl Upstream {
    pub(crate) fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // On Linux it is the bound of `accept`.
        SockRef::from(&listener).set_read_timeout(Some(PATIENCE)).unwrap();
        let address = listener.local_addr().unwrap();
        Upstream { listener, address, early: RefCell::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next connection over which anything comes. One that ends before that was a probe.
    #[track_caller]
    pub(crate) fn accept(&self) -> Link {
        loop {
            let (stream, _) = self.listener.accept().expect("a connection");
            if let Some(link) = spoken_to(stream) {
                return link;
            }
        }
    }

    /// The next connection, and the head of the request that came over it.
    #[track_caller]
    pub(crate) fn asked(&self) -> (Link, Message) {
        let mut link = self.accept();
        let head = link.message();
        (link, head)
    }

    /// The attempt of this number. Of two that are due soon after each other either may come first: a thread that is
    /// late connects late.
    #[track_caller]
    pub(crate) fn asked_by_attempt(&self, number: &str) -> (Link, Message) {
        let mut early = self.early.borrow_mut();
        loop {
            let found = early.iter().position(|(_, seen)| seen.field("x-attempt") == Some(number));
            match found {
                Some(found) => return early.remove(found),
                None => early.push(self.asked()),
            }
        }
    }

    /// The same as [`asked`](Upstream::asked) if there is one by now.
    pub(crate) fn asked_now(&self) -> Option<(Link, Message)> {
        self.listener.set_nonblocking(true).unwrap();
        let accepted = self.listener.accept();
        self.listener.set_nonblocking(false).unwrap();
        match accepted {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                let mut link = spoken_to(stream)?;
                let head = link.message();
                Some((link, head))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Checks that nobody has connected since the last [`accept`](Upstream::accept) and said anything.
    #[track_caller]
    pub(crate) fn assert_left_alone(&self) {
        if let Some((_, head)) = self.asked_now() {
            panic!("another connection: {head:?}");
        }
    }
}

/// The connection, unless it ends without a byte.
fn spoken_to(stream: TcpStream) -> Option<Link> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match stream.peek(&mut [0; 1]) {
        Ok(0) => None,
        Ok(_) => Some(Client::over(stream)),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        Err(error) => panic!("nothing came: {error}"),
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
