//! The options: one table, in a file for each section.
//!
//! Help, completions, man page, the reading of flags, variables and file, and the output of `--check` are made from the
//! rows; adding a row is all it takes to have an option.

mod fault;
mod hedge;
mod process;
mod proxy;
mod race;
mod sample;
mod server;
mod upstream;

use crate::cli::nearest;
use crate::cli::option::Opt;

pub(super) use process::LOG;

/// The sections, in the order in which they are shown.
const SECTIONS: [&[Opt]; 8] = [
    server::OPTIONS,
    upstream::OPTIONS,
    race::OPTIONS,
    proxy::OPTIONS,
    hedge::OPTIONS,
    process::OPTIONS,
    sample::OPTIONS,
    fault::OPTIONS,
];

/// All options, in the order in which they are shown.
pub(super) fn all() -> impl Iterator<Item = &'static Opt> {
    SECTIONS.into_iter().flatten()
}

/// The option of this name, which is in the table.
pub(super) fn named(name: &str) -> &'static Opt {
    all().find(|option| option.name == name).expect("it is in the table")
}

/// The option that `name` is most likely a misspelling of.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    nearest::nearest(name, all().map(|option| option.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::option::{Verb, variable};
    use crate::cli::settings::Settings;
    use headstart_server::api::{ApiSettings, ProxySettings};
    use std::collections::HashSet;

    #[test]
    fn no_two_options_share_a_flag_a_variable_or_a_key() {
        for verb in [Verb::Serve, Verb::Proxy, Verb::Sample, Verb::Fault] {
            let mut flags = HashSet::from(["config", "check", "help", "version"]);
            assert!(all().filter_map(|option| option.flag(verb)).all(|flag| flags.insert(flag)), "{verb:?}");
        }
        let (mut variables, mut keys) = (HashSet::from([variable("config")]), HashSet::new());
        for option in all() {
            assert!(variables.insert(option.variable()), "{}", option.name);
            assert!(keys.insert(option.key()), "{}", option.name);
        }
    }

    #[test]
    fn the_defaults_shown_are_the_library_s() {
        let mut shown = Settings::default();
        for option in all().filter(|option| !option.default.is_empty()) {
            (option.set)(&mut shown, option.default).unwrap_or_else(|why| panic!("{}: {why}", option.name));
        }
        let library = Settings::default();
        assert_eq!(format!("{:?}", shown.server()), format!("{:?}", library.server));
        assert_eq!(format!("{:?}", shown.api()), format!("{:?}", ApiSettings::new([""; 0])));
        assert_eq!(format!("{:?}", shown.proxy), format!("{:?}", ProxySettings::new("/*", [""; 0])));
        assert_eq!(shown.sample, library.sample);
        assert_eq!(shown.fault, library.fault);
    }

    #[test]
    fn clap_finds_nothing_wrong_with_the_command_line() {
        crate::cli::command::command().debug_assert();
    }
}
