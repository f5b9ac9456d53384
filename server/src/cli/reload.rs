//! What SIGHUP reads again besides the certificate: the option `log`, from the configuration file.
//!
//! The environment and the flags of a running process stay what they were, so the file is the one place where the level
//! can be changed from outside. A mistake anywhere in the file costs nothing but a line: what holds stays.
//!
//! What this does not do: apply any other key. Those are settled at start.

use crate::cli::given::{Given, Origin};
use crate::cli::layers::{ConfigFile, Effective};
use crate::cli::logging::Log;
use crate::cli::mistake::Mistake;
use crate::cli::option::Verb;
use crate::cli::options::{LOG, named};
use crate::cli::settings::Settings;
use env_filter::Filter;
use log::{Level, Metadata};

/// The running log, and where its levels come from.
pub(super) struct LogReload {
    log: Log,
    file: ConfigFile,
    /// What goes before the file.
    fixed_by: Option<String>,
}

impl LogReload {
    /// `None` without a configuration file.
    pub(super) fn new(effective: &Effective, log: Log) -> Option<LogReload> {
        let fixed_by = effective.given_for(LOG).and_then(|given| match &given.origin {
            Origin::Default | Origin::File(_) => None,
            Origin::Environment(name) | Origin::Flag(name) => Some(name.clone()),
        });
        Some(LogReload { log, file: effective.file.clone()?, fixed_by })
    }

    /// Reads the file and lets the log follow it.
    pub(super) fn run(&self) {
        match (self.read(), &self.fixed_by) {
            (Err(mistakes), _) => {
                mistakes.iter().for_each(|mistake| log::error!("SIGHUP: the log levels in use stay: {mistake}"));
            }
            (Ok(_), Some(name)) => {
                log::info!("SIGHUP: the log levels in use stay: {name} goes before the configuration file");
            }
            (Ok((text, filter)), None) => {
                let say = || log::info!("SIGHUP: log levels are now {text}");
                // Said once they hold, unless they would not let it through.
                let this = Metadata::builder().level(Level::Info).target(module_path!()).build();
                if filter.enabled(&this) {
                    self.log.choose(filter);
                    say();
                } else {
                    say();
                    self.log.choose(filter);
                }
            }
        }
    }

    /// The levels as the file has them now, as text and parsed; the default where it has none.
    fn read(&self) -> Result<(String, Filter), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let in_file = self.file.read(&mut mistakes).into_iter().find(|given| given.option.name == LOG);
        let given = in_file.unwrap_or_else(|| Given::default_of(named(LOG), Verb::Serve));
        let mut settings = Settings::default();
        mistakes.extend(given.apply(&mut settings).err());
        if mistakes.is_empty() { Ok((given.written.to_string(), settings.log)) } else { Err(mistakes) }
    }
}
