//! What is compared.

use super::Result;
use std::fmt;
use std::net::SocketAddr;
use std::process::Command;
use std::str::FromStr;

/// A server that answers `GET /api/smart?timeout=MS` from an upstream.
pub(crate) struct Contender {
    /// One word, as in the table and after `--only`.
    pub(crate) name: &'static str,
    /// One line for the legend.
    pub(crate) what: &'static str,
    pub(crate) launch: Launch,
    /// The wrapper it puts around the upstream's body.
    pub(crate) wrapper: Wrapper,
    /// Whether it passes any request through, and serves nothing else.
    pub(crate) passes: bool,
    /// Builds it, or finds it; called once before the first round. The error says what would install it.
    pub(crate) prepare: fn() -> Result<()>,
}

/// How its process is started.
pub(crate) enum Launch {
    /// By running this function until the process is ended.
    Function(fn(&Site) -> Result<()>),
    /// By executing this program.
    Program(fn(&Site) -> Result<Command>),
    /// Not at all: the load calls the upstream itself.
    Direct,
}

/// The wrapper expected around the upstream's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// `{"success":true,"response":…}`
    Ours,
    Nothing,
}

impl Contender {
    /// Wraps as ours does, and needs no installation.
    pub(crate) const fn new(name: &'static str, what: &'static str, launch: Launch) -> Contender {
        Contender { name, what, launch, wrapper: Wrapper::Ours, passes: false, prepare: || Ok(()) }
    }

    pub(crate) const fn prepared_by(self, prepare: fn() -> Result<()>) -> Contender {
        Contender { prepare, ..self }
    }

    /// A proxy, which loads for a server of this API do not suit.
    pub(crate) const fn passing(self) -> Contender {
        Contender { passes: true, ..self }
    }

    pub(crate) const fn without_wrapper(self) -> Contender {
        Contender { wrapper: Wrapper::Nothing, ..self }
    }
}

/// Its addresses and its cores.
pub(crate) struct Site {
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: SocketAddr,
}

impl Site {
    /// The URL to fetch from the upstream.
    pub(crate) fn upstream_url(&self) -> String {
        format!("http://{}/work", self.upstream)
    }

    /// The cores it has, for contenders that start a thread or a process for each.
    pub(crate) fn cores(&self) -> String {
        std::thread::available_parallelism().map_or(1, usize::from).to_string()
    }
}

/// As it goes over a command line.
impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wrapper::Ours => "ours",
            Wrapper::Nothing => "nothing",
        })
    }
}

impl FromStr for Wrapper {
    type Err = ();

    fn from_str(word: &str) -> std::result::Result<Wrapper, ()> {
        [Wrapper::Ours, Wrapper::Nothing].into_iter().find(|wrapper| wrapper.to_string() == word).ok_or(())
    }
}
