//! What an option is, and what follows from its name.
//!
//! An option has one name. The flag is `--name`, the variable `HEADSTART_NAME` with underscores, the key in the file
//! `name`.

use crate::cli::settings::Settings;

/// One row of the table.
pub(super) struct Opt {
    /// From which flag, variable and key follow.
    pub(super) name: &'static str,
    /// The heading it stands under.
    pub(super) section: &'static str,
    pub(super) used_by: UsedBy,
    pub(super) kind: Kind,
    /// What stands for the value in help.
    pub(super) value: &'static str,
    /// As it would be typed; empty for "not set".
    pub(super) default: &'static str,
    /// The first sentence is the short help.
    pub(super) help: &'static str,
    /// Parses the text and puts it in its place, or says what was expected.
    pub(super) set: fn(&mut Settings, &str) -> Result<(), String>,
}

/// The commands that have settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Serve,
    Proxy,
    Sample,
    Fault,
}

/// Which commands have the option as a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UsedBy {
    Serve,
    Proxy,
    Sample,
    Fault,
    /// The server and the proxy.
    Served,
    /// The server and the sample.
    Both,
    All,
}

/// How an option is written in the file, and how often as a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Path,
    Choice(&'static [&'static str]),
    Integer,
    Float,
    /// An integer of the base unit, or text with a unit.
    Quantity,
    /// A flag without a value means `true`.
    Switch,
    /// Text, or an array; as one text, its elements are separated by this.
    List(char),
    /// Text, a table, or an array of these; as one text, each has a line of its own.
    Routes,
}

impl Opt {
    /// The flag without its dashes. `headstart sample` leaves out the `sample-` that its options have elsewhere,
    /// `headstart fault` the `fault-`.
    pub(super) fn flag(&self, verb: Verb) -> Option<&'static str> {
        let uses = match self.used_by {
            UsedBy::Serve => verb == Verb::Serve,
            UsedBy::Proxy => verb == Verb::Proxy,
            UsedBy::Served => matches!(verb, Verb::Serve | Verb::Proxy),
            UsedBy::Sample => verb == Verb::Sample,
            UsedBy::Fault => verb == Verb::Fault,
            UsedBy::Both => matches!(verb, Verb::Serve | Verb::Sample),
            UsedBy::All => true,
        };
        let short = match verb {
            Verb::Serve | Verb::Proxy => None,
            Verb::Sample => self.name.strip_prefix("sample-"),
            Verb::Fault => self.name.strip_prefix("fault-"),
        };
        uses.then_some(short.unwrap_or(self.name))
    }

    /// The default where it is not the same for every command.
    pub(super) fn default_for(&self, verb: Verb) -> &'static str {
        let of_proxy = PROXY_DEFAULTS.iter().find(|(name, _)| verb == Verb::Proxy && *name == self.name);
        of_proxy.map_or(self.default, |(_, default)| default)
    }

    /// The environment variable.
    pub(super) fn variable(&self) -> String {
        variable(self.name)
    }

    /// The key in the file.
    pub(super) fn key(&self) -> &'static str {
        self.name
    }

    /// What separates several values in one text.
    pub(super) fn separator(&self) -> &'static str {
        if self.kind == Kind::Routes { "\n" } else { " " }
    }

    /// Whether the flag can be given several times.
    pub(super) fn repeats(&self) -> bool {
        matches!(self.kind, Kind::List(' ') | Kind::Routes)
    }
}

/// The defaults of `headstart proxy` that are not those of the server.
const PROXY_DEFAULTS: [(&str, &str); 2] = [("admin", "127.0.0.1:8089"), ("schedule", "")];

/// Sets `value` in settings whose setters take and return them.
pub(super) fn put<S: Clone, V>(
    settings: &mut S,
    value: Result<V, String>,
    set: impl FnOnce(S, V) -> S,
) -> Result<(), String> {
    *settings = set(settings.clone(), value?);
    Ok(())
}

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "HEADSTART_";

/// The variable that belongs to `name`.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('-', "_").to_ascii_uppercase())
}
