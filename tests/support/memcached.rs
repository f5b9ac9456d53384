//! Clients of memcached servers.

use headstart::memcached::{Memcached, MemcachedSettings};
use headstart::{Crew, CrewSettings};

pub(crate) fn crew() -> Crew {
    Crew::new(CrewSettings::default()).unwrap()
}

pub(crate) fn client(crew: &Crew, server: impl ToString) -> Memcached {
    client_with(crew, server, |settings| settings)
}

pub(crate) fn client_with(
    crew: &Crew,
    server: impl ToString,
    change: impl FnOnce(MemcachedSettings) -> MemcachedSettings,
) -> Memcached {
    let settings = change(MemcachedSettings::new(server.to_string()));
    Memcached::new(crew, settings).unwrap()
}
