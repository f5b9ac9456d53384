//! A request's body on its way from the client to an upstream.

use super::back;
use crate::front::{Request, RequestBody};
use headstart::http::{Fields, Upload};
use std::io;
use std::os::fd::BorrowedFd;

/// The body of a request, as its client sends it.
pub(super) struct Uploaded<'r, 'a> {
    request: &'r Request<'a>,
    body: RequestBody<'a>,
    length: Option<u64>,
}

impl<'r, 'a> Uploaded<'r, 'a> {
    /// The body of `request`, which has `length` bytes if that is known.
    pub(super) fn of(request: &'r Request<'a>, length: Option<u64>) -> Uploaded<'r, 'a> {
        Uploaded { request, body: request.body(), length }
    }
}

impl Upload for Uploaded<'_, '_> {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        self.body.peek_now()
    }

    fn consume(&mut self, bytes: usize) {
        self.body.consume(bytes);
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.body.as_fd()
    }

    fn interim(&mut self, status: u16, fields: &Fields) -> io::Result<()> {
        self.request.send_interim(status, &back::interim(fields))
    }
}
