//! An upstream that says and hears what a test has it, byte for byte.

use headstart::{Client, ClientSettings, Crew, CrewSettings};
use headstart_testing::PATIENCE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

/// A listener whose connections the test serves itself.
pub(crate) struct Scripted {
    listener: TcpListener,
}

/// One connection to it.
pub(crate) struct Peer {
    pub(crate) socket: TcpStream,
}

impl Scripted {
    pub(crate) fn start() -> Scripted {
        Scripted { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The next connection.
    #[track_caller]
    pub(crate) fn accept(&self) -> Peer {
        assert!(is_readable(&self.listener), "a connection in time");
        let (socket, _) = self.listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Peer { socket }
    }

    /// Whether nobody waits to be accepted.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut polled = [PollFd::new(&self.listener, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default())).unwrap() == 0
    }
}

impl Peer {
    /// The next head, with its empty line.
    #[track_caller]
    pub(crate) fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.exactly(1));
        }
        String::from_utf8(head).unwrap()
    }

    /// The next bytes, so many.
    #[track_caller]
    pub(crate) fn exactly(&mut self, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        self.socket.read_exact(&mut read).unwrap();
        read
    }

    /// Everything up to the end, or to a reset.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        match self.socket.read_to_end(&mut read) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("not over in time, after {read:?}"),
            _ => read,
        }
    }

    #[track_caller]
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    /// Says that nothing more will come.
    pub(crate) fn say_end(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Whether nothing has come, not even an end.
    pub(crate) fn hears_nothing(&self) -> bool {
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default())).unwrap() == 0
    }
}

fn is_readable(of: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(of, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::try_from(PATIENCE).unwrap())).unwrap() > 0
}

pub(crate) fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

/// A client of these upstreams, whose hedges follow after so many milliseconds.
pub(crate) fn client(crew: &Crew, upstreams: &[&Scripted], schedule: &[u64]) -> Client {
    client_with(crew, upstreams, schedule, |settings| settings)
}

/// The same, with other settings.
pub(crate) fn client_with(
    crew: &Crew,
    upstreams: &[&Scripted],
    schedule: &[u64],
    change: impl FnOnce(ClientSettings) -> ClientSettings,
) -> Client {
    let settings = ClientSettings::new(upstreams.iter().map(|upstream| upstream.url()));
    Client::new(crew, change(settings.schedule(super::core::schedule(schedule)))).unwrap()
}
