//! A memcached client whose every call has a deadline and can be ended.
//!
//! The problem: a cache is asked to save time, and a cache that hangs takes it. Blocking clients have socket timeouts
//! at best, which a server that drips bytes defeats, and after a timeout some hand the connection to the next call,
//! with the old reply still on its way. The answer: a [`Memcached`] ends each call by its deadline or when its token is
//! canceled, in every phase (name lookup, connect, send, receive), by closing the connection; and a reply is taken only
//! if it repeats the number and the key of the request.
//!
//! - `protocol`: requests and replies as bytes
//! - `connection`: one connection and the call that has it; `connections`: those of one server
//! - `address`: servers, keys, URLs; `item`: what is stored; `settings`: how the server is called
//!
//! A server may close an idle connection at any moment. A read is then made once more over a fresh one. A change is
//! made once: before it goes over an idle connection the server has to answer a no-op (`mn`), which costs a round trip,
//! and if it does not, the change goes over a fresh connection. So an idle connection that is closed costs no call.
//!
//! Invariants: calls run on the calling thread; nothing else is started but name lookups, on the crew. A connection is
//! pooled only after a whole reply with nothing left over. No change is sent twice.
//!
//! What this does not do: spread keys over servers (one client is one server), compress, authenticate, encrypt. A call
//! that was ended or lost may still have been carried out by the server: see [`Memcached::set`].

mod address;
mod connection;
mod connections;
mod item;
mod protocol;
mod settings;

pub use address::MemcachedUrl;
pub use item::{Expiry, Item, SetOptions};
pub use settings::MemcachedSettings;

use crate::crew::Crew;
use crate::error::Error;
use crate::limit::TimeLimit;
use crate::net::lease::Resend;
use address::checked_key;
use connections::Connections;
use protocol::{Asked, Command, Reply};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Bytes of requests sent before their replies are read. They fit into what the system buffers for the server, so that
/// it takes them all even while we do not yet read: otherwise each side could wait for the other to read.
const PIPELINED: usize = 16 << 10;

/// A client of one memcached server. Clones are handles to the same client and share its connections.
///
/// Each call takes as its last argument how long it may take: a [`Duration`](std::time::Duration), a
/// [`Deadline`](crate::Deadline), the [`Attempt`](crate::Attempt) of a race, a [`TimeLimit`].
///
/// ```no_run
/// use headstart::memcached::{Memcached, MemcachedSettings, SetOptions};
/// use headstart::{Crew, CrewSettings};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let cache = Memcached::new(&crew, MemcachedSettings::new("127.0.0.1"))?;
/// let limit = Duration::from_millis(50);
/// cache.set("greeting", b"hello", SetOptions::default(), limit)?;
/// assert_eq!(cache.get("greeting", limit)?.unwrap().value, b"hello");
/// # Ok::<(), headstart::Error>(())
/// ```
///
/// A read hedged over two servers that hold the same is a race over two clients: the primary asks one, and if it has
/// not answered after 5 ms a hedge asks the other.
///
/// ```no_run
/// use headstart::memcached::{Memcached, MemcachedSettings};
/// use headstart::{Crew, CrewSettings, Deadline, Race, Schedule};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let mut replicas = Vec::new();
/// for server in ["10.0.0.1:11211", "10.0.0.2:11211"] {
///     replicas.push(Memcached::new(&crew, MemcachedSettings::new(server))?);
/// }
/// let outcome = Race::new(&crew)
///     .schedule(Schedule::new(&[Duration::ZERO, Duration::from_millis(5)])?)
///     .limit(Duration::from_millis(50))
///     .first(move |attempt| replicas[attempt.number()].get("greeting", attempt));
/// println!("{:?}", outcome.winner());
/// # Ok::<(), headstart::Error>(())
/// ```
///
/// # Errors
///
/// Of every call: [`Error::TimedOut`] when its time was over; [`Error::Canceled`] when its token was canceled;
/// [`Error::Lookup`], [`Error::Connect`] and [`Error::Lost`] as their names say; [`Error::Refused`] with the server's
/// words; [`Error::Protocol`] when what came is no reply to what was asked; [`Error::BodyTooLarge`] for a value beyond
/// [`MemcachedSettings::max_value`]; [`Error::Setting`] for a key that is empty, longer than 250 bytes or has a space
/// or control character in it. A key that is not there is no error.
#[derive(Clone)]
pub struct Memcached {
    shared: Arc<Shared>,
}

