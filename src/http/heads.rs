//! The heads that answer a request: interim ones, and the final one.

use super::current::Patience;
use super::fields::Fields;
use super::head::{Asked, Head, Whole};
use super::link::{Failure, Link, MAX_INTERIM};
use super::outgoing::{Outgoing, is_for_events};
use super::upload::Upload;
use crate::error::{Error, Phase};
use std::borrow::Cow;

/// How many interim responses are kept.
const KEPT: usize = 16;

/// An interim response (RFC 9110, section 15.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interim {
    /// Its status, 1xx.
    pub status: u16,
    /// Its fields.
    pub fields: Fields,
}

/// What has come so far.
pub(super) struct Heads {
    asked: Asked,
    may_switch: bool,
    met: usize,
    kept: Vec<Interim>,
}

/// A final head.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) head: Head,
    pub(super) reason: Cow<'static, [u8]>,
    pub(super) fields: Fields,
    /// Whether the body is an event stream.
    pub(super) has_events: bool,
    pub(super) interim: Vec<Interim>,
}

impl Heads {
    pub(super) fn new(outgoing: &Outgoing) -> Heads {
        Heads { asked: outgoing.asked, may_switch: outgoing.may_switch, met: 0, kept: Vec::new() }
    }

    /// Waits for the final head.
    pub(super) fn wait(&mut self, link: &mut Link, upload: &mut Option<&mut dyn Upload>) -> Result<Heard, Failure> {
        link.phase = Phase::Head;
        loop {
            if let Some(heard) = self.next(link, upload)? {
                return Ok(heard);
            }
            link.more(Patience::Waits)?;
        }
    }

    /// The final head, if it is here. `upload` is told of those before it.
    pub(super) fn next(
        &mut self,
        link: &mut Link,
        upload: &mut Option<&mut dyn Upload>,
    ) -> Result<Option<Heard>, Failure> {
        let look = |whole: &Whole<'_>| {
            let reason = if whole.reason == b"OK" { Cow::Borrowed(&b"OK"[..]) } else { whole.reason.to_vec().into() };
            let has_events = whole.content_type.is_some_and(is_for_events);
            let bytes = whole.fields.iter().map(|field| field.name.len() + field.value.len() + 4).sum();
            let mut fields = Fields::with_capacity(whole.fields.len(), bytes);
            whole.fields.iter().for_each(|field| fields.append(field.name, field.value));
            (reason, fields, has_events)
        };
        while let Some((head, (reason, fields, has_events))) = link.head(self.asked, look)? {
            if head.status == 101 && !self.may_switch {
                return Err(Failure::Protocol("status 101, which nobody asked for".to_owned()));
            }
            if !head.is_interim() {
                let interim = std::mem::take(&mut self.kept);
                return Ok(Some(Heard { head, reason, fields, has_events, interim }));
            }
            self.met += 1;
            if self.met > MAX_INTERIM {
                return Err(Failure::Protocol("too many interim responses".to_owned()));
            }
            match upload {
                Some(upload) => {
                    let told = upload.interim(head.status, &fields);
                    told.map_err(|error| Failure::Unwanted(Error::Io(error)))?;
                }
                None if head.status != 100 && self.kept.len() < KEPT => {
                    self.kept.push(Interim { status: head.status, fields });
                }
                None => {}
            }
        }
        Ok(None)
    }
}
