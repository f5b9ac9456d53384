//! Settings from the environment.

use crate::cli::given::{Given, Origin};
use crate::cli::mistake::Mistake;
use crate::cli::option::{PREFIX, variable};
use crate::cli::options::{self, LOG, named, nearest};
use std::ffi::OsString;

/// What the programs of many authors read their log levels from.
const COMMON_LOG: &str = "RUST_LOG";

/// The variables that are ours, and `RUST_LOG`. An empty one counts as not set, as is usual where a variable cannot be
/// removed.
pub(super) fn from_environment(
    environment: &[(OsString, OsString)],
    mistakes: &mut Vec<Mistake>,
) -> (Vec<Given>, Vec<String>) {
    let (mut given, mut warnings) = (Vec::new(), Vec::new());
    // The one that means this program only goes before the one that means all.
    let (common, ours): (Vec<_>, Vec<_>) = environment.iter().partition(|(name, _)| *name == COMMON_LOG);
    for (name, value) in common.into_iter().chain(ours) {
        let name = name.to_string_lossy();
        let option = match &*name {
            COMMON_LOG => Some(named(LOG)),
            name if !name.starts_with(PREFIX) || name == variable("config") || is_from_kubernetes(name) => continue,
            name => options::all().find(|option| option.variable() == name),
        };
        let Some(option) = option else {
            warnings.push(unknown_variable(&name));
            continue;
        };
        match value.to_str() {
            Some("") => {}
            Some(text) => {
                given.push(Given::text(option, text, Origin::Environment(name.into_owned())));
            }
            None => mistakes.push(Mistake::Value {
                key: name.into_owned(),
                value: value.to_string_lossy().into_owned(),
                why: "expected text in UTF-8".to_owned(),
            }),
        }
    }
    (given, warnings)
}

/// A warning and not a mistake: variables that are set for a whole host or pod may be meant for another program.
fn unknown_variable(name: &str) -> String {
    let as_option = name[PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
    match nearest(&as_option) {
        Some(near) => format!("{name} is set and means nothing, did you mean {}?", variable(near)),
        None => format!("{name} is set and means nothing: --help lists the variables"),
    }
}

/// Kubernetes sets `<SERVICE>_PORT` and the like for each service, ours being called `headstart` more often than not.
fn is_from_kubernetes(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    ["SERVICE_HOST", "SERVICE_PORT", "PORT"].contains(&rest)
        || rest.starts_with("SERVICE_PORT_")
        || rest.starts_with("PORT_")
}
