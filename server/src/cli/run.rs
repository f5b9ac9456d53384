//! What every command that runs has in common: signals, refusals at start, the end.

use crate::cli::failure::Failure;
use crate::cli::signals::StopRequests;
use headstart::Crew;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// How long the crew's threads may take to come home once everything is canceled.
const LAST_WAIT: Duration = Duration::from_secs(1);

pub(super) fn register_signals() -> Result<StopRequests, Failure> {
    StopRequests::register().map_err(|error| Failure::Run(format!("cannot wait for signals: {error}")))
}

/// One line that says what to do about it. `option` is what said where to listen.
pub(super) fn cannot_listen(option: &str, at: &str, error: &io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "; another process has it: stop that one, or listen elsewhere with {option} ADDRESS:PORT, where port \
                 0 takes a free one"
            )
        }
        ErrorKind::PermissionDenied => {
            format!("; ports below 1024 take privileges: use a higher one with {option}, or grant CAP_NET_BIND_SERVICE")
        }
        ErrorKind::AddrNotAvailable => {
            format!("; this machine does not have that address: {option} 0.0.0.0:PORT takes all it has")
        }
        _ => String::new(),
    };
    format!("cannot listen on {at}: {error}{advice}")
}

pub(super) fn cannot_run(error: impl Display) -> Failure {
    Failure::Run(format!("cannot start: {error}"))
}

pub(super) fn dismiss(crew: &Crew) {
    match crew.shutdown(LAST_WAIT) {
        0 => log::info!("stopped"),
        busy => log::warn!("stopped with {busy} threads in calls that could not be ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_address_comes_with_what_to_do_about_it() {
        for (kind, advice) in [
            (ErrorKind::AddrInUse, "another process"),
            (ErrorKind::PermissionDenied, "ports below 1024"),
            (ErrorKind::AddrNotAvailable, "--listen 0.0.0.0:PORT"),
        ] {
            let line = cannot_listen("--listen", "192.0.2.1:80", &kind.into());
            assert!(line.starts_with("cannot listen on 192.0.2.1:80: ") && line.contains(advice), "{line}");
        }
    }
}
