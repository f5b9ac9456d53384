//! A listener on an address, with a queue that holds a burst.

use crate::error::Error;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

/// The standard library's listener has a queue of 128, in which a burst of clients is lost.
const BACKLOG: i32 = 4_096;

/// Listens on the first of the address's meanings that works.
pub(super) fn listen(at: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { at: at.to_owned(), source };
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in at.to_socket_addrs().map_err(failed)? {
        match listen_on(address) {
            Ok(listener) => {
                let local_addr = listener.local_addr().map_err(failed)?;
                return Ok((listener, local_addr));
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows the option means something else: taking the port from the process that has it.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
