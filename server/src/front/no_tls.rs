//! What stands in for TLS in a build without the feature `tls`: nobody has an identity, so no session begins.

use super::settings::TlsSettings;
use super::socket::Socket;
use crate::error::Error;
use std::convert::Infallible;
use std::io::{self, IoSlice, Read, Write};
use std::time::Duration;

/// Cannot be had.
pub(super) struct Identity(Infallible);

impl Identity {
    pub(super) fn load(files: &TlsSettings) -> Result<Identity, Error> {
        Err(Error::Setting {
            key: "tls_cert".to_owned(),
            value: files.cert.display().to_string(),
            allowed: "nothing: TLS needs a build with the feature `tls`".to_owned(),
        })
    }

    pub(super) fn reload(&self) -> Result<(), Error> {
        match self.0 {}
    }
}

impl TlsSettings {
    /// Reads the files and forgets them: tells what a server would find wrong with them.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when a file cannot be read, is no certificate or no key, or they do not belong together.
    pub fn check(&self) -> Result<(), Error> {
        Identity::load(self).map(drop)
    }
}

/// Cannot be had.
pub(super) struct Session(Infallible);

impl Session {
    pub(super) fn begin(identity: &Identity, _: &mut Socket, _: Duration) -> io::Result<Session> {
        match identity.0 {}
    }

    pub(super) fn receive(&mut self, _: &mut Socket, _: &mut [u8], _: Duration) -> io::Result<Option<usize>> {
        match self.0 {}
    }

    pub(super) fn send(&mut self, _: &mut Socket, _: &[u8], _: Duration) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn flush(&mut self, _: &mut Socket, _: Duration) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn say_goodbye(&mut self, _: &mut Socket) {
        match self.0 {}
    }

    pub(super) fn receive_at_once(&mut self, _: &mut impl Read, _: &mut [u8]) -> io::Result<Option<usize>> {
        match self.0 {}
    }

    pub(super) fn send_at_once(&mut self, _: &mut impl Write, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(super) fn flush_at_once(&mut self, _: &mut impl Write) -> io::Result<bool> {
        match self.0 {}
    }

    pub(super) fn queue_goodbye(&mut self) {
        match self.0 {}
    }
}