struct Shared {
    connections: Connections,
    /// The number of the next request, over all connections.
    opaque: AtomicU64,
}

impl Memcached {
    /// A client whose calls run on the calling threads, and whose name lookups on threads of `crew`. Connects nowhere
    /// yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the setting that cannot be used.
    pub fn new(crew: &Crew, settings: MemcachedSettings) -> Result<Memcached, Error> {
        let server = settings.check()?;
        let connections = Connections::new(crew, server, settings);
        Ok(Memcached { shared: Arc::new(Shared { connections, opaque: AtomicU64::new(0) }) })
    }

    /// The value of `key`, or `None` when there is none.
    ///
    /// Made once more over a fresh connection when an idle one turns out to have been closed by the server.
    pub fn get(&self, key: impl AsRef<[u8]>, limit: impl Into<TimeLimit>) -> Result<Option<Item>, Error> {
        let mut items = self.get_many(&[key], limit)?;
        Ok(items.pop().flatten())
    }

    /// The values of `keys`, in their order, with `None` for those that are not there: all of them or an error.
    ///
    /// The requests are pipelined over one connection. The values are held in memory together: at most `max_value` for
    /// each key. Made once more like [`get`](Memcached::get).
    pub fn get_many<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        limit: impl Into<TimeLimit>,
    ) -> Result<Vec<Option<Item>>, Error> {
        let keys = keys.iter().map(|key| checked_key(key.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let limit = limit.into();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.shared.connections.call(&limit, Resend::IfUnanswered, |call| {
            let mut items = Vec::with_capacity(keys.len());
            let mut requests = Vec::new();
            while items.len() < keys.len() {
                requests.clear();
                let mut asked = Vec::new();
                for key in &keys[items.len()..] {
                    if requests.len() >= PIPELINED {
                        break;
                    }
                    asked.push(self.ask(key));
                    protocol::write(&mut requests, asked[asked.len() - 1], Command::Get);
                }
                call.send(&requests)?;
                for asked in asked {
                    items.push(match call.reply(asked)? {
                        Reply::Value(value, flags) => Some(Item { value, flags }),
                        Reply::Absent => None,
                        _ => return Err(self.unexpected()),
                    });
                }
            }
            Ok(items)
        })
    }

    /// Stores `value` under `key`, whatever was there.
    ///
    /// Like every call that changes something it is made once: when it fails by [`Error::TimedOut`],
    /// [`Error::Canceled`] or [`Error::Lost`], the server may have carried it out all the same, or may yet do so, also
    /// after a later call.
    pub fn set(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: SetOptions,
        limit: impl Into<TimeLimit>,
    ) -> Result<(), Error> {
        let (value, expiry) = (self.checked_value(value.as_ref())?, options.expiry.seconds(SystemTime::now()));
        self.change(key.as_ref(), Command::Set { value, flags: options.flags, expiry }, limit, |reply| {
            (reply == Reply::Done).then_some(())
        })
    }

    /// Stores `value` under `key` if nothing is there. `false` when something is. Made once, like
    /// [`set`](Memcached::set).
    pub fn add(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: SetOptions,
        limit: impl Into<TimeLimit>,
    ) -> Result<bool, Error> {
        let (value, expiry) = (self.checked_value(value.as_ref())?, options.expiry.seconds(SystemTime::now()));
        self.change(key.as_ref(), Command::Add { value, flags: options.flags, expiry }, limit, |reply| match reply {
            Reply::Done => Some(true),
            Reply::NotStored => Some(false),
            _ => None,
        })
    }

    /// Forgets `key`. `false` when it was not there. Made once, like [`set`](Memcached::set).
    pub fn delete(&self, key: impl AsRef<[u8]>, limit: impl Into<TimeLimit>) -> Result<bool, Error> {
        self.change(key.as_ref(), Command::Delete, limit, found)
    }

    /// Changes when `key` is forgotten. `false` when it is not there. Made once, like [`set`](Memcached::set).
    pub fn touch(&self, key: impl AsRef<[u8]>, expiry: Expiry, limit: impl Into<TimeLimit>) -> Result<bool, Error> {
        let expiry = expiry.seconds(SystemTime::now());
        self.change(key.as_ref(), Command::Touch { expiry }, limit, found)
    }

    /// Adds to the number that `key` holds as decimal digits and returns the sum, which wraps at 2⁶⁴; `None` when `key`
    /// is not there. Made once, like [`set`](Memcached::set): made twice it would count twice.
    ///
    /// A value that is no number is [`Error::Refused`].
    pub fn incr(&self, key: impl AsRef<[u8]>, by: u64, limit: impl Into<TimeLimit>) -> Result<Option<u64>, Error> {
        self.change(key.as_ref(), Command::Increment(by), limit, counted)
    }

    /// The same downwards, to 0 at the least. The server keeps the value's length, so [`get`](Memcached::get) may find
    /// spaces after the digits.
    pub fn decr(&self, key: impl AsRef<[u8]>, by: u64, limit: impl Into<TimeLimit>) -> Result<Option<u64>, Error> {
        self.change(key.as_ref(), Command::Decrement(by), limit, counted)
    }

    /// The server's version: a way to learn whether it is there. Made once more like [`get`](Memcached::get).
    pub fn version(&self, limit: impl Into<TimeLimit>) -> Result<String, Error> {
        let mut request = Vec::new();
        protocol::write_version(&mut request);
        self.shared.connections.call(&limit.into(), Resend::IfUnanswered, |call| {
            call.send(&request)?;
            call.version()
        })
    }

    /// Connections that wait for reuse at this moment.
    pub fn idle_connections(&self) -> usize {
        self.shared.connections.idle()
    }

    fn ask<'k>(&self, key: &'k [u8]) -> Asked<'k> {
        Asked { key, opaque: self.shared.opaque.fetch_add(1, Ordering::Relaxed) }
    }

    fn checked_value<'v>(&self, value: &'v [u8]) -> Result<&'v [u8], Error> {
        let limit = self.shared.connections.max_value();
        if value.len() > limit { Err(Error::BodyTooLarge { limit: limit as u64 }) } else { Ok(value) }
    }

    /// Makes a call that changes something. `judge` says what the reply means while the connection is still the call's,
    /// so that one with a reply that means nothing is not kept.
    fn change<T>(
        &self,
        key: &[u8],
        command: Command<'_>,
        limit: impl Into<TimeLimit>,
        judge: impl Fn(Reply) -> Option<T>,
    ) -> Result<T, Error> {
        let asked = self.ask(checked_key(key)?);
        let mut request = Vec::new();
        protocol::write(&mut request, asked, command);
        self.shared.connections.call(&limit.into(), Resend::IfUnsent, |call| {
            call.send(&request)?;
            judge(call.reply(asked)?).ok_or_else(|| self.unexpected())
        })
    }

    fn unexpected(&self) -> Error {
        Error::Protocol(format!("a reply that means nothing here, from {}", self.shared.connections.to()))
    }
}

/// Whether the key was there.
fn found(reply: Reply) -> Option<bool> {
    match reply {
        Reply::Done => Some(true),
        Reply::Absent => Some(false),
        _ => None,
    }
}

/// The count that the key holds, if it was there.
fn counted(reply: Reply) -> Option<Option<u64>> {
    match reply {
        Reply::Value(digits, _) => protocol::number(&digits).map(Some),
        Reply::Absent => Some(None),
        _ => None,
    }
}

impl fmt::Debug for Memcached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memcached").field("server", &self.shared.connections.to()).finish_non_exhaustive()
    }
}
