//! From the text that names a source to the source.

use super::call::{Source, mistake};
use super::settings::SourceSettings;
use crate::error::Error;
use headstart::crew::Crew;
use headstart::http::Client;

/// What a source's text may begin with, the feature it takes, and whether this build has it.
const SCHEMES: [(&str, &str, bool); 7] = [
    ("http", "", true),
    ("https", "tls", cfg!(feature = "tls")),
    ("memcached", "memcached", cfg!(feature = "memcached")),
    ("mysql", "mysql", cfg!(all(feature = "mysql", unix))),
    ("xmlrpc", "xmlrpc", cfg!(feature = "xmlrpc")),
    ("xmlrpcs", "xmlrpc", cfg!(feature = "xmlrpc")),
    ("command", "command", cfg!(all(feature = "command", unix))),
];

/// The source for `path` that `text` names.
pub(super) fn source(crew: &Crew, path: &str, text: &str, settings: &SourceSettings) -> Result<Box<dyn Source>, Error> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let source = match SCHEMES.iter().any(|(known, _, is_there)| *known == scheme && *is_there) {
        true => named(crew, scheme, text, settings),
        false => Err(no_such_source(text, scheme)),
    };
    source.map_err(|error| of_route(path, error))
}

fn named(crew: &Crew, scheme: &str, text: &str, settings: &SourceSettings) -> Result<Box<dyn Source>, Error> {
    match scheme {
        #[cfg(feature = "memcached")]
        "memcached" => Ok(Box::new(super::cached::Cached::new(crew, text, settings)?)),
        #[cfg(all(feature = "mysql", unix))]
        "mysql" => Ok(Box::new(super::database::Database::new(crew, text, settings)?)),
        #[cfg(all(feature = "command", unix))]
        "command" => Ok(Box::new(super::program::Command::new(crew, text, settings)?)),
        #[cfg(feature = "xmlrpc")]
        "xmlrpc" | "xmlrpcs" => Ok(Box::new(super::procedure::Procedure::new(crew, text, settings)?)),
        _ => Ok(Box::new(Client::new(crew, settings.json_client(&[text.to_owned()]))?)),
    }
}

/// The same mistake, as one of the route for `path`. What is wrong has shown what may be shown of itself, and no more
/// is: a password may stand anywhere in a text that was not understood.
fn of_route(path: &str, error: Error) -> Error {
    match error {
        Error::Setting { value, allowed, .. } => mistake(&format!("{path}={value}"), &allowed),
        other => other,
    }
}

fn no_such_source(text: &str, scheme: &str) -> Error {
    let here = SCHEMES.iter().filter(|(.., is_there)| *is_there).map(|(known, ..)| format!("{known}:"));
    let here = here.collect::<Vec<_>>().join(", ");
    let allowed = match SCHEMES.iter().find(|(known, ..)| *known == scheme) {
        Some((_, feature, _)) => {
            format!("what this build has ({here}); {scheme}: takes one with the feature {feature}")
        }
        None => format!("a URL or command that begins with one of {here}"),
    };
    match scheme {
        "" => mistake(text, &allowed),
        scheme => mistake(&format!("{scheme}:…"), &allowed),
    }
}
